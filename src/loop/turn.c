/* SPDX-License-Identifier: MIT
 *
 * turn.c - the phases of a turn, and run(). See turn.h.
 *
 * The default loop is shared with whoever else uses it in the process (lua-ev, a C host),
 * so the phases hang on prepare and check watchers, which any ev_run calls, and run() is
 * little more than ev_run. */
#include "loop/turn.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "loop/dispatch.h"
#include "base/error.h"
#include "loop/atexit.h"
#include "loop/object.h"
#include "loop/phases.h"
#include "base/sys.h"
#include "loop/timers.h"
#include "loop/uncaught.h"
#include "loop/watch.h"

/* As a timer's: far more might never find room on the stack of run(), and hold up all ticks
 * behind them. */
#define TICK_ARGS 60000

static const char ended_key; /* registry: Lua's function for the end of run() */

static void wake_stop(struct net_loop *loop) {
  if (!ev_is_active(&loop->wake) && !ev_is_pending(&loop->wake))
    return;
  ev_ref(loop->ev);
  ev_timer_stop(loop->ev, &loop->wake);
}

/* Sets the timer that wakes the poll; it never holds the loop. */
static void wake_set(struct net_loop *loop) {
  uint64_t due = net_timers_next(loop);
  if (due == loop->wake_at)
    return;
  wake_stop(loop);
  loop->wake_at = due;
  if (due == 0)
    return;
  uint64_t now = net_loop_now(loop);
  ev_timer_set(&loop->wake, due > now ? (double)(due - now) / 1000.0 : 0.0, 0.0);
  ev_timer_start(loop->ev, &loop->wake);
  ev_unref(loop->ev);
}

static int has_work(const struct net_loop *loop) {
  return loop->holding || loop->immediates.count > 0 || loop->tasks.due > 0;
}

/* An idle watcher keeps the poll from waiting while there is work to do, or a watcher
 * that may be refused (watch.h). */
static void idle_set(struct net_loop *loop) {
  int busy = has_work(loop) || loop->started;
  if (busy == (ev_is_active(&loop->idle) != 0)) /* else which of all idle watchers it is */
    return;
  if (busy) {
    ev_idle_start(loop->ev, &loop->idle);
    ev_unref(loop->ev);
  } else {
    ev_ref(loop->ev);
    ev_idle_stop(loop->ev, &loop->idle);
  }
}

/* Called last in a turn, and only if its poll has found nothing. */
static void on_idle(struct ev_loop *ev, ev_idle *w, int revents) {
  struct net_loop *loop = w->data;
  (void)ev, (void)revents;
  loop->vain = 1;
}

static void on_wake(struct ev_loop *ev, ev_timer *w, int revents) {
  struct net_loop *loop = w->data;
  (void)revents;
  ev_ref(ev); /* it has stopped by itself */
  loop->wake_at = 0;
  loop->vain = 1; /* maybe too early, as libev's clock stood still while Lua ran */
}

static int is_to_end(const struct net_loop *loop) {
  return loop->halted | loop->stopped | loop->miscounted;
}

/* Ends run() once more, if it is to end: a callback may have run the loop since, which
 * forgets it. Elsewhere it is for who runs the loop to say. */
static int end_again(const struct net_loop *loop) {
  if (loop->L && loop->halted)
    ev_break(loop->ev, EVBREAK_ALL);
  else if (loop->L && (loop->stopped || (loop->miscounted && loop->refs == 0)))
    ev_break(loop->ev, EVBREAK_ONE);
  else
    return 0;
  return 1;
}

