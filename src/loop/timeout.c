/* SPDX-License-Identifier: MIT
 *
 * timeout.c - Lua's Timeout and Immediate, over the timers and steps of the loop. */
#include "loop/timeout.h"

#include <stdlib.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "base/sys.h"
#include "loop/timers.h"
#include "loop/uncaught.h"

#define MAX_ARGS 60000 /* extra arguments of a callback; Lua has 65534 user values */

/* --- what Lua's Timeout and Immediate share ----------------------------------- */

/* A callback waits in user values: the function in VAL_OWN, its arguments behind. */

/* Moves the function at 1 and the arguments from 'first' on into the new object
 * on the top, which is left alone on the stack. [-n, +1, -] */
static void callback_store(lua_State *L, int first, int nargs) {
  int object = lua_gettop(L);
  for (int i = 0; i < nargs; i++) {
    lua_pushvalue(L, first + i);
    lua_setiuservalue(L, object, VAL_OWN + 1 + i);
  }
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, object, VAL_OWN);
  lua_replace(L, 1);
  lua_settop(L, 1);
}

/* Pushes function and arguments of the object at 'idx'. [-0, +(nargs+1), m] */
static void callback_push(lua_State *L, int idx, int nargs) {
  if (!lua_checkstack(L, nargs + 2))
    net_error_memory(L);
  for (int i = 0; i <= nargs; i++)
    lua_getiuservalue(L, idx, VAL_OWN + i);
}

/* Number of values from 'first' to the top, as arguments of a callback. */
static int callback_count(lua_State *L, int first) {
  int n = lua_gettop(L) - first + 1;
  if (n > MAX_ARGS)
    luaL_error(L, "too many arguments");
  return n > 0 ? n : 0;
}

/* --- Timeout ------------------------------------------------------------------ */

enum {
  TIMEOUT_REPEAT = 1, /* an interval */
  TIMEOUT_REF = 2,    /* wants to hold the loop while it runs */
  TIMEOUT_HOLDS = 4,  /* does */
  TIMEOUT_CLEARED = 8 /* for good: refresh() does nothing */
};

struct timeout {
  struct net_object o;
  struct net_timer timer;
  uint64_t ms;    /* from start to firing */
  int nargs;      /* of the callback */
  unsigned flags; /* TIMEOUT_* */
};

static const struct net_class timeout_class;

static void timeout_hold(struct timeout *t) {
  if (!(t->flags & TIMEOUT_HOLDS))
    net_loop_ref(t->o.loop);
  t->flags |= TIMEOUT_HOLDS;
}

static void timeout_let_go(struct timeout *t) {
  if (t->flags & TIMEOUT_HOLDS)
    net_loop_unref(t->o.loop);
  t->flags &= ~(unsigned)TIMEOUT_HOLDS;
}

/* The loop will not call it any more. [-0, +0, -] */
static void timeout_stop(lua_State *L, struct timeout *t) {
  net_timer_stop(t->o.loop, &t->timer);
  timeout_let_go(t);
  net_unanchor(L, &t->o);
}

/* Has the object at 'idx' fire 'ms' after 'from'. [-0, +0, m] */
static void timeout_start(lua_State *L, int idx, struct timeout *t, uint64_t from) {
  net_anchor(L, idx, &t->o);
  if (net_timer_start(t->o.loop, &t->timer, from + t->ms) < 0) {
    timeout_stop(L, t);
    net_error_memory(L);
  }
  if (t->flags & TIMEOUT_REF)
    timeout_hold(t);
}

/* Lua half of a timer that is due. Like Node's it counts the next period from
 * the start of the callback, but starts it afterwards, behind the timers that
 * the callback started; an error does not end an interval. */
static int timeout_fire(lua_State *L) {
  struct timeout *t = net_container_of(lua_touserdata(L, 1), struct timeout, timer);
  uint64_t from = net_sys_now_ms();
  if (!lua_checkstack(L, t->nargs + LUA_MINSTACK)) {
    net_timer_start(t->o.loop, &t->timer, from + 1); /* it had its place in the heap */
    return net_error_memory(L);
  }
  net_push(L, &t->o); /* on the stack, the userdata keeps 't' alive */
  callback_push(L, 2, t->nargs);
  net_call_guarded(L, t->o.loop, t->nargs);
  if ((t->flags & (TIMEOUT_REPEAT | TIMEOUT_CLEARED)) == TIMEOUT_REPEAT)
    timeout_start(L, 2, t, from);
  else if (t->timer.place == 0)
    timeout_stop(L, t);
  return 0;
}

