/* SPDX-License-Identifier: MIT
 *
 * suspend.c - a wait for a function that somebody calls: what all waits are made of that Lua
 * code ends, a listener or another task.
 *
 * What the function is called with is kept until the task runs, up to three values without
 * any memory: a wake cannot fail. But a call itself may, before it begins, and then nobody
 * would ever wake the task. So when memory ran out in a callback all of these waits look for
 * what they are for, and go on waiting if it is not there. */
#include <lauxlib.h>

#include "base/error.h"
#include "loop/uncaught.h"
#include "task/task.h"

#define KEPT 3 /* values that a resume(...) may have without memory */

enum { VAL_UNDO = 1, VAL_LOOK, VAL_VALUES, SUSPENSION_UVS = VAL_VALUES + KEPT - 1 };
enum { START = 1, SUSPENSION, WHAT, DETAIL, WHOSE }; /* the frame of suspend() */

/* Between suspend() and the function that ends it. */
struct suspension {
  struct net_task *task; /* borrowed; while it waits: else NULL */
  const struct net_wait_kind *kind;
  enum { OPEN, GIVEN, OVER } state;
  int nvalues;
  int lost; /* there was no memory for the values */
};

/* Of a suspension and values: keeps them in a table. */
static int keep_many(lua_State *L) {
  int n = lua_gettop(L) - 1;
  lua_createtable(L, n, 0);
  lua_insert(L, 2);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, 2, i);
  lua_setiuservalue(L, 1, VAL_VALUES);
  return 0;
}

/* Keeps the values behind the suspension at 1. That they are lost is told to who waits, as
 * nobody else would wake it. [-n, +0, -] */
static void keep_values(lua_State *L, struct suspension *s, int n) {
  s->nvalues = n;
  if (n > KEPT) {
    lua_pushcfunction(L, keep_many);
    lua_insert(L, 1);
    s->lost = lua_pcall(L, n + 1, 0, 0) != LUA_OK;
    return;
  }
  for (; n > 0; n--)
    lua_setiuservalue(L, 1, VAL_VALUES + n - 1);
}

/* Pushes them. [-0, +n, e] */
static int push_values(lua_State *L, int suspension, const struct suspension *s) {
  luaL_checkstack(L, s->nvalues + 1, "too many results");
  if (s->lost)
    return net_error_memory(L);
  if (s->nvalues <= KEPT) {
    for (int i = 0; i < s->nvalues; i++)
      lua_getiuservalue(L, suspension, VAL_VALUES + i);
    return s->nvalues;
  }
  lua_getiuservalue(L, suspension, VAL_VALUES);
  int table = lua_gettop(L);
  for (int i = 1; i <= s->nvalues; i++)
    lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return s->nvalues;
}

/* resume(...) -> whether it counted */
static int suspension_resume(lua_State *L) {
  int own = lua_upvalueindex(1), n = lua_gettop(L);
  struct suspension *s = lua_touserdata(L, own);
  int counts = s->state == OPEN;
  if (counts) {
    lua_pushvalue(L, own);
    lua_insert(L, 1);
    keep_values(L, s, n);
    s->state = GIVEN;
    if (s->task && s->task->state == TASK_WAITING) /* else it is about to look */
      net_task_wake(s->task);
  }
  lua_pushboolean(L, counts);
  return 1;
}

/* Calls the function that start() has returned, if it has, with the values that had come. */
static void suspension_undo(lua_State *L, struct net_loop *loop, int suspension) {
  struct suspension *s = lua_touserdata(L, suspension);
  int n = 0, given = s->state == GIVEN;
  s->state = OVER;
  s->task = NULL;
  lua_getiuservalue(L, suspension, VAL_UNDO);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (given && !s->lost)
    n = push_values(L, suspension, s);
  net_call_guarded(L, loop, n);
}

/* Not from the frame, which may have been closed. */
static void suspend_leave(lua_State *L, struct net_task *t, int given) {
  (void)given;
  net_push(L, &t->o);
  lua_getiuservalue(L, -1, VAL_HELD);
  suspension_undo(L, t->o.loop, lua_gettop(L));
  lua_pop(L, 2);
}

static int suspend_again(lua_State *L, struct net_task *t, struct suspension *s);

static int suspend_result(lua_State *L, struct net_task *t) {
  struct suspension *s = lua_touserdata(L, SUSPENSION);
  s->task = NULL;
  if (s->state == OPEN)
    return suspend_again(L, t, s);
  s->state = OVER;
  return push_values(L, SUSPENSION, s);
}

