/* SPDX-License-Identifier: MIT
 *
 * schedule.c - which task runs, and what becomes of one that has stopped to.
 *
 * Those that are ready stand in one list in the order in which they were woken; the loop
 * has the first of it resumed whenever ticks have run (dispatch.c). A task that comes back
 * has ended, waits, or has yielded to nobody: that, and one that goes on to catch the
 * errors of a scope, is closed from here, where none of its own code can hinder it. */
#include <lauxlib.h>
#include <string.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/uncaught.h"
#include "task/task.h"

static const char warn_key; /* registry: Lua's function for an error that nobody can get */

/* Pushes the error `code`, with the traceback of the thread as its stack. [-0, +1, e] */
static void push_traced(lua_State *L, const char *code, lua_State *thread) {
  net_error_push_code(L, code, 0);
  lua_getfield(L, -1, "message");
  luaL_traceback(L, thread, lua_tostring(L, -1), 0);
  net_error_set_stack(L, lua_gettop(L) - 2, lua_gettop(L));
  lua_pop(L, 2);
}

/* Tells Lua of the error on the top of a thread whose variables were closed. */
static void warn_of(lua_State *L, struct net_task *t, lua_State *thread) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &warn_key) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    return;
  }
  lua_xmove(thread, L, 1);
  net_call_guarded(L, t->o.loop, 1);
}

void net_coroutine_close(lua_State *L, struct net_task *t, struct net_coroutine *co) {
  int is_broken = lua_status(co->thread) != LUA_YIELD;
  t->inner = co;
  co->closed = 1;
  net_scopes_end(L, co);
#if LUA_VERSION_RELEASE_NUM >= 50406
  int status = lua_closethread(co->thread, L);
#else
  int status = lua_resetthread(co->thread);
#endif
  if (status != LUA_OK && !is_broken)
    warn_of(L, t, co->thread);
  lua_settop(co->thread, 0);
}

void net_task_close(lua_State *L, struct net_task *t, enum net_task_state state) {
  struct net_scheduler *all = net_scheduler_of(t->o.loop);
  struct net_task *outer = all->running;
  net_wait_leave(L, t);
  all->running = t;
  for (struct net_coroutine *co = t->inner, *next; co; co = next) {
    next = co->outer;
    net_coroutine_close(L, t, co);
    if (next)
      co->task = NULL;
  }
  all->running = outer;
  t->nvalues = state == TASK_FAILED;
  if (state == TASK_FAILED)
    lua_xmove(L, t->own.thread, 1);
  else
    lua_pop(L, 1);
  net_task_end(L, t, state);
}

/* It has yielded, and waits for nothing. */
static void end_stray(lua_State *L, struct net_task *t) {
  push_traced(L, "ERR_STRAY_YIELD", t->own.thread);
  net_task_close(L, t, TASK_FAILED);
}

/* It would not heed the errors of a scope. */
static void end_doomed(lua_State *L, struct net_task *t) {
  int is_cancelled = t->doomed == &t->cancel;
  push_traced(L, "ERR_CANCEL_IGNORED", t->inner->thread);
  net_task_close(L, t, is_cancelled ? TASK_CANCELLED : TASK_FAILED);
}

/* Its function has returned, or raised; `failed` tells which. */
static void end_returned(lua_State *L, struct net_task *t) {
  enum net_task_state state = t->failed ? TASK_FAILED : TASK_DONE;
  if (t->cancel.raised) {
    int is_its = 0;
    if (t->failed && t->cancel.error != LUA_NOREF) {
      lua_rawgeti(t->own.thread, LUA_REGISTRYINDEX, t->cancel.error);
      is_its = lua_rawequal(t->own.thread, -1, -2);
      lua_pop(t->own.thread, 1);
    }
    if (!t->failed || is_its)
      state = TASK_CANCELLED;
  }
  net_task_end(L, t, state);
}

/* An error that came past the protected call: there was no memory, or no stack, for it. */
static void end_broken(lua_State *L, struct net_task *t) {
  lua_pushvalue(t->own.thread, -1);
  lua_xmove(t->own.thread, L, 1);
  net_task_close(L, t, TASK_FAILED);
}

/* Who has come back to wait is anchored, and no more is to be done; the end of another one may
 * be the last that holds it, so it is pushed. [-0, +(0|1), e] */
static void resume(lua_State *L, struct net_task *t) {
  struct net_scheduler *all = net_scheduler_of(t->o.loop);
  struct net_task *outer = all->running; /* one that was begun by hand, and runs the loop */
  int nargs = t->begun ? 0 : t->nvalues, nvalues = 0;
  t->begun = 1;
  t->state = TASK_RUNNING;
  all->running = t;
  int status = lua_resume(t->own.thread, L, nargs, &nvalues);
  all->running = outer;
  if (status == LUA_YIELD && t->state == TASK_WAITING && !t->doomed)
    return;
  net_push(L, &t->o);
  if (status == LUA_OK) {
    t->nvalues = nvalues;
    end_returned(L, t);
  } else if (status != LUA_YIELD) {
    end_broken(L, t);
  } else if (t->doomed) {
    end_doomed(L, t);
  } else if (t->state == TASK_RUNNING) {
    end_stray(L, t);
  }
}

/* Resumes one that is ready, out of its turn or not; one that has ended waits to tell that. */
static void resume_ready(lua_State *L, struct net_task *t) {
  net_list_remove(&t->ready);
  if (--t->o.loop->tasks.ready == 0 && t->o.loop->holding)
    net_loop_hold(t->o.loop);
  if (net_task_has_ended(t))
    net_task_tell(L, t);
  else
    resume(L, t);
}

/* The oldest of those that are ready. */
static void resume_next(lua_State *L, struct net_loop *loop) {
  struct net_link *first = net_scheduler_of(loop)->ready.next;
  resume_ready(L, net_container_of(first, struct net_task, ready));
  lua_settop(L, 0);
}

/* begin(task): runs one that has not begun now, outside of the loop, for the launcher:
 * until its first wait it may run the loop itself */
static int core_begin(lua_State *L) {
  struct net_task *t = net_object_check(L, 1, &net_task_class);
  if (t->begun || net_task_has_ended(t) || net_scheduler_of(t->o.loop)->running)
    return luaL_error(L, "the task cannot be begun");
  resume_ready(L, t);
  return 0;
}

/* look(): has those look again that wait for a callback, where one could not be called */
static int core_look(lua_State *L) {
  net_task_look_again(net_loop_get(L));
  return 0;
}

/* on_warning(fn): fn(err) is told of errors that came while a task was closed */
static int core_on_warning(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &warn_key);
  return 0;
}

void net_schedule_open(lua_State *L, struct net_loop *loop) {
  static const luaL_Reg functions[] = {
    { "on_warning", core_on_warning },
    { "begin", core_begin },
    { "look", core_look },
    { NULL, NULL },
  };
  struct net_scheduler *all = lua_newuserdatauv(L, sizeof *all, 0);
  memset(all, 0, sizeof *all);
  net_list_init(&all->ready);
  net_list_init(&all->all);
  net_list_init(&all->due);
  lua_rawsetp(L, LUA_REGISTRYINDEX, all);
  loop->tasks.scheduler = all;
  loop->tasks.resume = resume_next;
  loop->tasks.expire = net_scope_expire;
  loop->tasks.lacked = net_task_look_again;
  luaL_setfuncs(L, functions, 0);
}
