/* SPDX-License-Identifier: MIT
 *
 * fields.c - what can be seen of a task, and which tasks there are: its name, its state and
 * what it waits for, where it is; what the Lua half asks of it. */
#include <lauxlib.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/uncaught.h"
#include "task/task.h"

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
    net_task_push_cancel(L);
  if (t->state != TASK_CANCELLED || !t->failed)
    net_task_push_results(L, t);
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

void net_task_fields_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "current", core_current },       { "tasks", core_tasks },
    { "outcome", core_outcome },       { "is_taken", core_is_taken },
    { "rethrow", core_rethrow },       { "is_unref", core_is_unref },
    { "can_wait", core_can_wait },     { "is", core_is },
    { "on_waiting", core_on_waiting }, { NULL, NULL },
  };
  static const luaL_Reg methods[] = {
    { "ref", task_ref }, { "unref", task_unref }, { "traceback", task_traceback }, { NULL, NULL }
  };
  static const luaL_Reg getters[] = {
    { "name", task_name }, { "status", task_status }, { "waiting", task_waiting }, { NULL, NULL }
  };
  static const luaL_Reg setters[] = { { "name", task_set_name }, { NULL, NULL } };
  static const luaL_Reg meta[] = { { "__tostring", task_tostring }, { NULL, NULL } };
  luaL_setfuncs(L, functions, 0);
  lua_getfield(L, -1, "Task");
  net_class_add(L, "methods", methods);
  net_class_add(L, "getters", getters);
  net_class_add(L, "setters", setters);
  net_class_add(L, "metatable", meta);
  lua_pop(L, 1);
}
