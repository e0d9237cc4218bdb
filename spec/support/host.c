/* SPDX-License-Identifier: MIT
 *
 * host.c - a C program with Lua in it that runs libev's default loop itself.
 *
 * For embed_spec.lua. Each argument is a script, run in a Lua state of its own;
 * then the host runs the loop, for all of them, until it ends. A script finds a
 * table 'host': after(ms, fn) is an ev_timer of the host's, run() an ev_run from
 * inside Lua, idle() an ev_idle of the host's, which does not hold the loop, close_at(n)
 * has the host close the state behind the n-th poll from then on. Its global
 * function 'ended', if it has set one, is called when the loop has ended; true has it run
 * once more. The states are closed in their order, or with HOST_REVERSE in the environment
 * the last one first. All of it is done in the main thread, or with HOST_THREAD in
 * another. */
#include <ev.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct after {
  ev_timer timer;
  lua_State *L;
  int fn; /* registry reference */
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents) {
  struct after *a = w->data;
  (void)loop, (void)revents;
  lua_rawgeti(a->L, LUA_REGISTRYINDEX, a->fn);
  luaL_unref(a->L, LUA_REGISTRYINDEX, a->fn);
  if (lua_pcall(a->L, 0, 0, 0) != LUA_OK) {
    printf("host: %s\n", luaL_tolstring(a->L, -1, NULL));
    lua_pop(a->L, 2);
  }
  free(a);
}

/* after(ms, fn) */
static int host_after(lua_State *L) {
  double seconds = luaL_checknumber(L, 1) / 1000;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  struct after *a = malloc(sizeof *a);
  if (a == NULL)
    return luaL_error(L, "not enough memory");
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  a->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  a->fn = luaL_ref(L, LUA_REGISTRYINDEX);
  ev_timer_init(&a->timer, on_timer, seconds, 0);
  a->timer.data = a;
  ev_timer_start(EV_DEFAULT, &a->timer);
  return 0;
}

/* run() */
static int host_run(lua_State *L) {
  (void)L;
  ev_run(EV_DEFAULT, 0);
  return 0;
}

static void on_idle(struct ev_loop *loop, ev_idle *w, int revents) {
  (void)loop, (void)w, (void)revents;
}

/* idle() */
static int host_idle(lua_State *L) {
  static ev_idle idle;
  (void)L;
  ev_idle_init(&idle, on_idle);
  ev_set_priority(&idle, EV_MINPRI);
  ev_idle_start(EV_DEFAULT, &idle);
  ev_unref(EV_DEFAULT);
  return 0;
}

/* The states, and those that are to be closed amid the loop. */
enum { STATES = 8 };
static lua_State *states[STATES];
static struct closer {
  ev_check check;
  lua_State *L;
  lua_Integer left;
} closers[STATES];

static void on_check(struct ev_loop *loop, ev_check *w, int revents) {
  struct closer *c = w->data;
  (void)revents;
  if (--c->left > 0)
    return;
  ev_ref(loop);
  ev_check_stop(loop, w);
  for (int i = 0; i < STATES; i++)
    if (states[i] == c->L)
      states[i] = NULL;
  lua_close(c->L);
}

/* close_at(n) */
static int host_close_at(lua_State *L) {
  static int used;
  struct closer *c = &closers[used++];
  c->left = luaL_checkinteger(L, 1);
  c->L = L;
  ev_check_init(&c->check, on_check);
  c->check.data = c;
  ev_check_start(EV_DEFAULT, &c->check);
  ev_unref(EV_DEFAULT);
  return 0;
}

static lua_State *open_state(const char *script) {
  static const luaL_Reg functions[] = {
    {"after", host_after}, {"run", host_run}, {"idle", host_idle},
    {"close_at", host_close_at}, {NULL, NULL}
  };
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_warning(L, "@on", 0);
  luaL_newlib(L, functions);
  lua_setglobal(L, "host");
  if (luaL_dofile(L, script) != LUA_OK) {
    printf("host: %s\n", luaL_tolstring(L, -1, NULL));
    exit(2);
  }
  return L;
}

/* What the script's function 'ended' says. */
static int wants_more(lua_State *L) {
  if (lua_getglobal(L, "ended") != LUA_TFUNCTION) {
    lua_pop(L, 1);
    return 0;
  }
  lua_call(L, 0, 1);
  int more = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return more;
}

/* The scripts are the arguments up to NULL. */
static void *host(void *arguments) {
  char **scripts = arguments;
  int n = 0, more;
  for (; n < STATES && scripts[n]; n++)
    states[n] = open_state(scripts[n]);
  do {
    ev_run(EV_DEFAULT, 0);
    puts("host: the loop has ended");
    more = 0;
    for (int i = 0; i < n; i++)
      more |= states[i] && wants_more(states[i]);
  } while (more);
  for (int i = 0; i < n; i++) {
    lua_State *L = states[getenv("HOST_REVERSE") ? n - 1 - i : i];
    if (L)
      lua_close(L);
  }
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t thread;
  (void)argc;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  if (getenv("HOST_THREAD") == NULL)
    host(argv + 1);
  else if (pthread_create(&thread, NULL, host, argv + 1) != 0 || pthread_join(thread, NULL) != 0)
    return 2;
  return 0;
}
