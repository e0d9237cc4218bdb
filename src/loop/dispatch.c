/* SPDX-License-Identifier: MIT
 *
 * dispatch.c - the one way from libev into Lua. See dispatch.h. */
#include "loop/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "loop/atexit.h"
#include "loop/uncaught.h"

#define RESUMES 256 /* of tasks in one settle; the rest is for the next turn */
#define ATTEMPTS 3  /* of a dispatch that memory fails, where somebody takes the error */

struct dispatch {
  struct net_loop *loop;
  lua_CFunction half; /* NULL: only settle */
  void *arg;
  int settles; /* the half is a batch, and settles after each of its callbacks */
  int began;   /* the last protected call got as far as to run something */
};

/* What a callback seldom needs is kept out of line, and so are the registers it saves;
 * what each runs through is not, though it is called twice. */
#define OUT_OF_LINE __attribute__((noinline))
#define IN_LINE inline __attribute__((always_inline))

static void run_tick(lua_State *L, struct net_loop *loop) {
  if (net_steps_oldest(&loop->ticks)->run) {
    struct net_step tick = net_steps_pop(&loop->ticks);
    net_step_run(L, &tick);
    return;
  }
  int nargs = net_calls_pop(L, &loop->calls); /* which may want memory */
  net_steps_pop(&loop->ticks);
  lua_call(L, nargs, 0);
}

static void set_postponed(struct net_loop *loop, int postponed) {
  loop->postponed = postponed;
  net_loop_hold(loop);
}

/* After an error the ticks wait until the next callback is over; returns whether they do. */
static OUT_OF_LINE int settle_postponed(lua_State *L, struct net_loop *loop) {
  if (loop->raised) {
    loop->raised = 0;
    set_postponed(loop, 1);
    net_loop_flush(L, loop);
    return 1;
  }
  if (!loop->halted)
    set_postponed(loop, 0); /* this callback was the next one */
  return 0;
}

static int may_resume(const struct net_loop *loop) {
  return loop->tasks.ready > 0 && !loop->tasks.tired;
}

/* All ticks, and then one task that is ready, as long as there are any. */
static void run_ticks_and_tasks(lua_State *L, struct net_loop *loop, int *resumes) {
  while (!loop->halted && !loop->raised) {
    if (loop->ticks.count > 0) {
      run_tick(L, loop);
    } else if (may_resume(loop)) {
      loop->tasks.tired = --*resumes == 0;
      loop->tasks.resume(L, loop);
    } else {
      return;
    }
  }
}

/* Ticks first, as Node has no flush to wait for; a failed flush queues ticks. A tick may
 * have dealt with an error itself, in a guarded call: that is an error in a tick all the
 * same. In an empty frame. */
static OUT_OF_LINE void settle_all(lua_State *L, struct net_loop *loop) {
  int resumes = RESUMES;
  do {
    run_ticks_and_tasks(L, loop, &resumes);
    if (loop->raised) {
      settle_postponed(L, loop);
      return;
    }
    net_loop_flush(L, loop);
  } while (!loop->halted && (loop->ticks.count > 0 || may_resume(loop)));
  if (loop->tasks.ready > 0)
    net_loop_hold(loop);
}

/* Most messages leave a flush, and nothing else. */
void net_settle(lua_State *L, struct net_loop *loop) {
  if ((loop->raised | loop->postponed) && settle_postponed(L, loop))
    return;
  if ((loop->ticks.count | loop->tasks.ready) == 0 && loop->dirty_len > 0)
    net_loop_flush(L, loop);
  if ((loop->ticks.count | loop->tasks.ready) > 0)
    settle_all(L, loop);
}

static int dispatch_body(lua_State *L) {
  struct dispatch *asked = lua_touserdata(L, 1), d = *asked;
  asked->began = 1;
  lua_settop(L, 0);
  if (d.half) {
    lua_pushlightuserdata(L, d.arg);
    d.half(L);
    lua_settop(L, 0);
  }
  if (d.loop->depth == 1 && !(d.half && d.settles))
    net_settle(L, d.loop);
  return 0;
}

/* One protected run; returns the status of an error that came out, already dealt
 * with. */
static IN_LINE int dispatch_once(lua_State *L, struct dispatch *d) {
  struct net_object *outer = d->loop->telling;
  d->began = 0;
  d->loop->telling = NULL;
  lua_pushcfunction(L, dispatch_body);
  lua_pushlightuserdata(L, d);
  int status = net_call_guarded(L, d->loop, 1);
  if (status != LUA_ERRMEM && d->loop->telling)
    d->loop->telling->unheard = 0; /* the listener that raised has had the bytes */
  d->loop->telling = outer;
  return status;
}

/* After a run that failed: runs what is left of the turn, or its flush, or the half once
 * more. A call that finds no memory, or too many around it, to begin is not tried again
 * once the loop is halted: nothing will have changed. Nor for ever where somebody takes
 * each error: then the next one comes out of run() all the same. Returns whether the half
 * has begun. */
static OUT_OF_LINE int dispatch_again(lua_State *L, struct dispatch *d, int status) {
  int failed = 0, begun = 0;
  for (; status != LUA_OK; status = dispatch_once(L, d)) {
    begun |= d->began;
    if (begun)
      d->half = NULL;
    failed = status == LUA_ERRMEM || !d->began ? failed + 1 : 0;
    if (failed >= ATTEMPTS && !d->loop->halted)
      net_loop_starve(d->loop);
    if (d->loop->halted && !d->began)
      return begun;
  }
  return 1;
}