static void suspend_what(lua_State *L, const struct net_task *t, lua_State *from) {
  (void)t;
  lua_pushvalue(from, WHAT);
  lua_xmove(from, L, 1);
  lua_pushvalue(from, DETAIL);
  lua_xmove(from, L, 1);
}

static const struct net_wait_kind suspend_kind = { .name = "suspend",
                                                   .unwait = suspend_leave,
                                                   .result = suspend_result,
                                                   .looks = 1,
                                                   .holds = SUSPENSION,
                                                   .whose = WHOSE,
                                                   .what = suspend_what };
static const struct net_wait_kind keep_kind = { .name = "suspend",
                                                .unwait = suspend_leave,
                                                .result = suspend_result,
                                                .looks = 1,
                                                .keeps = 1,
                                                .holds = SUSPENSION,
                                                .whose = WHOSE,
                                                .what = suspend_what };

/* start() has raised the error on the top, whose traceback is noted: nobody waits. */
static int start_failed(lua_State *L, struct suspension *s) {
  s->state = OVER;
  return net_task_rethrow(L);
}

/* Goes on to wait, unless start(), or who has looked, has given what it waits for, or has hit a
 * scope around. [..., e] */
static int suspend_go_on(lua_State *L, struct net_task *t, struct suspension *s) {
  if (s->state == GIVEN)
    return suspend_result(L, t);
  if (net_wait_hit(t)) {
    suspension_undo(L, t->o.loop, SUSPENSION);
    return net_wait_refuse(L, t);
  }
  s->task = t;
  return net_wait(L, t, s->kind);
}

/* It was woken by nobody: whoever was to may have lacked the memory. The function that start()
 * has given looks, and calls resume(...) if what the wait is for is there. */
static int suspend_again(lua_State *L, struct net_task *t, struct suspension *s) {
  lua_pushcfunction(L, net_task_on_error);
  if (lua_getiuservalue(L, SUSPENSION, VAL_LOOK) == LUA_TNIL)
    lua_pop(L, 1);
  else if (lua_pcall(L, 0, 0, -2) != LUA_OK) {
    suspension_undo(L, t->o.loop, SUSPENSION);
    return net_task_rethrow(L);
  }
  lua_pop(L, 1);
  return suspend_go_on(L, t, s);
}

/* Stores the function on the top, if it is one. [-1, +0, -] */
static void keep_function(lua_State *L, int where) {
  if (lua_isfunction(L, -1))
    lua_setiuservalue(L, SUSPENSION, where);
  else
    lua_pop(L, 1);
}

/* Calls start(resume), which may answer at once. */
static struct suspension *suspension_start(lua_State *L, const struct net_wait_kind *kind,
                                           int ngives) {
  struct suspension *s = lua_newuserdatauv(L, sizeof *s, SUSPENSION_UVS);
  *s = (struct suspension){ .kind = kind, .state = OPEN };
  lua_replace(L, SUSPENSION);
  lua_pushcfunction(L, net_task_on_error);
  lua_pushvalue(L, START);
  lua_pushvalue(L, SUSPENSION);
  lua_pushcclosure(L, suspension_resume, 1);
  if (lua_pcall(L, 1, ngives, -3) != LUA_OK)
    start_failed(L, s);
  if (ngives > 1)
    keep_function(L, VAL_LOOK);
  keep_function(L, VAL_UNDO);
  lua_pop(L, 1);
  return s;
}

/* suspend(start [, keeps, what, detail, whose]) -> what the first resume(...) of
 * start(resume) is called with; with 'keeps' a cancel does not undo what has come. The rest
 * is what `task.waiting` tells; where it is said start() may return undo, look: look() is
 * called when memory ran out elsewhere, and calls resume(...) if who was to do so must have
 * failed to. */
static int core_suspend(lua_State *L) {
  struct net_task *t = net_wait_check(L);
  if (lua_type(L, START) != LUA_TFUNCTION)
    return net_error_arg_type(L, "start", "of type function", START);
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  const struct net_wait_kind *kind = lua_toboolean(L, 2) ? &keep_kind : &suspend_kind;
  lua_settop(L, WHOSE);
  int is_ours = !lua_isnil(L, WHAT);
  if (!is_ours) {
    lua_pushstring(L, suspend_kind.name);
    lua_replace(L, WHAT);
  }
  return suspend_go_on(L, t, suspension_start(L, kind, is_ours ? 2 : 1));
}

void net_suspend_open(lua_State *L) {
  lua_pushcfunction(L, core_suspend);
  lua_setfield(L, -2, "suspend");
}
