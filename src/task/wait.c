/* SPDX-License-Identifier: MIT
 *
 * wait.c - how a task waits: where it may, how the wait ends, and the waits for nothing
 * but time. Those for a function that somebody calls are suspend.c.
 *
 * A wait is a C function that ends in net_wait(), which yields. The yield passes through
 * the generators around, each of which yields too (generator.c), to the loop. When the
 * task is resumed, the same way back leads to wait_over, which raises the error of a scope
 * or has the kind of wait push what it gives. */
#include <lauxlib.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/uncaught.h"
#include "task/task.h"

#define PATIENCE 100 /* waits in one hit scope, of which each has raised */

/* --- where --------------------------------------------------------------------- */

int net_wait_possible(const struct net_task *t) {
  for (const struct net_coroutine *co = t->inner; co; co = co->outer)
    if (!lua_isyieldable(co->thread))
      return 0;
  return 1;
}

struct net_task *net_wait_check(lua_State *L) {
  return net_wait_check_in(L, net_loop_get(L));
}

struct net_task *net_wait_check_in(lua_State *L, const struct net_loop *loop) {
  struct net_scheduler *all = net_scheduler_of(loop);
  struct net_task *t = net_wait_task(loop, L);
  if (t && net_wait_possible(t))
    return t;
  lua_pushstring(L, t ? "C" : all && all->running ? "coroutine" : "outside");
  net_error_raise(L, "ERR_CANNOT_WAIT", 1);
  return NULL;
}

/* --- how it ends ------------------------------------------------------------------ */

const struct net_scope *net_wait_hit(const struct net_task *t) {
  if (t->inner == &t->own && t->own.scopes == NULL)
    return t->cancel.hit ? &t->cancel : NULL; /* as most often */
  return net_scope_outermost(t);
}

/* Raises the error of the outermost scope that is hit. */
static int raise_scope(lua_State *L, struct net_task *t) {
  struct net_scope *s = net_scope_outermost(t);
  s->begun++;
  s->raised = 1;
  net_scope_push_error(L, s);
  return lua_error(L);
}

/* Has the task hold the value on the top. [-1, +0, -] */
static void hold_value(lua_State *L, struct net_task *t) {
  net_push(L, &t->o);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, VAL_HELD);
  lua_pop(L, 1);
}

/* Continuation of every wait. Who got the thread by coroutine.running() may resume it as
 * well, which ends no wait. */
static int wait_over(lua_State *L, int status, lua_KContext ctx) {
  struct net_task *t = (struct net_task *)ctx;
  const struct net_wait_kind *kind = t->wait.kind;
  (void)status;
  if (t->state != TASK_RUNNING)
    return lua_yieldk(L, 0, ctx, wait_over);
  if (kind->holds) {
    lua_pushnil(L);
    hold_value(L, t);
  }
  t->wait.kind = NULL;
  t->wait.shielded = 0;
  if (t->interrupted) {
    t->interrupted = 0;
    return raise_scope(L, t);
  }
  if (kind->result)
    return kind->result(L, t);
  lua_pushboolean(L, 1);
  return 1;
}

int net_wait(lua_State *L, struct net_task *t, const struct net_wait_kind *kind) {
  if (kind->holds) {
    lua_pushvalue(L, kind->holds);
    hold_value(L, t);
  }
  t->wait.kind = kind;
  t->wait.serial++;
  t->credit = 0;
  t->state = TASK_WAITING;
  return lua_yieldk(L, 0, (lua_KContext)t, wait_over);
}

static void leave(lua_State *L, struct net_task *t, int given) {
  const struct net_wait_kind *kind = t->wait.kind;
  net_list_remove(&t->wait.link);
  if (kind && kind->unwait)
    kind->unwait(L, t, given);
}

void net_wait_leave(lua_State *L, struct net_task *t) {
  if (!t->interrupted)
    leave(L, t, t->state == TASK_READY);
  t->interrupted = 0;
  t->wait.kind = NULL;
}

void net_wait_interrupt(lua_State *L, struct net_task *t) {
  int given = t->state == TASK_READY;
  if (t->interrupted || t->wait.kind == NULL || (given && t->wait.kind->keeps))
    return;
  t->interrupted = 1;
  leave(L, t, given);
  if (!given)
    net_task_wake(t);
}

/* --- a turn of the loop ----------------------------------------------------------- */