static int dispatch(struct net_loop *loop, lua_CFunction half, void *arg, int settles) {
  lua_State *L = net_loop_thread(loop);
  struct dispatch d = { loop, half, arg, settles, 0 };
  if (loop->halted)
    return 0;
  loop->worked = 1;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    net_loop_starve(loop); /* or whoever empties a queue would try for ever */
    return 0;
  }
  if (loop->depth++ == 0)
    net_atexit_enter(loop);
  int status = dispatch_once(L, &d);
  int begun = status == LUA_OK || dispatch_again(L, &d, status);
  if (--loop->depth == 0)
    net_atexit_leave(loop);
  return begun;
}

int net_dispatch(struct net_loop *loop, lua_CFunction half, void *arg) {
  return dispatch(loop, half, arg, 0);
}

int net_dispatch_batch(struct net_loop *loop, lua_CFunction half, void *arg) {
  return dispatch(loop, half, arg, 1);
}

/* Makes room for another. */
static int ready_grow(struct net_loop *loop) {
  size_t cap = loop->ready_cap ? loop->ready_cap * 2 : 64;
  struct net_ready *grown = realloc(loop->ready, cap * sizeof *grown);
  if (grown == NULL)
    return 0;
  loop->ready = grown;
  loop->ready_cap = cap;
  return 1;
}

static int ready_has_room(struct net_loop *loop) {
  return loop->ready_len < loop->ready_cap || ready_grow(loop);
}

/* The half that runs is done, or has raised: it goes on, if there was more for it, as
 * libuv's reading does. Without room for that the next poll tells of it. */
static OUT_OF_LINE void ready_again(struct net_loop *loop) {
  struct net_ready r = loop->running;
  if (++r.round < loop->rounds && ready_has_room(loop))
    loop->ready[loop->ready_len++] = r;
}

static IN_LINE void ready_done(struct net_loop *loop) {
  if (loop->rounds > 0 && loop->running.half)
    ready_again(loop);
  loop->running.half = NULL;
}

/* Runs what is ready, each half as if dispatched by itself: its ticks and its
 * flush come before the next. An error ends the protected call, not the batch. One
 * that is to run again is back in the list by then, as a tick may forget it. */
static int ready_batch(lua_State *L) {
  struct net_loop *loop = lua_touserdata(L, 1);
  lua_settop(L, 0);
  while (!loop->halted && loop->ready_len > 0) {
    const struct net_ready *next = &loop->ready[loop->ready_len - 1];
    if (next->half == NULL)
      break;
    loop->running = *next;
    loop->ready_len--;
    loop->rounds = loop->drains = 0;
    loop->running.half(L, loop->running.arg);
    lua_settop(L, 0);
    ready_done(loop);
    net_settle(L, loop);
  }
  return 0;
}

void net_ready_run(struct net_loop *loop) {
  while (!loop->halted && loop->ready_len > 0) {
    const struct net_ready *r = &loop->ready[loop->ready_len - 1];
    if (r->half) {
      dispatch(loop, ready_batch, loop, 1);
      ready_done(loop);
    } else {
      loop->ready_len--;
      r->call(r->arg);
    }
  }
  loop->running.arg = NULL;
  if (loop->ready_behind > loop->ready_len)
    loop->ready_behind = loop->ready_len;
}

/* No callback in Node, so postponed ticks go on waiting. */
static void ready_nothing(lua_State *L, void *loop) {
  (void)L;
  net_settle_none(loop);
}

void net_ready_forget(struct net_loop *loop, const void *arg) {
  if (loop->running.arg == arg)
    loop->running.half = NULL;
  for (size_t i = 0; i < loop->ready_len; i++)
    if (loop->ready[i].arg == arg)
      loop->ready[i] = (struct net_ready){ ready_nothing, NULL, loop, 0 };
}

/* One that found no room to wait in. */
static int ready_now(lua_State *L) {
  struct net_ready r = *(struct net_ready *)lua_touserdata(L, 1);
  lua_settop(L, 0);
  r.half(L, r.arg);
  return 0;
}

/* Where there is no room to wait in, it runs now. */
static void ready_at_once(struct net_loop *loop, struct net_ready *r) {
  if (r->call)
    r->call(r->arg);
  else
    net_dispatch(loop, ready_now, r);
}

/* Returns whether it may wait. */
static int ready_may_wait(struct net_loop *loop, struct net_ready *r) {
  int has_room = ready_has_room(loop);
  if (!has_room)
    ready_at_once(loop, r);
  return has_room;
}

void net_ready(struct net_loop *loop, void (*half)(lua_State *L, void *arg), void *arg) {
  struct net_ready r = { half, NULL, arg, 0 };
  if (ready_may_wait(loop, &r))
    loop->ready[loop->ready_len++] = r;
}

/* The lowest are run last. Among those that are behind all others, as libev tells of the last
 * one first, each is put on top. */
void net_ready_behind(struct net_loop *loop, void (*half)(lua_State *L, void *arg), void *arg) {
  struct net_ready r = { half, NULL, arg, 0 };
  if (!ready_may_wait(loop, &r))
    return;
  if (loop->ready_behind > loop->ready_len)
    loop->ready_behind = loop->ready_len;
  struct net_ready *at = &loop->ready[loop->ready_behind++];
  memmove(at + 1, at, (size_t)(&loop->ready[loop->ready_len++] - at) * sizeof *at);
  *at = r;
}

void net_ready_call(struct net_loop *loop, void (*call)(void *arg), void *arg) {
  struct net_ready r = { NULL, call, arg, 0 };
  if (ready_may_wait(loop, &r))
    loop->ready[loop->ready_len++] = r;
}
