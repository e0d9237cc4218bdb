/* SPDX-License-Identifier: MIT
 *
 * childprocess.c - net.child's ChildProcess, a process that this one has started.
 *
 * The object knows the pid, hears of the end (reap.c), and holds the loop until then
 * unless it is unref'd; it is anchored meanwhile. What a program asks for is checked by
 * lua/net/internal/process/spawn.lua, which also emits the events; streams and channel
 * are objects of their own, and the kid's Lua half keeps them.
 *
 *     new ──start──▶ running ──ended──▶ over ──told──▶ (exitCode or signalCode)
 *      └──refused─────────────────────▶ over ──told──▶ (exitCode: a negative errno)
 *
 * Over, but not told: the system or Lua's half has still to be asked once more, for want
 * of memory. So the end is told once, whatever fails on the way. */
#include "process/childprocess.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"
#include "base/error.h"
#include "base/sys.h"
#include "events/emitter.h"
#include "events/signal.h"
#include "loop/atexit.h"
#include "loop/dispatch.h"
#include "process/descriptor.h"
#include "process/reap.h"
#include "process/spawn.h"
#include "server/server.h"
#include "socket/socket.h"

enum {
  VAL_ENDED = VAL_OWN, /* the function that is called with the object when it is over */
  VAL_LIFE,            /* the table of its Lua half */
  CHILD_UVS = VAL_LIFE
};

struct childprocess {
  struct net_object o;
  struct net_reap reap;
  pid_t pid;   /* 0: none was started; stays when it is over */
  int running; /* anchored, until it is told */
  int told;    /* Lua's half is done with */
  int unrefd;  /* it does not hold the loop */
  struct net_parents parents;
};

static const struct net_class child_class;

static struct childprocess *check(lua_State *L) { return net_object_check(L, 1, &child_class); }

/* --- its end --------------------------------------------------------------------- */

/* A child made by fork(2) of the process that has started it has a copy of the object: there
 * it is nobody's child. */
static int is_ours(const struct childprocess *c) { return !net_atexit_is_parents(&c->parents); }

/* Nothing of libev's or the system's is its own from here on. */
static void child_stop(lua_State *L, struct childprocess *c) {
  if (!c->running)
    return;
  c->running = 0;
  net_atexit_drop(&c->parents);
  net_reap_stop(&c->reap);
  net_ready_forget(c->o.loop, c);
  if (!c->unrefd)
    net_loop_unref(c->o.loop);
  net_unanchor(L, &c->o);
}

/* Lua half: calls ended(kid), which is to call told(kid). */
static void child_ended(lua_State *L, void *arg) {
  struct childprocess *c = arg;
  if (!is_ours(c) || !net_reap_look(&c->reap)) {
    net_settle_none(c->o.loop);
    return;
  }
  net_reap_again(&c->reap); /* in case the call finds no memory */
  net_push(L, &c->o);
  lua_getiuservalue(L, -1, VAL_ENDED);
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}

static void on_ended(struct net_reap *r) {
  struct childprocess *c = net_container_of(r, struct childprocess, reap);
  net_ready_behind(c->o.loop, child_ended, c);
}

/* told(kid): the events come next, and are not asked for again */
static int core_told(lua_State *L) {
  struct childprocess *c = check(L);
  c->told = 1;
  child_stop(L, c);
  return 0;
}

/* again(kid): ended(kid) is called once more, behind what the loop is told to do next */
static int core_again(lua_State *L) {
  struct childprocess *c = check(L);
  if (c->running)
    net_ready(c->o.loop, child_ended, c);
  return 0;
}

/* Lua half: calls ended(kid, true), in a process that has but a copy of the object. */
static void child_left(lua_State *L, void *arg) {
  struct childprocess *c = arg;
  net_push(L, &c->o);
  child_stop(L, c);
  lua_getiuservalue(L, -1, VAL_ENDED);
  lua_insert(L, -2);
  lua_pushboolean(L, 1);
  lua_call(L, 2, 0);
}

static void let_go(lua_State *L, struct net_parents *p) {
  struct childprocess *c = net_container_of(p, struct childprocess, parents);
  (void)L;
  net_reap_stop(&c->reap);
  net_ready(c->o.loop, child_left, c);
}

/* lua_close: one that has ended leaves no zombie; others go on without us. */
static void child_end(lua_State *L, int idx) {
  struct childprocess *c = lua_touserdata(L, idx);
  if (is_ours(c))
    (void)net_reap_look(&c->reap);
  child_stop(L, c);
}

/* --- starting -------------------------------------------------------------------- */

