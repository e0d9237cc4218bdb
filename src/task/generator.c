/* SPDX-License-Identifier: MIT
 *
 * generator.c - coroutines inside of a task whose body may wait.
 *
 * As what coroutine.wrap makes, a generator gives to its caller what its body yields. When
 * the body waits, the generator's own call yields too, and goes on with the body when that
 * is resumed: a chain of any depth, which the task knows as its coroutines. A value that is
 * yielded and a wait are told apart by the state of the task. Anybody may call a generator,
 * also outside of tasks, where its body cannot wait. */
#include <lauxlib.h>
#include <string.h>

#include "base/error.h"
#include "task/task.h"

static const char generator_key; /* registry: the metatable */

struct generator {
  struct net_coroutine co; /* its thread is user value 1 */
  enum { NEW, SUSPENDED, ACTIVE, DEAD } state;
  int failed; /* the value on its thread is an error */
  int nargs;  /* on the thread before it has begun */
};

static int body_over(lua_State *L, int status, lua_KContext ctx) {
  struct generator *g = (struct generator *)ctx;
  g->failed = status != LUA_OK && status != LUA_YIELD;
  return lua_gettop(L) - 2;
}

/* On the generator's thread: the generator, the function, its arguments. */
static int body(lua_State *L) {
  lua_KContext g = (lua_KContext)lua_touserdata(L, 1);
  lua_pushcfunction(L, net_task_on_error);
  lua_insert(L, 2);
  return body_over(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 2, g, body_over), g);
}

/* Moves 'n' values from the top of one thread to another. [..., e] */
static int move(lua_State *L, lua_State *from, int n) {
  luaL_checkstack(L, n, "too many values");
  lua_xmove(from, L, n);
  return n;
}

/* What its thread gave, which has ended or yields; it is no part of the task now. */
static int generator_gives(lua_State *L, struct generator *g, int status, int n) {
  g->state = status == LUA_YIELD ? SUSPENDED : DEAD;
  net_scopes_hold(&g->co, 0);
  if (status == LUA_YIELD || (status == LUA_OK && !g->failed))
    return move(L, g->co.thread, n);
  move(L, g->co.thread, 1);
  return net_task_rethrow(L);
}

static int generator_again(lua_State *L, int status, lua_KContext ctx);

/* Its thread was closed by hand amid a wait, of its own or of a generator inside. */
static void abandon(lua_State *L, struct net_task *t, const struct generator *g) {
  net_wait_leave(L, t);
  for (struct net_coroutine *co = t->inner, *next; co != &g->co; co = next) {
    next = co->outer;
    net_coroutine_close(L, t, co);
    co->task = NULL;
  }
}

static int generator_go(lua_State *L, struct generator *g, int nargs) {
  struct net_task *t = g->co.task;
  int n = 0, status = lua_resume(g->co.thread, L, nargs, &n);
  if (status == LUA_YIELD && t && t->state != TASK_RUNNING)
    return lua_yieldk(L, 0, (lua_KContext)g, generator_again);
  if (t && t->wait.kind)
    abandon(L, t, g);
  if (t)
    t->inner = g->co.outer;
  g->co.task = NULL;
  g->co.outer = NULL;
  return generator_gives(L, g, status, n);
}

/* What its body waited for has come, unless somebody else has resumed the thread. */
static int generator_again(lua_State *L, int status, lua_KContext ctx) {
  struct generator *g = (struct generator *)ctx;
  (void)status;
  if (g->co.task->state != TASK_RUNNING)
    return lua_yieldk(L, 0, ctx, generator_again);
  return generator_go(L, g, 0);
}

/* The iterator: its upvalue is the generator. */
static int generator_next(lua_State *L) {
  struct generator *g = lua_touserdata(L, lua_upvalueindex(1));
  int nargs = g->nargs;
  if (g->co.closed || g->state == DEAD)
    return luaL_error(L, "cannot resume dead coroutine");
  if (g->state == ACTIVE)
    return luaL_error(L, "cannot resume non-suspended coroutine");
  if (g->state == SUSPENDED) {
    nargs = lua_gettop(L);
    if (!lua_checkstack(g->co.thread, nargs))
      return luaL_error(L, "too many arguments");
    lua_xmove(L, g->co.thread, nargs);
  }
  struct net_task *t = net_wait_task(net_loop_get(L), L);
  g->co.task = t;
  if (t) {
    g->co.outer = t->inner;
    t->inner = &g->co;
  }
  g->state = ACTIVE;
  net_scopes_hold(&g->co, 1);
  return generator_go(L, g, nargs);
}

/* Leaving the loop that it was made for. */
static int generator_close(lua_State *L) {
  struct generator *g = lua_touserdata(L, 1);
  if (g->co.closed || g->state == DEAD || g->state == ACTIVE)
    return 0;
  g->state = DEAD;
  net_scopes_end(L, &g->co);
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(g->co.thread, L);
#else
  int status = lua_resetthread(g->co.thread);
#endif
  if (status == LUA_OK)
    return 0;
  move(L, g->co.thread, 1);
  return lua_error(L);
}

/* A thread that waits in it may have been closed by hand: then the task knows it. */
static int generator_gc(lua_State *L) {
  struct generator *g = lua_touserdata(L, 1);
  struct net_coroutine **at = g->co.task ? &g->co.task->inner : NULL;
  net_scopes_drop(&g->co);
  while (at && *at && *at != &g->co)
    at = &(*at)->outer;
  if (at && *at)
    *at = g->co.outer;
  return 0;
}

/* generator(fn, ...) -> the iterator, nil, nil, what closes it */
static int core_generator(lua_State *L) {
  if (lua_type(L, 1) != LUA_TFUNCTION)
    return net_error_arg_type(L, "fn", "of type function", 1);
  int nargs = lua_gettop(L);
  struct generator *g = lua_newuserdatauv(L, sizeof *g, 1);
  memset(g, 0, sizeof *g);
  lua_State *thread = lua_newthread(L);
  if (!lua_checkstack(thread, nargs + LUA_MINSTACK))
    return luaL_error(L, "too many arguments");
  lua_setiuservalue(L, -2, 1);
  g->co.thread = thread;
  g->nargs = nargs + 1;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &generator_key);
  lua_setmetatable(L, -2);
  lua_insert(L, 1);
  lua_pushcfunction(thread, body);
  lua_pushvalue(L, 1); /* the thread may outlive the iterator, and holds it */
  lua_xmove(L, thread, 1);
  lua_xmove(L, thread, nargs);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, generator_next, 1);
  lua_insert(L, 1);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_rotate(L, 2, 2);
  return 4;
}

void net_generator_open(lua_State *L) {
  lua_pushcfunction(L, core_generator);
  lua_setfield(L, -2, "generator");
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, generator_close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, generator_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "generator");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &generator_key);
}
