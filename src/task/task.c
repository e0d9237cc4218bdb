/* SPDX-License-Identifier: MIT
 *
 * task.c - the object: how a task begins, what it gives, and who awaits that.
 *
 * It is anchored from its spawn to its end, so that none is collected half-way. Its
 * function runs protected on its own thread, where the traceback of an error is noted
 * before anything is undone; what it gives stays there. An error is had by those who await
 * the task; else by who owns it, a group; else it is uncaught. */
#include <lauxlib.h>
#include <string.h>

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
  lua_pushvalue(L, OWNER);
  lua_setiuservalue(L, task, VAL_KEEPER);
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

/* Nobody awaits its error, and nobody owns it. [-0, +0, m] */
static void report(lua_State *L, struct net_task *t) {
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
  lua_pushcfunction(L, raise_unheard);
  lua_pushcfunction(L, net_uncaught_note);
  net_push(L, &t->o);
  if (lua_getiuservalue(L, -1, VAL_KEEPER) == LUA_TNIL) {
    lua_settop(L, top);
    return TOLD;
  }
  lua_pushvalue(L, -2);
  int status = lua_pcall(L, 1, 1, top + 2);
  enum told told = status == LUA_OK && lua_toboolean(L, -1) ? TAKEN : TOLD;
  if (status == LUA_ERRMEM) {
    told = UNTOLD;
  } else {
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

void net_task_end(lua_State *L, struct net_task *t, enum net_task_state state) {
  int top = lua_gettop(L);
  net_push(L, &t->o); /* the owner may let go of it */
  t->state = state;
  net_list_remove(&t->all);
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
    report(L, t);
  net_unanchor(L, &t->o);
}

/* Copies what the task gives, whose thread has ended. [-0, +n, e] */
static int push_results(lua_State *L, const struct net_task *t) {
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

/* What await() gives of a task that has ended. [-0, +n, e] */
static int task_outcome(lua_State *L, struct net_task *t) {
  if (t->state == TASK_DONE)
    return push_results(L, t);
  if (t->state == TASK_CANCELLED) {
    lua_pushnil(L);
    net_scope_push_error(L, &t->cancel);
    return 2;
  }
  t->taken = 1;
  push_results(L, t);
  return net_task_rethrow(L);
}

/* --- await, cancel ----------------------------------------------------------------------- */

/* An heir that does not take the error leaves it to others, or to the program. */
static void await_leave(lua_State *L, struct net_task *t, int given) {
  struct net_task *of = t->wait.on;
  if (!given || --of->heirs > 0 || of->state != TASK_FAILED)
    return;
  report(L, of);
}

static int await_result(lua_State *L, struct net_task *t) {
  struct net_task *of = t->wait.on;
  of->heirs--;
  return task_outcome(L, of);
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
    return task_outcome(L, of);
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  t->wait.on = of;
  net_list_append(&of->awaiting, &t->wait.link);
  return net_wait(L, t, &await_kind);
}

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

/* --- what can be seen of it --------------------------------------------------------------- */

/* task:ref(), task:unref() -> self: whether it is in the report of those that wait for ever */
static int task_set_ref(lua_State *L, unsigned unref) {
  struct net_task *t = net_object_check(L, 1, &net_task_class);
  t->unref = unref;
  lua_settop(L, 1);
  return 1;
}
static int task_ref(lua_State *L) { return task_set_ref(L, 0); }
static int task_unref(lua_State *L) { return task_set_ref(L, 1); }

static int task_status(lua_State *L) {
  static const char *const names[] = {
    "ready", "running", "waiting", "done", "failed", "cancelled"
  };
  const struct net_task *t = net_object_check(L, 1, &net_task_class);
  lua_pushstring(L, names[t->state]);
  return 1;
}

static const char waiting_key; /* registry: Lua's function that words a wait */

/* on_waiting(fn): fn(what, detail, whose) -> `task.waiting` */
static int core_on_waiting(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &waiting_key);
  return 0;
}

/* What it waits for, and from whom: as long as nobody has closed its thread the frame that
 * waits tells. */
static int task_waiting(lua_State *L) {
  const struct net_task *t = net_object_check(L, 1, &net_task_class);
  const struct net_wait_kind *kind = t->wait.kind;
  lua_State *from = t->inner->thread;
  if (t->state != TASK_WAITING || kind == NULL)
    return 0;
  int told = kind->whose > 0 && lua_status(from) == LUA_YIELD && lua_checkstack(from, 1);
  if (!told || lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key) != LUA_TFUNCTION) {
    lua_pushstring(L, kind->name);
    return 1;
  }
  if (kind->what) {
    kind->what(L, t, from);
  } else {
    lua_pushstring(L, kind->name);
    lua_pushnil(L);
  }
  lua_pushvalue(from, kind->whose);
  lua_xmove(from, L, 1);
  lua_call(L, 3, 1);
  return 1;
}

/* "task 7 (chat.lua:31)", with the place of its function. [-0, +1, m] */
static void push_name(lua_State *L, int task, const struct net_task *t) {
  lua_Debug info;
  lua_getiuservalue(L, task, VAL_BODY);
  lua_getinfo(L, ">S", &info);
  if (info.linedefined > 0)
    lua_pushfstring(L, "task %d (%s:%d)", t->number, info.short_src, info.linedefined);
  else
    lua_pushfstring(L, "task %d (%s)", t->number, info.short_src);
}

static int task_name(lua_State *L) {
  push_name(L, 1, net_object_check(L, 1, &net_task_class));
  return 1;
}

/* The name of the user's is one of his own fields, which are looked at first. */
static int task_set_name(lua_State *L) {
  net_object_check(L, 1, &net_task_class);
  if (lua_type(L, 2) != LUA_TSTRING)
    return net_error_arg_type(L, "name", "of type string", 2);
  lua_settop(L, 2);
  net_object_fields(L, 1);
  lua_insert(L, 2);
  lua_setfield(L, 2, "name");
  return 0;
}

static int task_tostring(lua_State *L) {
  net_object_check(L, 1, &net_task_class);
  lua_getfield(L, 1, "name");
  return 1;
}

/* task:traceback() -> where it is, through its generators; "" when it has ended */
static int task_traceback(lua_State *L) {
  const struct net_task *t = net_object_check(L, 1, &net_task_class);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  if (!net_task_has_ended(t)) {
    for (const struct net_coroutine *co = t->inner; co; co = co->outer) {
      luaL_traceback(L, co->thread, NULL, 0);
      luaL_addvalue(&b);
      if (co->outer)
        luaL_addchar(&b, '\n');
    }
  }
  luaL_pushresult(&b);
  return 1;
}

/* current() -> the running task whose code calls, or nil */
static int core_current(lua_State *L) {
  const struct net_scheduler *all = net_scheduler_of(net_loop_get(L));
  if (all->running == NULL)
    return 0;
  net_push(L, &all->running->o);
  return 1;
}

/* tasks() -> a list of those that have not ended, by age */
static int core_tasks(lua_State *L) {
  struct net_link *all = &net_scheduler_of(net_loop_get(L))->all;
  lua_Integer n = 0;
  lua_newtable(L);
  for (struct net_link *l = all->next; l != all; l = l->next) {
    net_push(L, &net_container_of(l, struct net_task, all)->o);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* outcome(task) -> "done", values...; "failed", its error; "cancelled", its error, and what
 * the function returned all the same; nil while it has not ended. */
static int core_outcome(lua_State *L) {
  struct net_task *t = net_object_check(L, 1, &net_task_class);
  lua_settop(L, 1);
  if (!net_task_has_ended(t))
    return 0;
  task_status(L);
  if (t->state == TASK_CANCELLED)
    net_scope_push_error(L, &t->cancel);
  if (t->state != TASK_CANCELLED || !t->failed)
    push_results(L, t);
  return lua_gettop(L) - 1;
}

/* is_taken(task) -> boolean: has its error gone to somebody who awaits it */
static int core_is_taken(lua_State *L) {
  const struct net_task *t = net_object_check(L, 1, &net_task_class);
  lua_pushboolean(L, t->taken);
  return 1;
}

/* rethrow(err): raises it, with the traceback that is noted for it */
static int core_rethrow(lua_State *L) {
  lua_settop(L, 1);
  return net_uncaught_again(L);
}

/* is_unref(task) -> boolean */
static int core_is_unref(lua_State *L) {
  const struct net_task *t = net_object_check(L, 1, &net_task_class);
  lua_pushboolean(L, t->unref);
  return 1;
}

/* is(value) -> boolean: is it a task */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &net_task_class) != NULL);
  return 1;
}

