/* SPDX-License-Identifier: MIT
 *
 * await.c - what one task does to another: awaits its end, ends it, does both.
 *
 * Who awaits a task that fails is an heir of its error; one that goes before it has had that
 * leaves it to the others, and the last of them to the program. */
#include <lauxlib.h>

#include "base/error.h"
#include "task/task.h"

/* --- await ----------------------------------------------------------------------------- */

/* An heir that does not take the error leaves it to others, or to the program. */
static void await_leave(lua_State *L, struct net_task *t, int given) {
  struct net_task *of = t->wait.on;
  if (!given || --of->heirs > 0 || of->state != TASK_FAILED)
    return;
  net_task_report(L, of);
}

static int await_result(lua_State *L, struct net_task *t) {
  struct net_task *of = t->wait.on;
  of->heirs--;
  return net_task_outcome(L, of);
}

static const struct net_wait_kind await_kind = {
  .name = "await", .unwait = await_leave, .result = await_result, .holds = 1, .whose = 1
};

/* task:await() -> what its function has returned; raises its error; nil, err of a
 * cancelled one. The task is the frame's first value, and so held. */
static int task_await(lua_State *L) {
  struct net_task *of = net_object_check(L, 1, &net_task_class);
  struct net_task *t = net_wait_check(L);
  if (of == t)
    return net_error_raise(L, "ERR_DEADLOCK", 0);
  if (net_task_has_ended(of))
    return net_task_outcome(L, of);
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  t->wait.on = of;
  net_list_append(&of->awaiting, &t->wait.link);
  return net_wait(L, t, &await_kind);
}

/* --- cancel, and leaving the scope of a variable ----------------------------------------- */

static void close_leave(lua_State *L, struct net_task *t, int given) {
  struct net_task *of = t->wait.on;
  (void)L;
  of->heirs -= given;
}

static int close_result(lua_State *L, struct net_task *t) {
  struct net_task *of = t->wait.on;
  (void)L;
  of->heirs--;
  return 0;
}

static const struct net_wait_kind close_kind = { .name = "close of",
                                                 .unwait = close_leave,
                                                 .result = close_result,
                                                 .keeps = 1,
                                                 .holds = 1,
                                                 .whose = 1 };

/* Of one that has not begun nothing has to be undone. */
static void end_unbegun(lua_State *L, struct net_task *t) {
  struct net_loop *loop = t->o.loop;
  net_list_remove(&t->ready);
  if (--loop->tasks.ready == 0)
    net_loop_hold(loop);
  lua_settop(t->own.thread, 0);
  t->nvalues = 0;
  net_task_end(L, t, TASK_CANCELLED);
}

/* Of a task and a reason: makes the error of its cancel. */
static int make_cancel(lua_State *L) {
  struct net_task *t = lua_touserdata(L, 1);
  net_error_push_code(L, "ERR_TASK_CANCELLED", 1);
  t->cancel.error = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* task:cancel([reason]) -> boolean: whether it had not ended. Without memory for the error
 * the wait that is to raise it makes one, without the reason, or raises why it cannot. */
static int task_cancel(lua_State *L) {
  struct net_task *t = net_object_check(L, 1, &net_task_class);
  int counts = !net_task_has_ended(t);
  lua_settop(L, 2);
  if (counts && !t->cancel.hit) {
    lua_pushcfunction(L, make_cancel);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    (void)lua_pcall(L, 2, 0, 0);
    lua_settop(L, 1);
    lua_pushnil(L);
    net_scope_hit(L, &t->cancel);
    if (!t->begun)
      end_unbegun(L, t);
  }
  lua_pushboolean(L, counts);
  return 1;
}

/* Leaving the scope of a <close> variable: cancels it, and waits for its end, shielded,
 * where a wait can be. */
static int task_close(lua_State *L) {
  struct net_task *of = net_object_check(L, 1, &net_task_class);
  lua_settop(L, 1);
  lua_pushcfunction(L, task_cancel);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  struct net_task *t = net_wait_task(of->o.loop, L);
  if (net_task_has_ended(of) || t == NULL || of == t || !net_wait_possible(t))
    return 0;
  t->wait.on = of;
  t->wait.shielded = 1;
  net_list_append(&of->awaiting, &t->wait.link);
  return net_wait(L, t, &close_kind);
}

void net_await_open(lua_State *L) {
  static const luaL_Reg methods[] = { { "await", task_await },
                                      { "cancel", task_cancel },
                                      { NULL, NULL } };
  static const luaL_Reg meta[] = { { "__call", task_await },
                                   { "__close", task_close },
                                   { NULL, NULL } };
  lua_getfield(L, -1, "Task");
  net_class_add(L, "methods", methods);
  net_class_add(L, "metatable", meta);
  lua_pop(L, 1);
}
