/* SPDX-License-Identifier: MIT
 *
 * task.c - the object: how a task begins, how it ends, and what it gives.
 *
 * It is anchored from its spawn to its end, so that none is collected half-way. Its
 * function runs protected on its own thread, where the traceback of an error is noted
 * before anything is undone; what it gives stays there. An error is had by those who await
 * the task (await.c); else by who owns it, a group; else it is uncaught. */
#include <lauxlib.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/uncaught.h"
#include "task/task.h"

/* --- the body -------------------------------------------------------------------------- */

static int body_over(lua_State *L, int status, lua_KContext ctx) {
  struct net_task *t = (struct net_task *)ctx;
  t->failed = status != LUA_OK && status != LUA_YIELD;
  return lua_gettop(L) - 2;
}

/* On the task's thread: the task, the function, its arguments. */
static int body(lua_State *L) {
  lua_KContext t = (lua_KContext)lua_touserdata(L, 1);
  lua_pushcfunction(L, net_task_on_error);
  lua_insert(L, 2);
  return body_over(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 2, t, body_over), t);
}

/* Moves the function at 'first', and its arguments behind it, to the task's thread.
 * [-n, +0, e] */
static void task_load(lua_State *L, struct net_task *t, int first) {
  int n = lua_gettop(L) - first + 1;
  lua_State *thread = t->own.thread;
  if (!lua_checkstack(thread, n + LUA_MINSTACK))
    luaL_error(L, "too many arguments");
  lua_pushcfunction(thread, body);
  lua_pushlightuserdata(thread, t);
  lua_xmove(L, thread, n);
  t->nvalues = n + 1;
}

static void task_init(struct net_task *t, lua_State *thread) {
  t->own.thread = thread;
  t->own.task = t;
  t->inner = &t->own;
  t->cancel.in = &t->own;
  t->cancel.cancels = 1;
  t->cancel.error = t->cancel.signal = LUA_NOREF;
  net_list_init(&t->wait.link);
  net_list_init(&t->ready);
  net_list_init(&t->all);
  net_list_init(&t->awaiting);
  net_list_init(&t->sockets);
}

/* spawn(owner, fn, ...) -> a task that is ready; owner(task) is called when it has ended,
 * and returns whether it takes an error; nil: nobody. Raises whole, or not at all. */
static int core_spawn(lua_State *L) {
  enum { OWNER = 1, FN };
  if (lua_type(L, FN) != LUA_TFUNCTION)
    return net_error_arg_type(L, "fn", "of type function", FN);
  struct net_loop *loop = net_loop_get(L);
  struct net_task *t = net_object_new(L, loop, &net_task_class, sizeof *t, TASK_UVS);
  int task = lua_gettop(L);
  task_init(t, lua_newthread(L));
  lua_setiuservalue(L, task, VAL_THREAD);
  t->owned = !lua_isnil(L, OWNER);
  if (t->owned) {
    lua_pushvalue(L, OWNER);
    lua_setiuservalue(L, task, VAL_KEEPER);
  }
  lua_pushvalue(L, FN);
  lua_setiuservalue(L, task, VAL_BODY);
  lua_insert(L, 1);
  task_load(L, t, FN + 1);
  lua_settop(L, 1);
  net_anchor(L, 1, &t->o);
  struct net_scheduler *all = net_scheduler_of(loop);
  t->number = ++all->count;
  net_list_append(&all->all, &t->all);
  net_task_wake(t);
  return 1;
}

/* launch(fn, ...) -> a task that nobody owns, which is co.spawn itself */
static int core_launch(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, "too many arguments");
  lua_pushnil(L);
  lua_insert(L, 1);
  return core_spawn(L);
}

/* inherit(task, of): when 'of' ends, 'task' has the sockets in its hands */
static int core_inherit(lua_State *L) {
  net_object_check(L, 1, &net_task_class);
  net_object_check(L, 2, &net_task_class);
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, VAL_HEIR);
  return 0;
}

/* --- the end --------------------------------------------------------------------------- */

/* Raises the error of a task that nobody has had. */
static int raise_unheard(lua_State *L) { return net_uncaught_again(L); }

void net_task_report(lua_State *L, struct net_task *t) {
  t->taken = 1;
  lua_pushcfunction(L, raise_unheard);
  lua_pushvalue(t->own.thread, -1);
  lua_xmove(t->own.thread, L, 1);
  net_call_guarded(L, t->o.loop, 1);
}

enum told { TOLD, TAKEN, UNTOLD };

/* Tells the owner, who may take an error. One of its own is uncaught, as the task has to end
 * all the same; but where there was no memory, it may not have been called at all. */
