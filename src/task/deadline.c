/* SPDX-License-Identifier: MIT
 *
 * deadline.c - scopes as calls: timeouts, shields, signals, and what a hit does.
 *
 * The memory of such a scope lies in the frame of the call, whose stack holds it as a
 * userdata: no continuation runs when a coroutine is closed, so who closes one ends its
 * scopes first. */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/uncaught.h"
#include "task/task.h"

/* A scope as a userdata in the frame that pushed it, at index 1. */
struct deadline {
  struct net_scope scope;
  struct net_loop *loop;  /* borrowed */
  struct net_timer timer; /* of a timeout */
  struct net_link due;    /* among the scheduler's, once it has fired */
  int release;            /* registry reference of a function to call if the coroutine is
                         closed by the loop; LUA_NOREF: none */
  int holds;              /* the loop, until it is acted on */
};

static const char deadline_key; /* registry: the metatable */
static const char abort_key;    /* registry: Lua's function that aborts a signal */

/* --- a hit --------------------------------------------------------------------------- */

/* Does the scope reach the wait of the task? */
static int reaches(struct net_task *t, const struct net_scope *scope) {
  struct net_coroutine *co = t->inner;
  struct net_scope *s = t->wait.shielded ? NULL : net_scope_next(t, &co, NULL);
  while (s && s != scope)
    s = net_scope_next(t, &co, s);
  return s != NULL;
}

/* Has Lua abort the signal of a scope, for the error of one around it. [-0, +0, m] */
static void abort_signal(lua_State *L, struct net_task *t, struct net_scope *s,
                         struct net_scope *hit) {
  if (s->signal == LUA_NOREF)
    return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &abort_key);
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->signal);
  net_scope_push_error(L, hit);
  net_call_guarded(L, t->o.loop, 2);
}

/* Aborts the signals of all scopes in which a wait would raise now. A listener may end
 * scopes only by what it resumes, which is later. */
static void abort_signals(lua_State *L, struct net_task *t, struct net_scope *hit) {
  struct net_coroutine *co = t->inner;
  for (struct net_scope *s = net_scope_next(t, &co, NULL); s; s = net_scope_next(t, &co, s)) {
    abort_signal(L, t, s, hit);
    if (s == hit)
      return;
  }
}

/* A task that is ready has what it waited for, and goes on with it; but for a cancel,
 * which is as good as its end. */
void net_scope_hit(lua_State *L, struct net_scope *s) {
  struct net_task *t = s->in ? s->in->task : NULL;
  if (s->hit) {
    lua_pop(L, 1);
    return;
  }
  if (lua_isnil(L, -1))
    lua_pop(L, 1);
  else
    s->error = luaL_ref(L, LUA_REGISTRYINDEX);
  s->hit = 1;
  if (t == NULL || !reaches(t, s))
    return;
  abort_signals(L, t, s);
  if (t->state == TASK_WAITING || (t->state == TASK_READY && s == &t->cancel))
    net_wait_interrupt(L, t);
}

/* --- scopes in frames ------------------------------------------------------------------- */

/* One whose time runs holds the loop, or no longer. */
static void deadline_hold(struct deadline *d, int holds) {
  if (holds && !d->holds)
    net_loop_ref(d->loop);
  else if (!holds && d->holds)
    net_loop_unref(d->loop);
  d->holds = holds;
}

void net_scopes_hold(struct net_coroutine *in, int holds) {
  for (struct net_scope *s = in->scopes; s; s = s->outer) {
    struct deadline *d = net_container_of(s, struct deadline, scope);
    deadline_hold(d, holds && (d->timer.place || !net_list_is_empty(&d->due)));
  }
}

/* [-0, +0, -] */
static void deadline_end(lua_State *L, struct deadline *d) {
  net_timer_stop(d->loop, &d->timer);
  if (!net_list_is_empty(&d->due)) {
    net_list_remove(&d->due);
    d->loop->tasks.due--;
  }
  deadline_hold(d, 0);
  net_scope_end(L, &d->scope);
  luaL_unref(L, LUA_REGISTRYINDEX, d->release);
  d->release = LUA_NOREF;
}

void net_scopes_drop(struct net_coroutine *in) {
  for (struct net_scope *s = in->scopes; s; s = s->outer)
    s->in = NULL;
  in->scopes = NULL;
}

/* The frame that pushed it is gone: with its coroutine, or by coroutine.close. */
static int deadline_gc(lua_State *L) {
  deadline_end(L, lua_touserdata(L, 1));
  return 0;
}

