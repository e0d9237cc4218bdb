/* SPDX-License-Identifier: MIT
 *
 * plan.c - a process that is to be, from the Lua half's table to what net_spawn wants; and
 * what this process has that goes into one. See plan.h. */
#include "process/plan.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "process/descriptor.h"

/* Pushes an array of the strings in the list at field 'name' of the plan, NULL at
 * its end; they live as long as the list. [-0, +2, m] */
static char **push_strings(lua_State *L, const char *name) {
  lua_getfield(L, PLAN, name);
  lua_Unsigned n = lua_rawlen(L, -1);
  char **array = lua_newuserdatauv(L, (n + 1) * sizeof *array, 0);
  for (lua_Unsigned i = 0; i < n; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    array[i] = (char *)(uintptr_t)lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  array[n] = NULL;
  return array;
}

/* Pushes the argv of a shell that is to read the program. [-0, +1, m] */
static char **push_script(lua_State *L, char **argv) {
  static char shell[] = "/bin/sh";
  size_t n = 0;
  while (argv[n])
    n++;
  char **script = lua_newuserdatauv(L, (n + 2) * sizeof *script, 0);
  script[0] = shell;
  memcpy(&script[2], &argv[1], n * sizeof *script); /* with the NULL */
  return script;
}

/* The number at the place: of a Descriptor, a number, NET_SPAWN_*. [-0, +0, -] */
static int place_fd(lua_State *L, int i) {
  lua_rawgeti(L, PLAN_FDS, i + 1);
  const int *owned = net_descriptor_test(L, -1);
  int fd = owned ? *owned : lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : NET_SPAWN_CLOSED;
  lua_pop(L, 1);
  return fd;
}

/* Pushes the list of places, and its numbers. [-0, +2, m] */
static int *push_places(lua_State *L, struct net_spawn *s) {
  lua_getfield(L, PLAN, "fds");
  lua_getfield(L, PLAN, "count");
  s->count = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  int *numbers = lua_newuserdatauv(L, ((size_t)s->count + 1) * sizeof *numbers, 0);
  for (int i = 0; i < s->count; i++)
    numbers[i] = place_fd(L, i);
  return numbers;
}

/* An id of the plan; returns whether it is given. [-0, +0, -] */
static int get_id(lua_State *L, const char *name, unsigned *id) {
  int given = lua_getfield(L, PLAN, name) != LUA_TNIL;
  *id = (unsigned)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return given;
}

static int get_flag(lua_State *L, const char *name) {
  lua_getfield(L, PLAN, name);
  int on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* Pushes the environment. With listen_pid it gets another variable, whose value the child
 * writes: systemd's LISTEN_PID is its own pid. [-0, +3, m] */
static char **push_environment(lua_State *L, struct net_spawn *s) {
  static const char name[] = "LISTEN_PID=";
  char **env = push_strings(L, "env");
  if (!get_flag(L, "listen_pid")) {
    lua_pushnil(L);
    return env;
  }
  size_t n = lua_rawlen(L, -1) / sizeof *env; /* with the NULL */
  char *text = lua_newuserdatauv(L, sizeof name + NET_PID_DIGITS, 0);
  memcpy(text, name, sizeof name);
  s->pid_text = text + sizeof name - 1;
  char **more = lua_newuserdatauv(L, (n + 1) * sizeof *more, 0);
  memcpy(more, env, n * sizeof *more);
  more[n - 1] = text;
  more[n] = NULL;
  lua_replace(L, -3);
  return more;
}

void net_plan_read(lua_State *L, struct net_spawn *s) {
  *s =
    (struct net_spawn){ .searched = get_flag(L, "searched"), .detached = get_flag(L, "detached") };
  luaL_checkstack(L, 24, NULL);
  s->fds = push_places(L, s);
  s->paths = push_strings(L, "paths");
  s->argv = push_strings(L, "args");
  s->script = push_script(L, s->argv);
  s->envp = push_environment(L, s);
  s->has_uid = get_id(L, "uid", &s->uid);
  s->has_gid = get_id(L, "gid", &s->gid);
  lua_getfield(L, PLAN, "cwd");
  s->cwd = lua_tostring(L, -1);
}

void net_plan_close(lua_State *L, const struct net_spawn *s) {
  for (int i = 0; i < s->count; i++) {
    lua_rawgeti(L, PLAN_FDS, i + 1);
    net_sys_close(net_descriptor_take(L, lua_gettop(L)));
    lua_pop(L, 1);
  }
}

/* environ() -> list of NAME=value */
static int core_environ(lua_State *L) {
  char **variables = net_spawn_environ();
  lua_newtable(L);
  for (lua_Integer i = 0; variables && variables[i]; i++) {
    lua_pushstring(L, variables[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* default_path() -> where programs are looked for without a PATH */
static int core_default_path(lua_State *L) {
  char path[1024];
  size_t size = confstr(_CS_PATH, path, sizeof path);
  lua_pushstring(L, size > 0 && size <= sizeof path ? path : "/bin:/usr/bin");
  return 1;
}

void net_plan_open(lua_State *L) {
  static const luaL_Reg functions[] = { { "environ", core_environ },
                                        { "default_path", core_default_path },
                                        { NULL, NULL } };
  luaL_setfuncs(L, functions, 0);
}