/* timeout.new(fn, ms, repeat, ...) -> Timeout, running; 'ms' is an integer >= 1 */
static int core_timeout(lua_State *L) {
  enum { FN = 1, MS, REPEAT, ARGS };
  luaL_checktype(L, FN, LUA_TFUNCTION);
  lua_Integer ms = luaL_checkinteger(L, MS);
  luaL_argcheck(L, ms >= 1, MS, "must be at least 1");
  int nargs = callback_count(L, ARGS);
  struct timeout *t =
    net_object_new(L, net_loop_get(L), &timeout_class, sizeof *t, VAL_OWN + nargs);
  t->timer.fire = timeout_fire;
  t->ms = (uint64_t)ms;
  t->nargs = nargs;
  t->flags = TIMEOUT_REF | (lua_toboolean(L, REPEAT) ? TIMEOUT_REPEAT : 0);
  callback_store(L, ARGS, nargs);
  timeout_start(L, 1, t, net_sys_now_ms());
  return 1;
}

/* timeout:ref() -> self */
static int timeout_ref(lua_State *L) {
  struct timeout *t = net_object_check(L, 1, &timeout_class);
  t->flags |= TIMEOUT_REF;
  if (t->o.anchored)
    timeout_hold(t);
  lua_settop(L, 1);
  return 1;
}

/* timeout:unref() -> self */
static int timeout_unref(lua_State *L) {
  struct timeout *t = net_object_check(L, 1, &timeout_class);
  t->flags &= ~(unsigned)TIMEOUT_REF;
  timeout_let_go(t);
  lua_settop(L, 1);
  return 1;
}

/* timeout:hasRef() -> boolean: what was asked for, whether it runs or not */
static int timeout_has_ref(lua_State *L) {
  struct timeout *t = net_object_check(L, 1, &timeout_class);
  lua_pushboolean(L, (t->flags & TIMEOUT_REF) != 0);
  return 1;
}

/* timeout:refresh() -> self: starts anew, also after it has fired */
static int timeout_refresh(lua_State *L) {
  struct timeout *t = net_object_check(L, 1, &timeout_class);
  if (!(t->flags & TIMEOUT_CLEARED))
    timeout_start(L, 1, t, net_sys_now_ms());
  lua_settop(L, 1);
  return 1;
}

static void timeout_clear(lua_State *L, struct timeout *t) {
  t->flags |= TIMEOUT_CLEARED;
  timeout_stop(L, t);
}

/* timeout:close() -> self: clearTimeout as a method */
static int timeout_close(lua_State *L) {
  timeout_clear(L, net_object_check(L, 1, &timeout_class));
  lua_settop(L, 1);
  return 1;
}

/* timeout.clear(value): no-op for what is not a Timeout */
static int core_clear_timeout(lua_State *L) {
  struct timeout *t = net_object_test(L, 1, &timeout_class);
  if (t)
    timeout_clear(L, t);
  return 0;
}

void net_timeout_push(lua_State *L, struct net_loop *loop, uint64_t ms) {
  struct timeout *t = net_object_new(L, loop, &timeout_class, sizeof *t, VAL_OWN + 1);
  t->timer.fire = timeout_fire;
  t->ms = ms;
  t->nargs = 1;
  t->flags = TIMEOUT_REF | TIMEOUT_REPEAT;
  lua_insert(L, -3);
  lua_setiuservalue(L, -3, VAL_OWN + 1);
  lua_setiuservalue(L, -2, VAL_OWN);
}

void net_timeout_start(lua_State *L, int idx) {
  timeout_start(L, idx, lua_touserdata(L, idx), net_sys_now_ms());
}

void net_timeout_clear(lua_State *L, int idx) { timeout_clear(L, lua_touserdata(L, idx)); }

/* __gc, at lua_close at the latest: only then can it still be running. */
static int timeout_gc(lua_State *L) {
  timeout_clear(L, net_object_check(L, 1, &timeout_class));
  return 0;
}

static const luaL_Reg timeout_methods[] = {
  { "ref", timeout_ref },         { "unref", timeout_unref }, { "hasRef", timeout_has_ref },
  { "refresh", timeout_refresh }, { "close", timeout_close }, { NULL, NULL },
};

static const luaL_Reg timeout_meta[] = {
  { "__gc", timeout_gc },
  { "__close", timeout_close },
  { NULL, NULL },
};