/* A new one that is not pushed. [-0, +1, m] */
static struct deadline *deadline_new(lua_State *L, struct net_loop *loop) {
  struct deadline *d = lua_newuserdatauv(L, sizeof *d, 0);
  memset(d, 0, sizeof *d);
  d->loop = loop;
  d->scope.error = d->scope.signal = d->release = LUA_NOREF;
  net_list_init(&d->due);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &deadline_key);
  lua_setmetatable(L, -2);
  return d;
}

/* The functions to be told are called before the frames that hold the scopes go. */
void net_scopes_end(lua_State *L, struct net_coroutine *in) {
  while (in->scopes) {
    struct net_scope *s = in->scopes;
    struct deadline *d = net_container_of(s, struct deadline, scope);
    int told = d->release != LUA_NOREF;
    if (told)
      lua_rawgeti(L, LUA_REGISTRYINDEX, d->release);
    struct net_loop *loop = d->loop;
    deadline_end(L, d);
    if (told)
      net_call_guarded(L, loop, 0);
  }
}

/* Lua half of the timer. What arrived while the process was busy is in time, so nobody is
 * interrupted before the next poll, nor before all that are over are known. */
static int deadline_fire(lua_State *L) {
  struct deadline *d = net_container_of(lua_touserdata(L, 1), struct deadline, timer);
  net_list_append(&net_scheduler_of(d->loop)->due, &d->due);
  d->loop->tasks.due++;
  return 0;
}

void net_scope_expire(lua_State *L, struct net_loop *loop) {
  struct net_link *due = &net_scheduler_of(loop)->due;
  while (!net_list_is_empty(due)) {
    struct net_link *first = net_list_take(due);
    struct deadline *d = net_container_of(first, struct deadline, due);
    loop->tasks.due--;
    deadline_hold(d, 0);
    lua_pushnil(L);
    net_scope_hit(L, &d->scope);
  }
}

/* --- timeout, shield, within --------------------------------------------------------- */

/* The call around which the scope at 1 stands is over: what it gave is behind the scope
 * and the handler. With 'always', a scope that has interrupted gives nil and its error in
 * front of that. */
static int scope_over(lua_State *L, int status) {
  struct deadline *d = lua_touserdata(L, 1);
  int failed = status != LUA_OK && status != LUA_YIELD, raised = d->scope.raised;
  lua_pushnil(L);
  if (raised)
    net_scope_push_error(L, &d->scope);
  else
    lua_pushnil(L);
  deadline_end(L, d);
  if (failed) {
    int is_its = raised && lua_rawequal(L, -1, 3);
    if (is_its)
      return 2;
    lua_settop(L, 3);
    return net_task_rethrow(L);
  }
  if (!raised) {
    lua_pop(L, 2);
    return lua_gettop(L) - 2;
  }
  lua_rotate(L, 3, 2);
  return lua_gettop(L) - 2;
}

static int timeout_over(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  return scope_over(L, status);
}

/* Something that can be called, a task too. [-0, +0, e] */
static void check_fn(lua_State *L, int idx) {
  if (lua_isfunction(L, idx))
    return;
  if (luaL_getmetafield(L, idx, "__call") == LUA_TNIL)
    net_error_arg_type(L, "fn", "of type function", idx);
  else
    lua_pop(L, 1);
}

/* timeout(ms, fn, ...): 'ms' is an integer >= 1, or HUGE_VAL */
static int core_timeout(lua_State *L) {
  struct net_task *t = net_wait_check(L);
  lua_Number ms = luaL_checknumber(L, 1);
  check_fn(L, 2); /* before the scope is pushed, as all that raises */
  struct deadline *d = deadline_new(L, t->o.loop);
  lua_replace(L, 1);
  d->timer.fire = deadline_fire;
  d->scope.times = 1;
  if (ms < HUGE_VAL) {
    if (net_timer_start(d->loop, &d->timer, net_sys_now_ms() + (uint64_t)ms) < 0)
      return net_error_memory(L);
    deadline_hold(d, 1);
  }
  net_scope_push(&d->scope, t->inner);
  return net_task_pcall(L, 1, timeout_over);
}

/* shield(fn, ...): outer scopes do not reach it */
static int core_shield(lua_State *L) {
  struct net_task *t = net_wait_check(L);
  check_fn(L, 1);
  struct deadline *d = deadline_new(L, t->o.loop);
  lua_insert(L, 1);
  d->scope.shields = 1;
  net_scope_push(&d->scope, t->inner);
  return net_task_pcall(L, 1, timeout_over);
}