/* Ticks that the last timer postponed come when the timers are over, as in Node. */
static void run_timers(struct net_loop *loop) {
  if (net_timers_run(loop) && loop->postponed)
    net_dispatch(loop, NULL, NULL);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents) {
  struct net_loop *loop = w->data;
  (void)ev, (void)revents;
  loop->now = 0;
  loop->vain = 0;
  if (net_atexit_look(loop))
    loop->forked = loop->started = 1; /* all watchers are started anew */
  if (loop->L == NULL)
    loop->halted = 0;
  if (loop->L == NULL && loop->depth == 0)
    net_phases_go_on(loop);
  if (is_to_end(loop) && end_again(loop))
    return;
  loop->tasks.tired = 0;
  if (!loop->postponed && (loop->ticks.count > 0 || loop->dirty_len > 0 || loop->tasks.ready > 0))
    net_dispatch(loop, NULL, NULL); /* left by Lua code that runs the loop itself */
  if (!loop->timed)
    run_timers(loop);
  loop->timed = loop->cut = loop->halted && !net_timers_due(loop);
  if (loop->holding)
    net_phases_pending(loop);
  idle_set(loop);
  wake_set(loop);
  if (is_to_end(loop))
    end_again(loop);
  if (loop->started)
    errno = 0;
}

static void on_polled(struct ev_loop *ev, ev_check *w, int revents) {
  struct net_loop *loop = w->data;
  (void)ev, (void)revents;
  loop->tried = loop->started;
  if (loop->started)
    net_watch_after(loop);
  loop->started = 0;
  loop->now = 0;
  /* SIGINT makes lua.c set a hook, which would wait for the next Lua code. */
  if (loop->L && lua_gethook(loop->main))
    net_dispatch(loop, NULL, NULL);
}

/* A poll that came to nothing: libev may have met a descriptor that it could not stop to
 * watch, and is about to make its poller anew, with all watchers. */
static int is_suspicious(const struct net_loop *loop) {
  return loop->L && !loop->tried && !loop->vain;
}

/* Lua half of timeouts of tasks that are over. */
static int expire_body(lua_State *L) {
  struct net_loop *loop = lua_touserdata(L, 1);
  loop->tasks.expire(L, loop);
  return 0;
}

/* Timers come last, as in libuv, so that one that does not hold the loop runs if it is
 * due when the loop runs empty. */
static void on_check(struct ev_loop *ev, ev_check *w, int revents) {
  struct net_loop *loop = w->data;
  (void)ev, (void)revents;
  if (loop->ready_len == 0 && is_suspicious(loop))
    loop->started = 1;
  net_phases_begin(loop);
  if (loop->tasks.due > 0 && !loop->halted) /* they were before this poll */
    net_dispatch(loop, expire_body, loop);
  loop->now = 0;
  loop->timed = 0;
  if (!loop->halted) {
    run_timers(loop);
    loop->timed = !loop->halted || !net_timers_due(loop);
  }
  loop->cut = loop->halted;
  if (loop->miscounted)
    end_again(loop);
}

/* --- Lua functions ----------------------------------------------------------- */

static int loop_mode(lua_State *L) {
  static const char *const names[] = { "default", "once", "nowait" };
  static const int flags[] = { 0, EVRUN_ONCE, EVRUN_NOWAIT };
  if (lua_isnoneornil(L, 1))
    return 0;
  if (lua_type(L, 1) != LUA_TSTRING)
    net_error_arg_type(L, "mode", "of type string", 1);
  for (int i = 0; i < 3; i++)
    if (strcmp(lua_tostring(L, 1), names[i]) == 0)
      return flags[i];
  lua_pushliteral(L, "mode");
  lua_pushvalue(L, 1);
  lua_pushliteral(L, "must be 'default', 'once' or 'nowait'");
  return net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
}

/* Has the Lua half told of what will not happen any more, on the loop. */
static int ended_body(lua_State *L) {
  lua_settop(L, 0);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &ended_key) == LUA_TFUNCTION)
    lua_call(L, 0, 0);
  return 0;
}

static int is_idle(const struct net_loop *loop) {
  return !loop->halted && !loop->stopped && loop->refs == 0;
}