/* can_wait() -> boolean: where a call may wait now */
static int core_can_wait(lua_State *L) {
  const struct net_task *t = net_wait_task(net_loop_get(L), L);
  lua_pushboolean(L, t && net_wait_possible(t));
  return 1;
}

/* --- the class ------------------------------------------------------------------------------ */

/* The Lua state closes: no variable of a task is closed. [-0, +0, -] */
static void task_end_all(lua_State *L, int idx) {
  struct net_task *t = lua_touserdata(L, idx);
  (void)L;
  net_timer_stop(t->o.loop, &t->timer);
}

static int task_gc(lua_State *L) {
  struct net_task *t = net_object_check(L, 1, &net_task_class);
  if (t->own.thread == NULL)
    return 0; /* its making has failed */
  net_timer_stop(t->o.loop, &t->timer);
  net_list_remove(&t->all);
  net_list_remove(&t->ready);
  net_list_remove(&t->wait.link);
  net_list_remove(&t->sockets);
  net_scopes_drop(&t->own);
  luaL_unref(L, LUA_REGISTRYINDEX, t->cancel.error);
  luaL_unref(L, LUA_REGISTRYINDEX, t->cancel.signal);
  t->cancel.error = t->cancel.signal = LUA_NOREF;
  return 0;
}

static const luaL_Reg task_methods[] = {
  { "await", task_await }, { "cancel", task_cancel },       { "ref", task_ref },
  { "unref", task_unref }, { "traceback", task_traceback }, { NULL, NULL },
};
static const luaL_Reg task_getters[] = {
  { "name", task_name },
  { "status", task_status },
  { "waiting", task_waiting },
  { NULL, NULL },
};
static const luaL_Reg task_setters[] = { { "name", task_set_name }, { NULL, NULL } };
static const luaL_Reg task_meta[] = {
  { "__gc", task_gc },
  { "__call", task_await },
  { "__close", task_close },
  { "__tostring", task_tostring },
  { NULL, NULL },
};

const struct net_class net_task_class = {
  .name = "Task",
  .methods = task_methods,
  .getters = task_getters,
  .setters = task_setters,
  .meta = task_meta,
  .end = task_end_all,
};

void net_task_object_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "spawn", core_spawn },     { "inherit", core_inherit },       { "current", core_current },
    { "tasks", core_tasks },     { "outcome", core_outcome },       { "is_taken", core_is_taken },
    { "rethrow", core_rethrow }, { "is_unref", core_is_unref },     { "can_wait", core_can_wait },
    { "is", core_is },           { "on_waiting", core_on_waiting }, { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
  net_class_open(L, &net_task_class, 0);
  lua_setfield(L, -2, "Task");
}