/* Pushes an array of the strings in the list at field 'name' of the table at 2, NULL at
 * its end; they live as long as the list. [-0, +2, m] */
static char **push_strings(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
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
static int place_fd(lua_State *L, int fds, int i) {
  lua_rawgeti(L, fds, i + 1);
  const int *owned = net_descriptor_test(L, -1);
  int fd = owned ? *owned : lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : NET_SPAWN_CLOSED;
  lua_pop(L, 1);
  return fd;
}

/* Pushes the list of places, and its numbers. [-0, +2, m] */
static int *push_places(lua_State *L, struct net_spawn *s) {
  lua_getfield(L, 2, "fds");
  int fds = lua_gettop(L);
  lua_getfield(L, 2, "count");
  s->count = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  int *numbers = lua_newuserdatauv(L, ((size_t)s->count + 1) * sizeof *numbers, 0);
  for (int i = 0; i < s->count; i++)
    numbers[i] = place_fd(L, fds, i);
  return numbers;
}

/* Closes the Descriptors among the places: the child has them, or nobody will. [-0, +0, -] */
static void close_places(lua_State *L, int fds, int count) {
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, fds, i + 1);
    net_sys_close(net_descriptor_take(L, lua_gettop(L)));
    lua_pop(L, 1);
  }
}

/* An id of the table at 2; returns whether it is given. [-0, +0, -] */
static int get_id(lua_State *L, const char *name, unsigned *id) {
  int given = lua_getfield(L, 2, name) != LUA_TNIL;
  *id = (unsigned)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return given;
}

static int get_flag(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
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

static void refuse(struct childprocess *c, int err) {
  c->pid = 0;
  c->reap.status = err;
  c->reap.over = 1;
}

/* refuse(kid, err): it cannot be started, for a negative errno */
static int core_refuse(lua_State *L) {
  struct childprocess *c = check(L);
  refuse(c, (int)luaL_checkinteger(L, 2));
  return 0;
}

/* start(kid, {paths, searched, args, env, listen_pid, cwd, fds, count, detached, uid, gid})
 * -> 0, or a negative errno. 'fds' has a number, a Descriptor or nothing at each place; the
 * Descriptors are closed when it returns. What can raise comes first. */
static int core_start(lua_State *L) {
  struct childprocess *c = check(L);
  struct net_spawn s = { .searched = get_flag(L, "searched"), .detached = get_flag(L, "detached") };
  lua_settop(L, 2);
  luaL_checkstack(L, 24, NULL);
  s.fds = push_places(L, &s);
  s.paths = push_strings(L, "paths");
  s.argv = push_strings(L, "args");
  s.script = push_script(L, s.argv);
  s.envp = push_environment(L, &s);
  s.has_uid = get_id(L, "uid", &s.uid);
  s.has_gid = get_id(L, "gid", &s.gid);
  lua_getfield(L, 2, "cwd");
  s.cwd = lua_tostring(L, -1);
  net_loop_flush(L, c->o.loop); /* what was written before leaves before its output */
  net_anchor(L, 1, &c->o);
  net_sigchld_heed();
  int err = net_spawn(&s, &c->pid);
  close_places(L, 3, s.count);
  if (err < 0) {
    refuse(c, err);
    net_unanchor(L, &c->o);
  } else {
    c->running = 1;
    net_atexit_keep(c->o.loop, &c->parents, let_go);
    net_reap_start(&c->reap, c->o.loop, c->pid);
    if (!c->unrefd)
      net_loop_ref(c->o.loop);
  }
  lua_pushinteger(L, err);
  return 1;
}

/* --- methods and fields ---------------------------------------------------------- */

/* kid:ref() */
static int child_ref(lua_State *L) {
  struct childprocess *c = check(L);
  if (c->unrefd && c->running)
    net_loop_ref(c->o.loop);
  c->unrefd = 0;
  return 0;
}

/* kid:unref() */
static int child_unref(lua_State *L) {
  struct childprocess *c = check(L);
  if (!c->unrefd && c->running)
    net_loop_unref(c->o.loop);
  c->unrefd = 1;
  return 0;
}

static int get_pid(lua_State *L) {
  const struct childprocess *c = check(L);
  if (c->pid > 0)
    lua_pushinteger(L, c->pid);
  else
    lua_pushnil(L);
  return 1;
}

/* The name of the signal that ended it; NULL: none has. 'text' is for one without. */
static const char *signal_of(const struct childprocess *c, char text[16]) {
  int status = c->reap.status;
  if (!c->told || status < 0 || !WIFSIGNALED(status))
    return NULL;
  const char *name = net_signal_name(WTERMSIG(status));
  int number = WTERMSIG(status), at = 3;
  if (name)
    return name;
  memcpy(text, "SIG", 3);
  if (number >= 10)
    text[at++] = (char)('0' + number / 10 % 10);
  text[at++] = (char)('0' + number % 10);
  text[at] = '\0';
  return text;
}

static int get_exitCode(lua_State *L) {
  char text[16];
  const struct childprocess *c = check(L);
  int status = c->reap.status;
  if (!c->told || signal_of(c, text))
    lua_pushnil(L);
  else
    lua_pushinteger(L, status < 0 ? status : WEXITSTATUS(status));
  return 1;
}

static int get_signalCode(lua_State *L) {
  char text[16];
  lua_pushstring(L, signal_of(check(L), text)); /* nil for NULL */
  return 1;
}

/* --- for lua/net/internal/process ------------------------------------------------- */

/* new(ended, life) -> a ChildProcess that is not started; ended(kid) is called when it has
 * ended, and ended(kid, true) where this process is no more its parent */
static int core_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  struct childprocess *c = net_object_new(L, net_loop_get(L), &child_class, sizeof *c, CHILD_UVS);
  c->reap.pidfd = -1;
  c->reap.ended = on_ended;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, VAL_ENDED);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, VAL_LIFE);
  return 1;
}