/* Runs until nothing holds the loop, although libev may take it for less held. */
static void run_held(struct net_loop *loop) {
  if (loop->refs > 0)
    ev_run(loop->ev, 0);
  while (loop->miscounted && loop->refs > 0 && !loop->halted && !loop->stopped) {
    ev_ref(loop->ev);
    ev_run(loop->ev, 0);
  }
}

/* As run_held; and whoever is told of the loop's end may find more to do. */
static void run_to_the_end(struct net_loop *loop) {
  run_held(loop);
  if (!is_idle(loop))
    return;
  net_dispatch(loop, ended_body, NULL);
  if (!loop->halted && !loop->stopped)
    run_held(loop);
}

/* One turn, or another if nothing came of it. */
static void run_once(struct net_loop *loop) {
  do {
    loop->vain = loop->worked = 0;
    ev_run(loop->ev, EVRUN_ONCE);
  } while (loop->vain && !loop->worked && loop->refs > 0 && !loop->halted && !loop->stopped);
}

static int is_running(const struct net_loop *loop) { return loop->L || loop->depth > 0; }

/* running() -> boolean, caller: would run() raise, as it runs already; for whom it does */
static int loop_running(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  lua_pushboolean(L, is_running(loop));
  lua_pushinteger(L, loop->caller);
  return 2;
}

static int run(lua_State *L, int flags, lua_Integer caller) {
  struct net_loop *loop = net_loop_get(L);
  if (is_running(loop))
    return luaL_error(L, "net.run() is running already");
  if (!lua_checkstack(L, 2 * LUA_MINSTACK)) /* no dispatch will be short of it */
    return net_error_memory(L);
  loop->L = L;
  loop->caller = caller;
  loop->stopped = loop->halted = loop->starved = loop->raised = 0;
  loop->timed = loop->timed && loop->cut;
  loop->cut = 0;
  if (!loop->postponed)
    net_dispatch(loop, NULL, NULL);
  net_phases_go_on(loop);
  if (!loop->halted && !loop->stopped && flags == 0)
    run_to_the_end(loop);
  else if (!loop->halted && !loop->stopped && flags == EVRUN_NOWAIT)
    ev_run(loop->ev, flags);
  else if (!loop->halted && !loop->stopped && loop->refs > 0)
    run_once(loop);
  loop->L = NULL;
  loop->caller = 0;
  if (loop->halted) {
    loop->halted = 0;
    return loop->starved ? net_error_memory(L) : net_uncaught_raise(L);
  }
  lua_pushboolean(L, loop->refs > 0);
  return 1;
}

/* run([mode]) -> boolean: whether anything still holds the loop */
static int loop_run(lua_State *L) { return run(L, loop_mode(L), 0); }

/* run_for(mode, caller) -> boolean: run() for who has this number */
static int loop_run_for(lua_State *L) { return run(L, loop_mode(L), luaL_checkinteger(L, 2)); }

/* caller() -> a number that nobody else has */
static int loop_caller(lua_State *L) {
  lua_pushinteger(L, ++net_loop_get(L)->callers);
  return 1;
}

/* on_ended(fn): fn() is called when run() has nothing left to do */
static int loop_on_ended(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &ended_key);
  return 0;
}

/* stop(): run() returns before it would wait again; no-op outside of it */
static int loop_stop(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  loop->stopped = 1;
  ev_break(loop->ev, EVBREAK_ONE);
  return 0;
}

/* tick(fn, ...): process.nextTick */
static int loop_tick(lua_State *L) {
  if (lua_type(L, 1) != LUA_TFUNCTION)
    return net_error_arg_type(L, "callback", "of type function", 1);
  int nargs = lua_gettop(L) - 1;
  if (nargs > TICK_ARGS)
    return luaL_error(L, "too many arguments");
  net_tick(L, net_loop_get(L), nargs);
  return 0;
}