static void hold(struct net_task *t, int holds) {
  if (holds && !t->holds)
    net_loop_ref(t->o.loop);
  else if (!holds && t->holds)
    net_loop_unref(t->o.loop);
  t->holds = !!holds;
}

void net_wait_turn_over(struct net_task *t) { hold(t, 0); }

static void yield_leave(lua_State *L, struct net_task *t, int given) {
  (void)L, (void)given;
  net_wait_turn_over(t);
}

static const struct net_wait_kind yield_kind = { .name = "yield",
                                                 .unwait = yield_leave,
                                                 .keeps = 1 };

static int refused_over(lua_State *L, struct net_task *t) { return raise_scope(L, t); }
static const struct net_wait_kind refused_kind = {
  .name = "yield", .unwait = yield_leave, .result = refused_over, .keeps = 1
};

/* An immediate: it may be that of a wait that was interrupted. */
static void turn_over(lua_State *L, const struct net_step *step) {
  struct net_task *t = net_container_of(step->o, struct net_task, o);
  (void)L;
  if (t->wait.serial != step->n || t->state != TASK_WAITING)
    return;
  net_wait_turn_over(t);
  net_task_wake(t);
}

void net_wait_turn(lua_State *L, struct net_task *t) {
  struct net_loop *loop = t->o.loop;
  net_push(L, &t->o);
  net_steps_push(L, &loop->immediates, lua_gettop(L), &t->o, turn_over, t->wait.serial + 1);
  lua_pop(L, 1);
  hold(t, 1);
}

/* yield(): waits for a turn */
static int core_yield(lua_State *L) {
  struct net_task *t = net_wait_check(L);
  if (!lua_isnone(L, 1)) {
    lua_pushliteral(L, "value");
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "goes nowhere; a generator gives one by coroutine.yield(value)");
    return net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
  }
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  net_wait_turn(L, t);
  return net_wait(L, t, &yield_kind);
}

/* The first wait in a hit scope raises at once. A loop that catches it would keep all
 * others waiting, so each further one raises a turn later, until its patience is over. */
int net_wait_refuse(lua_State *L, struct net_task *t) {
  struct net_scope *s = net_scope_outermost(t);
  if (s->begun == 0)
    return raise_scope(L, t);
  if (s->begun + 1 >= PATIENCE) {
    t->doomed = s;
    t->state = TASK_WAITING;
    return lua_yield(L, 0);
  }
  net_wait_turn(L, t);
  return net_wait(L, t, &refused_kind);
}

/* --- sleep ------------------------------------------------------------------------- */

static void sleep_leave(lua_State *L, struct net_task *t, int given) {
  (void)L, (void)given;
  net_timer_stop(t->o.loop, &t->timer);
  hold(t, 0);
}

static const struct net_wait_kind sleep_kind = { .name = "sleep",
                                                 .unwait = sleep_leave,
                                                 .keeps = 1 };

/* Lua half of the timer. */
static int sleep_over(lua_State *L) {
  struct net_task *t = net_container_of(lua_touserdata(L, 1), struct net_task, timer);
  hold(t, 0);
  net_task_wake(t);
  return 0;
}

/* The argument, whole ms, as timers have it; else what the function that is the upvalue makes
 * of it. [-0, +0, e] */
static lua_Integer check_ms(lua_State *L) {
  int is_whole;
  lua_Integer ms = lua_tointegerx(L, 1, &is_whole);
  if (is_whole && lua_type(L, 1) == LUA_TNUMBER && ms >= 1 && ms <= INT32_MAX)
    return ms;
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return lua_tointeger(L, 1);
}

/* sleep(ms): waits so long. A function of Lua's around it would stay on the task's stack. */
static int core_sleep(lua_State *L) {
  struct net_task *t = net_wait_check(L);
  lua_Integer ms = check_ms(L);
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  t->timer.fire = sleep_over;
  if (net_timer_start(t->o.loop, &t->timer, net_sys_now_ms() + (uint64_t)ms) < 0)
    return net_error_memory(L);
  hold(t, 1);
  return net_wait(L, t, &sleep_kind);
}

/* sleeper(duration) -> sleep(ms): duration(ms) makes whole ms, from 1 on, of any value */
static int core_sleeper(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushcclosure(L, core_sleep, 1);
  return 1;
}

void net_wait_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "sleeper", core_sleeper },
    { "yield", core_yield },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
}