/* life(kid) -> the table that new() was given */
static int core_life(lua_State *L) {
  (void)check(L);
  lua_getiuservalue(L, 1, VAL_LIFE);
  return 1;
}

/* signal(kid, number) -> 0, or a negative errno; -ESRCH: it has ended, and is reaped, so
 * that its pid may be another's by now */
static int core_signal(lua_State *L) {
  const struct childprocess *c = check(L);
  int err = -ESRCH;
  if (c->running && is_ours(c) && c->reap.pid > 0)
    err = kill(c->reap.pid, (int)luaL_checkinteger(L, 2)) < 0 ? -errno : 0;
  lua_pushinteger(L, err);
  return 1;
}

/* is(value) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &child_class) != NULL);
  return 1;
}

/* open(socket, descriptor): the descriptor, a Unix socket's, is the socket's from here on;
 * nothing is read yet */
static int core_open(lua_State *L) {
  (void)net_socket_check(L);
  int *fd = net_descriptor_check(L, 2);
  net_stream_open_fd(L, 1, *fd, NET_FD_UNIX);
  *fd = -1;
  return 0;
}

/* blocking(descriptor) -> true, or nil and a negative errno */
static int core_blocking(lua_State *L) {
  return net_push_result(L, net_sys_set_blocking(*net_descriptor_check(L, 1)));
}

/* inode(descriptor) -> that of its socket as text, or nil and a negative errno */
static int core_inode(lua_State *L) {
  struct stat st;
  if (fstat(*net_descriptor_check(L, 1), &st) < 0)
    return net_push_result(L, -errno);
  lua_pushfstring(L, "%I", (LUAI_UACINT)st.st_ino);
  return 1;
}

/* fd(value) -> the number of a Socket's, a Server's or an open Lua file's descriptor; nil
 * for what has none */
static int core_fd(lua_State *L) {
  const struct net_stream *s = net_object_test(L, 1, &net_stream_class);
  const struct net_server *server = net_object_test(L, 1, &net_server_class);
  const luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
  int fd = s ? net_stream_fd(s) : server ? server->fd : file && file->closef ? fileno(file->f) : -1;
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
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

static const luaL_Reg child_functions[] = {
  { "new", core_new },
  { "start", core_start },
  { "refuse", core_refuse },
  { "told", core_told },
  { "again", core_again },
  { "life", core_life },
  { "signal", core_signal },
  { "is", core_is },
  { "open", core_open },
  { "blocking", core_blocking },
  { "inode", core_inode },
  { "fd", core_fd },
  { "environ", core_environ },
  { "default_path", core_default_path },
  { NULL, NULL },
};

static const luaL_Reg child_methods[] = {
  { "ref", child_ref },
  { "unref", child_unref },
  { NULL, NULL },
};

static const luaL_Reg child_getters[] = {
  { "pid", get_pid },
  { "exitCode", get_exitCode },
  { "signalCode", get_signalCode },
  { NULL, NULL },
};

static const struct net_class child_class = {
  .name = "ChildProcess",
  .methods = child_methods,
  .getters = child_getters,
  .end = child_end,
};

void net_childprocess_open(lua_State *L) {
  net_emitter_class_open(L, &child_class, 8);
  net_emitter_class_late(L);
  lua_setfield(L, -2, "ChildProcess");
  luaL_newlib(L, child_functions);
  lua_setfield(L, -2, "child");
}