/* scope([release]) -> a scope for within(); release() is called if its coroutine is closed.
 * Hit without an error it is a cancel's. */
static int core_scope(lua_State *L) {
  struct deadline *d = deadline_new(L, net_loop_get(L));
  d->scope.cancels = 1;
  if (lua_isfunction(L, 1)) {
    lua_pushvalue(L, 1);
    d->release = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  return 1;
}

/* The scope at 1, made by scope(). [-0, +0, e] */
static struct deadline *scope_check(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &deadline_key);
  if (!lua_getmetatable(L, 1) || !lua_rawequal(L, -1, -2))
    luaL_typeerror(L, 1, "scope");
  lua_pop(L, 2);
  return lua_touserdata(L, 1);
}

/* within(scope, fn, ...) -> as timeout(), of a scope that hit() may hit already */
static int core_within(lua_State *L) {
  struct net_task *t = net_wait_check(L);
  struct deadline *d = scope_check(L);
  check_fn(L, 2);
  net_scope_push(&d->scope, t->inner);
  return net_task_pcall(L, 1, timeout_over);
}

/* hit(scope, err): no-op the second time, and when it has ended */
static int core_hit(lua_State *L) {
  struct deadline *d = scope_check(L);
  lua_settop(L, 2);
  net_scope_hit(L, &d->scope);
  return 0;
}

/* --- looking ------------------------------------------------------------------------------ */

static int pcall_over(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (status == LUA_OK || status == LUA_YIELD) {
    lua_pushboolean(L, 1);
    lua_replace(L, 1);
    return lua_gettop(L);
  }
  const struct net_task *t = net_wait_task(net_loop_get(L), L);
  if (t && net_scope_raised(L, t, -1))
    return lua_error(L);
  lua_pushboolean(L, 0);
  lua_replace(L, 1);
  return 2;
}

/* pcall(fn, ...): Lua's, but errors of scopes around pass */
static int core_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushnil(L);
  lua_insert(L, 1);
  return pcall_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, pcall_over), 0);
}

/* cancelled() -> boolean: would a wait here raise */
static int core_cancelled(lua_State *L) {
  const struct net_task *t = net_wait_task(net_loop_get(L), L);
  lua_pushboolean(L, t && net_scope_outermost(t));
  return 1;
}

/* is_interruption(err) -> boolean: is it the error of a scope around that is hit */
static int core_is_interruption(lua_State *L) {
  const struct net_task *t = net_wait_task(net_loop_get(L), L);
  luaL_checkany(L, 1);
  lua_pushboolean(L, t && net_scope_raised(L, t, 1));
  return 1;
}

/* reason() -> the error that a wait here would raise, or nil */
static int core_reason(lua_State *L) {
  const struct net_task *t = net_wait_task(net_loop_get(L), L);
  struct net_scope *s = t ? net_scope_outermost(t) : NULL;
  if (s == NULL)
    return 0;
  net_scope_push_error(L, s);
  return 1;
}

/* on_abort(fn): fn(what, err) aborts what signal() was given */
static int core_on_abort(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &abort_key);
  return 0;
}

/* signal(make) -> what make() has made for the innermost scope around; for a scope that is
 * hit it is aborted already */
static int core_signal(lua_State *L) {
  struct net_task *t = net_wait_task(net_loop_get(L), L);
  if (t == NULL)
    return net_wait_check(L) != NULL; /* raises */
  struct net_coroutine *co = t->inner;
  struct net_scope *s = net_scope_next(t, &co, NULL);
  if (s->signal != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->signal);
    return 1;
  }
  lua_settop(L, 1);
  lua_call(L, 0, 1);
  lua_pushvalue(L, -1);
  s->signal = luaL_ref(L, LUA_REGISTRYINDEX);
  struct net_scope *hit = net_scope_outermost(t);
  if (hit)
    abort_signal(L, t, s, hit);
  return 1;
}

void net_deadline_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "timeout", core_timeout },
    { "shield", core_shield },
    { "scope", core_scope },
    { "within", core_within },
    { "hit", core_hit },
    { "pcall", core_pcall },
    { "reason", core_reason },
    { "cancelled", core_cancelled },
    { "on_abort", core_on_abort },
    { "signal", core_signal },
    { "is_interruption", core_is_interruption },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, deadline_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "scope");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &deadline_key);
}