/* now() -> ms on the monotonic clock that timers go by, read anew */
static int loop_now(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)net_sys_now_ms());
  return 1;
}

/* alive() -> what holds the loop, objects the loop may call: two counts */
static int loop_alive(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  lua_pushinteger(L, loop->refs);
  lua_pushinteger(L, net_object_count(L));
  return 2;
}

static int loop_gc(lua_State *L) {
  struct net_loop *loop = lua_touserdata(L, 1);
  if (loop->ev == NULL)
    return 0;
  net_object_end_all(L);
  wake_stop(loop);
  if (ev_is_active(&loop->idle)) {
    ev_ref(loop->ev);
    ev_idle_stop(loop->ev, &loop->idle);
  }
  ev_ref(loop->ev);
  ev_prepare_stop(loop->ev, &loop->prepare);
  ev_ref(loop->ev);
  ev_check_stop(loop->ev, &loop->polled);
  ev_ref(loop->ev);
  ev_check_stop(loop->ev, &loop->check);
  while (loop->refs > 0)
    net_loop_unref(loop);
  net_atexit_leave(loop); /* closed in a listener, as by os.exit(code, true) */
  net_timers_end(loop);
  free(loop->dirty);
  free(loop->ready);
  loop->ready = NULL;
  loop->ready_len = loop->ready_cap = 0;
  net_steps_end(&loop->ticks);
  net_steps_end(&loop->pending);
  net_steps_end(&loop->immediates);
  net_steps_end(&loop->closing);
  net_steps_end(&loop->closing_now);
  net_wakes_end(&loop->wakes);
  net_sys_pipe_close(&loop->pumps.pipe);
  loop->ev = NULL;
  return 0;
}

static void loop_start(struct net_loop *loop) {
  ev_prepare_init(&loop->prepare, on_prepare);
  ev_check_init(&loop->polled, on_polled);
  ev_check_init(&loop->check, on_check);
  ev_idle_init(&loop->idle, on_idle);
  ev_timer_init(&loop->wake, on_wake, 0.0, 0.0);
  ev_set_priority(&loop->polled, EV_MAXPRI);
  ev_set_priority(&loop->check, EV_MINPRI);
  ev_set_priority(&loop->idle, EV_MINPRI);
  loop->prepare.data = loop->polled.data = loop->check.data = loop;
  loop->idle.data = loop->wake.data = loop;
  ev_prepare_start(loop->ev, &loop->prepare);
  ev_unref(loop->ev);
  ev_check_start(loop->ev, &loop->polled);
  ev_unref(loop->ev);
  ev_check_start(loop->ev, &loop->check);
  ev_unref(loop->ev);
}

/* The thread that lua_close and foreign hosts know. */
static lua_State *main_thread(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

static void loop_new(lua_State *L) {
  net_loop_make_room(L);
  struct net_loop *loop = lua_newuserdatauv(L, sizeof *loop, 0);
  memset(loop, 0, offsetof(struct net_loop, batch.sizes)); /* the rest is buffers */
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, loop_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  loop->main = main_thread(L);
  net_phases_none(loop);
  loop->pumps.pipe = NET_NO_PIPE;
  loop->forks = net_atexit_forks();
  net_calls_init(L, &loop->calls);
  int err;
  loop->ev = net_watch_loop(&err);
  if (err < 0)
    luaL_error(L, "net: the system refuses to watch descriptors: %s", strerror(-err));
  if (loop->ev == NULL)
    luaL_error(L, "net: libev has no event loop for this system");
  loop_start(loop);
  net_loop_set(L);
}

void net_turn_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "run", loop_run },           { "stop", loop_stop },
    { "on_ended", loop_on_ended }, { "running", loop_running },
    { "tick", loop_tick },         { "alive", loop_alive },
    { "now", loop_now },           { "run_for", loop_run_for },
    { "caller", loop_caller },     { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
  net_atexit_open(L);
  loop_new(L);
}