static enum told tell_owner(lua_State *L, struct net_task *t) {
  int top = lua_gettop(L);
  if (!t->owned)
    return TOLD;
  lua_pushcfunction(L, raise_unheard);
  lua_pushcfunction(L, net_uncaught_note);
  net_push(L, &t->o);
  lua_getiuservalue(L, -1, VAL_KEEPER);
  lua_pushvalue(L, -2);
  int status = lua_pcall(L, 1, 1, top + 2);
  enum told told = status == LUA_OK && lua_toboolean(L, -1) ? TAKEN : TOLD;
  if (status == LUA_ERRMEM) {
    told = UNTOLD;
  } else {
    t->owned = 0;
    lua_pushnil(L);
    lua_setiuservalue(L, top + 3, VAL_KEEPER); /* who may hold others that have ended */
  }
  if (status != LUA_OK) {
    lua_replace(L, top + 2);
    lua_settop(L, top + 2);
    net_call_guarded(L, t->o.loop, 1);
  }
  lua_settop(L, top);
  return told;
}

static int call_over(lua_State *L) {
  struct net_task *t = lua_touserdata(L, 1);
  net_scheduler_of(t->o.loop)->over(L, t);
  return 0;
}

/* What it had in hands. */
static void let_go(lua_State *L, struct net_task *t) {
  if (net_list_is_empty(&t->sockets))
    return;
  lua_pushcfunction(L, call_over);
  net_push(L, &t->o);
  net_call_guarded(L, t->o.loop, 1);
}

/* Keeps what the registry has for the task, which is on the top, in the task itself, and takes
 * it out of all that points to it. [-0, +0, -] */
static void part(lua_State *L, struct net_task *t) {
  net_list_remove(&t->all);
  net_list_remove(&t->wait.link);
  net_timer_stop(t->o.loop, &t->timer);
  net_scopes_drop(&t->own);
  if (!t->cancel.hit && t->cancel.signal == LUA_NOREF)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->cancel.error); /* nil for LUA_NOREF */
  lua_setiuservalue(L, -2, VAL_HELD);
  luaL_unref(L, LUA_REGISTRYINDEX, t->cancel.error);
  luaL_unref(L, LUA_REGISTRYINDEX, t->cancel.signal);
  t->cancel.error = t->cancel.signal = LUA_NOREF;
}

void net_task_end(lua_State *L, struct net_task *t, enum net_task_state state) {
  int top = lua_gettop(L);
  net_push(L, &t->o); /* the owner may let go of it */
  t->state = state;
  part(L, t);
  while (!net_list_is_empty(&t->awaiting)) {
    struct net_link *first = net_list_take(&t->awaiting);
    t->heirs++;
    t->taken = 1;
    net_task_wake(net_container_of(first, struct net_task, wait.link));
  }
  let_go(L, t);
  net_task_tell(L, t);
  lua_settop(L, top);
}

void net_task_tell(lua_State *L, struct net_task *t) {
  enum told told = tell_owner(L, t);
  if (told == UNTOLD) {
    net_task_queue(t);
    return;
  }
  if (t->state == TASK_FAILED && told != TAKEN && !t->taken)
    net_task_report(L, t);
  net_list_remove(&t->sockets); /* were there no memory to let go of them */
  net_unanchor(L, &t->o);
}

int net_task_push_results(lua_State *L, const struct net_task *t) {
  luaL_checkstack(L, t->nvalues + 1, "too many results");
  if (!lua_checkstack(t->own.thread, 1))
    return net_error_memory(L);
  int first = lua_gettop(t->own.thread) - t->nvalues + 1;
  for (int i = 0; i < t->nvalues; i++) {
    lua_pushvalue(t->own.thread, first + i);
    lua_xmove(t->own.thread, L, 1);
  }
  return t->nvalues;
}

void net_task_push_cancel(lua_State *L) {
  if (lua_getiuservalue(L, 1, VAL_HELD) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  net_error_push_code(L, "ERR_TASK_CANCELLED", 0);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, VAL_HELD);
}

int net_task_outcome(lua_State *L, struct net_task *t) {
  if (t->state == TASK_DONE)
    return net_task_push_results(L, t);
  if (t->state == TASK_CANCELLED) {
    lua_pushnil(L);
    net_task_push_cancel(L);
    return 2;
  }
  t->taken = 1;
  net_task_push_results(L, t);
  return net_task_rethrow(L);
}

/* --- the class ------------------------------------------------------------------------------ */

/* The Lua state closes: no variable of a task is closed. Of one that has ended nothing points
 * to it any more, and one that has not is anchored: so there is no __gc, without which Lua
 * frees a task in the collection that finds it. [-0, +0, -] */
static void task_end_all(lua_State *L, int idx) {
  struct net_task *t = lua_touserdata(L, idx);
  (void)L;
  net_timer_stop(t->o.loop, &t->timer);
}

const struct net_class net_task_class = { .name = "Task", .end = task_end_all };

void net_task_object_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "spawn", core_spawn }, { "launch", core_launch }, { "inherit", core_inherit }, { NULL, NULL }
  };
  luaL_setfuncs(L, functions, 0);
  net_class_open(L, &net_task_class, 8);
  lua_setfield(L, -2, "Task");
}