static const struct net_class timeout_class = {
  .name = "Timeout",
  .methods = timeout_methods,
  .meta = timeout_meta,
};

/* --- Immediate ---------------------------------------------------------------- */

enum {
  IMMEDIATE_WAITS = 1, /* queued, and not cleared */
  IMMEDIATE_REF = 2    /* holds the loop while it waits */
};

struct immediate {
  struct net_object o;
  int nargs;
  unsigned flags; /* IMMEDIATE_* */
};

static const struct net_class immediate_class;

/* It waits no longer; its entry in the queue is skipped if still there. */
static void immediate_done(struct immediate *i) {
  if (i->flags == (IMMEDIATE_WAITS | IMMEDIATE_REF))
    net_loop_unref(i->o.loop);
  i->flags = 0;
}

/* What is queued: called with the object. */
static void immediate_run(lua_State *L, const struct net_step *step) {
  struct immediate *i = (struct immediate *)step->o;
  if (!(i->flags & IMMEDIATE_WAITS))
    return;
  immediate_done(i);
  callback_push(L, 1, i->nargs);
  lua_call(L, i->nargs, 0);
}

/* immediate.new(fn, ...) -> Immediate */
static int core_immediate(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int nargs = callback_count(L, 2);
  struct immediate *i =
    net_object_new(L, net_loop_get(L), &immediate_class, sizeof *i, VAL_OWN + nargs);
  i->nargs = nargs;
  callback_store(L, 2, nargs);
  net_steps_push(L, &i->o.loop->immediates, 1, &i->o, immediate_run, 0);
  i->flags = IMMEDIATE_WAITS | IMMEDIATE_REF;
  net_loop_ref(i->o.loop);
  return 1;
}

/* immediate:ref() -> self */
static int immediate_ref(lua_State *L) {
  struct immediate *i = net_object_check(L, 1, &immediate_class);
  if (i->flags == IMMEDIATE_WAITS) {
    i->flags |= IMMEDIATE_REF;
    net_loop_ref(i->o.loop);
  }
  lua_settop(L, 1);
  return 1;
}

/* immediate:unref() -> self */
static int immediate_unref(lua_State *L) {
  struct immediate *i = net_object_check(L, 1, &immediate_class);
  if (i->flags == (IMMEDIATE_WAITS | IMMEDIATE_REF)) {
    i->flags = IMMEDIATE_WAITS;
    net_loop_unref(i->o.loop);
  }
  lua_settop(L, 1);
  return 1;
}

/* immediate:hasRef() -> boolean; false once it has run or was cleared */
static int immediate_has_ref(lua_State *L) {
  struct immediate *i = net_object_check(L, 1, &immediate_class);
  lua_pushboolean(L, (i->flags & IMMEDIATE_REF) != 0);
  return 1;
}

/* immediate.clear(value): no-op for what is not an Immediate */
static int core_clear_immediate(lua_State *L) {
  struct immediate *i = net_object_test(L, 1, &immediate_class);
  if (i)
    immediate_done(i);
  return 0;
}

/* Leaving the scope of a <close> variable. */
static int immediate_close(lua_State *L) {
  immediate_done(net_object_check(L, 1, &immediate_class));
  return 0;
}

static const luaL_Reg immediate_methods[] = {
  { "ref", immediate_ref },
  { "unref", immediate_unref },
  { "hasRef", immediate_has_ref },
  { NULL, NULL },
};

/* No __gc is needed: the queue, and so the loop, goes last. */
static const luaL_Reg immediate_meta[] = {
  { "__close", immediate_close },
  { NULL, NULL },
};

static const struct net_class immediate_class = {
  .name = "Immediate",
  .methods = immediate_methods,
  .meta = immediate_meta,
};

/* --- opening ------------------------------------------------------------------ */

void net_timeout_open(lua_State *L) {
  static const luaL_Reg timeout_functions[] = {
    { "new", core_timeout },
    { "clear", core_clear_timeout },
    { NULL, NULL },
  };
  static const luaL_Reg immediate_functions[] = {
    { "new", core_immediate },
    { "clear", core_clear_immediate },
    { NULL, NULL },
  };
  net_class_open(L, &timeout_class, 0);
  lua_setfield(L, -2, "Timeout");
  luaL_newlib(L, timeout_functions);
  lua_setfield(L, -2, "timeout");
  net_class_open(L, &immediate_class, 0);
  lua_setfield(L, -2, "Immediate");
  luaL_newlib(L, immediate_functions);
  lua_setfield(L, -2, "immediate");
}
