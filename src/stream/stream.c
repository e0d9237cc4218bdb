/* SPDX-License-Identifier: MIT
 *
 * stream.c - how a stream ends: destroy(), 'error', 'close', and lua_close.
 *
 * The handle goes at once, and 'close' follows in the close phase, as libuv has it; then
 * the loop lets go of the stream.
 *
 * Hence what Lua collects has no descriptor, no timer and nothing to send, and a
 * stream needs no finalizer: Lua frees it one collection sooner, which halves the
 * memory of a server of short connections. Those that are open when Lua closes
 * are found where they are anchored.
 *
 * How it begins is open.c; what its two sides look like to Lua is readable.c's and
 * writable.c's. */
#include "stream/stream.h"

#include <errno.h>

#include "connect/boundsocket.h"
#include "base/error.h"
#include "stream/attempt.h"
#include "stream/pump.h"
#include "stream/request.h"
#include "stream/writequeue.h"

/* What one destroy() may queue: ticks that tell the callbacks of writes, 'error', a call
 * with two arguments, and 'close' of the stream or its server; the close event, and a
 * write that is cut off. */
enum { DESTROY_TICKS = 3, DESTROY_SLOTS = 4, DESTROY_CLOSINGS = 2 };

/* Calls private[name](stream), once, if Lua left such a hook. [-0, +0, e] */
void net_stream_hook(lua_State *L, int idx, const char *name) {
  int top = lua_gettop(L);
  if (net_rare_get(L, idx, SLOT_PRIVATE) == LUA_TTABLE &&
      lua_getfield(L, -1, name) == LUA_TFUNCTION) {
    lua_pushnil(L);
    lua_setfield(L, top + 1, name);
    lua_pushvalue(L, idx);
    lua_call(L, 1, 0);
  }
  lua_settop(L, top);
}

/* The file of a client that was bound to a path goes with its descriptor. */
static void remove_file(lua_State *L, int idx, struct net_stream *s) {
  if (!s->watch.unlinks)
    return;
  s->watch.unlinks = 0;
  net_rare_get(L, idx, SLOT_BOUND);
  net_boundsocket_remove_file(L, lua_gettop(L));
  lua_pop(L, 1);
}

/* Gives the descriptor, or the attempt to get one, back. */
static void close_handle(lua_State *L, int idx, struct net_stream *s) {
  remove_file(L, idx, s);
  if (!s->watch.open) {
    net_attempt_close(L, idx);
    return;
  }
  if (s->life.reset && net_stream_can(s, NET_CAN_RESET))
    net_sys_linger_reset(net_stream_fd(s));
  net_pump_leave(s);
  net_stream_close_handle(s);
}

/* Tasks get an error by their next call. */
static int is_for_tasks(const struct net_stream *s) {
  return s->io.data && net_stream_waiters(s)->in_use && !net_has(&s->o, ON_ERROR);
}

static int error_tick(lua_State *L) {
  struct net_stream *s = lua_touserdata(L, 1);
  s->life.error_told = 1;
  if (!is_for_tasks(s))
    net_emit(L, 1, ON_ERROR, 1);
  return 0;
}

/* 'close' is told: of this connection, unless the next has begun. */
static void mark_closed(struct net_stream *s) {
  if (s->life.destroyed)
    s->life.close_emitted = 1;
}

/* From the tick after destroy() on, what read() gives is not told as 'data' any more. */
static void mute_tick(lua_State *L, const struct net_step *step) {
  (void)L;
  mark_closed(net_step_stream(step));
}

/* A stream that never had a handle closes on the tick, and says no more. */
static void close_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  mark_closed(s);
  net_emit_guarded(L, 1, &s->o, ON_CLOSE, 0);
}

/* Close phase: what the kernel still had is lost, unless it is connected anew. */
static void cancel_step(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  if (s->life.writing && s->life.destroyed) {
    uint32_t end = s->out.req;
    net_error_push_sys(L, -ECANCELED, "write");
    net_request_fail(L, 1, end);
  }
}

/* Close phase: it had left by then, and only its callback was due. */
static void left_step(lua_State *L, const struct net_step *step) {
  const struct net_stream *s = net_step_stream(step);
  if (s->life.writing && s->life.destroyed)
    net_request_left(L, 1);
}

/* Close phase: an attempt or a FIN that was cut off calls nobody, but is a callback, behind
 * which postponed ticks run, 'error' among them. */
static void cut_step(lua_State *L, const struct net_step *step) {
  (void)L;
  (void)step;
}

/* Close phase: 'close', and the loop lets go. */
static void close_handle_step(lua_State *L, struct net_stream *s, int had_error) {
  s->watch.closing--;
  net_stream_release(L, s);
  mark_closed(s);
  lua_pushboolean(L, had_error);
  net_emit_guarded(L, 1, &s->o, ON_CLOSE, 1);
}

/* A stream that was connected anew may have two of them in one turn. */
static void close_step(lua_State *L, const struct net_step *step) {
  close_handle_step(L, net_step_stream(step), 0);
}

static void close_failed_step(lua_State *L, const struct net_step *step) {
  close_handle_step(L, net_step_stream(step), 1);
}

/* Queues the error at 'err' for the tick. [-0, +0, m] */
static void queue_error(lua_State *L, int idx, struct net_stream *s, int err) {
  lua_pushcfunction(L, error_tick);
  lua_pushvalue(L, idx);
  lua_pushvalue(L, err);
  net_tick(L, s->o.loop, 2);
}

/* The owner stops counting it, at once. [-0, +0, m] */
static void leave_owner(lua_State *L, struct net_stream *s) {
  struct net_owner *owner = s->owner;
  s->owner = NULL;
  if (owner)
    owner->gone(L, owner);
}

void net_stream_discount(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  net_tick_reserve(L, s->o.loop, 1, DESTROY_SLOTS);
  leave_owner(L, s);
}

/* The handle goes now, its close event in the close phase. [-0, +0, m] */
static void destroy_handle(lua_State *L, int idx, struct net_stream *s, int was_connecting,
                           int is_error) {
  net_step_fn *last = net_request_has_left(s) ? left_step : cancel_step;
  close_handle(L, idx, s);
  s->life.handle = 0;
  s->watch.closing++;
  net_closing(L, idx, &s->o, is_error ? close_failed_step : close_step);
  if (s->life.writing && !was_connecting)
    net_closing(L, idx, &s->o, last); /* queued last, runs first */
  else if (s->life.cuts)
    net_closing(L, idx, &s->o, cut_step);
}

/* Whether the kernel is at an attempt, or about to be told of the end. */
static int cuts_off(lua_State *L, int idx, const struct net_stream *s) {
  if (s->watch.open)
    return s->life.final_called && !s->life.prefinished;
  return net_attempt_waits(L, idx);
}

/* Is it connecting, or was it until its attempt failed? */
static int is_connecting(lua_State *L, int idx, const struct net_stream *s) {
  return s->life.connecting || (!s->watch.open && net_attempt_has_failed(L, idx));
}

/* All of destroy(err at 'err', 0: none) that may raise but for destroy_reserve, so that a
 * stream is not left half destroyed: the last writes, the hook, the error. [-0, +0, e] */
static void destroy_prepare(lua_State *L, int idx, int err) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (!s->life.destroyed)
    s->life.cuts = (unsigned)cuts_off(L, idx, s);
  if (!s->watch.open)
    net_attempt_unhold(L, idx); /* even if this raises */
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (s->life.given || is_connecting(L, idx, s))
    net_stream_hook(L, idx, "on_destroy");
  if (err) {
    net_object_table(L, idx, VAL_RARE); /* while a finalizer may still write; not below */
    lua_pop(L, 1);
  }
  net_request_flush_now(L, s); /* before the descriptor goes */
  if (err && !s->life.errored) {
    lua_pushvalue(L, err);
    net_rare_set(L, idx, SLOT_ERRORED);
    s->life.errored = 1;
  }
}

/* Room for what so many of them will queue. [-0, +0, m] */
static void destroy_reserve(lua_State *L, struct net_loop *loop, int count) {
  net_tick_reserve(L, loop, count * DESTROY_TICKS, count * DESTROY_SLOTS);
  net_steps_reserve(L, &loop->closing, (size_t)count * DESTROY_CLOSINGS);
}

/* destroy(err at 'err', or 0), prepared; a finalizer may have been faster. Raises, before
 * it has done anything, only for one that is not anchored. [-0, +0, m] */
static void destroy_now(lua_State *L, int idx, int err, int was_connecting) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (s->life.destroyed)
    return;
  net_object_hold(L, idx, &s->o);
  s->life.destroyed = 1;
  net_loop_clean(s->o.loop, &s->flushable);
  net_request_abandon(L, idx);
  net_attempt_connecting(s, 0);
  s->life.read_wanted = 0;
  net_stream_stop_idle(s);
  net_stream_unlimit(L, idx);
  if (s->life.handle) {
    destroy_handle(L, idx, s, was_connecting, err != 0);
    if (err)
      queue_error(L, idx, s, err);
    else if (s->in.len > 0)
      net_tick_step(L, idx, &s->o, mute_tick, 0);
  } else {
    if (err)
      queue_error(L, idx, s, err);
    net_tick_step(L, idx, &s->o, close_tick, 0);
    net_stream_release(L, s);
  }
  net_stream_news(L, idx, s, NET_NEWS_DESTROYED);
  leave_owner(L, s);
  net_object_let_go(L, &s->o);
}

/* Pushes the streams that have taken the handle of the one at 'idx', each from the one
 * before it, or those from which it comes; returns how many. [-0, +n, m] */
static int push_chain(lua_State *L, int idx, int key) {
  int count = 0;
  while (net_rare_get(L, idx, key) == LUA_TUSERDATA) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    idx = lua_gettop(L);
    count++;
  }
  lua_pop(L, 1);
  return count;
}

/* It is no link of a chain any more; who had taken its handle can still be asked for.
 * [-0, +0, -] */
static void unlink_taken(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (net_rare_get(L, idx, SLOT_FROM) != LUA_TNIL) {
    lua_pushnil(L);
    net_rare_set(L, idx, SLOT_FROM);
  }
  lua_pop(L, 1);
  s->life.taken = s->life.took = 0;
}

/* destroy() of streams of which each has taken the handle of the next: the owner of the
 * handle is the first, and as close events come last in first out, the last is the first
 * to close. Those that took it share the error of the one at 'idx'. [-0, +0, e] */
static void destroy_chain(lua_State *L, int idx, int err) {
  lua_pushvalue(L, idx);
  int self = lua_gettop(L), up = push_chain(L, self, SLOT_TO);
  int last = self + up + push_chain(L, self, SLOT_FROM);
  const struct net_stream *s = lua_touserdata(L, idx);
  for (int i = self; i <= last; i++)
    destroy_prepare(L, i, i <= self + up ? err : 0);
  destroy_reserve(L, s->o.loop, last + 1 - self);
  if (s->life.reset)
    ((struct net_stream *)lua_touserdata(L, self + up))->life.reset = 1;
  for (int i = self; i <= last; i++)
    unlink_taken(L, i);
  for (int i = self + up; i >= self; i--)
    destroy_now(L, i, err, 0);
  for (int i = self + up + 1; i <= last; i++)
    destroy_now(L, i, 0, 0);
}

void net_stream_destroy(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  int top = lua_gettop(L), was_connecting = is_connecting(L, idx, s);
  if (s->life.destroyed) {
    lua_pop(L, 1);
    return;
  }
  int err = net_truthy(L, top) ? top : 0;
  if (s->life.taken || s->life.took) {
    destroy_chain(L, idx, err);
  } else {
    destroy_prepare(L, idx, err);
    destroy_reserve(L, s->o.loop, 1);
    destroy_now(L, idx, err, was_connecting);
  }
  lua_settop(L, top - 1);
}

void net_stream_push_error(lua_State *L, struct net_stream *s, int err, const char *syscall) {
  struct net_handle *h = &s->handle;
  while (err == NET_OWN_ERROR && h->via->error == NULL && h->via->below)
    h = h->via->below(h);
  if (err == NET_OWN_ERROR && h->via->error)
    h->via->error(L, h);
  else
    net_error_push_sys(L, err == NET_OWN_ERROR ? -EIO : err, syscall);
}

void net_stream_fail(lua_State *L, int idx, int err, const char *syscall) {
  net_stream_push_error(L, lua_touserdata(L, idx), err, syscall);
  net_stream_destroy(L, idx);
}

/* --- lua_close ------------------------------------------------------------------------ */

/* Sends what was never tried, whatever comes of it, and closes the files and pipes that are
 * queued, as those that a finalizer has queued have none. [-0, +0, -] */
static void salvage(lua_State *L, int idx, struct net_stream *s) {
  if (s->life.deferred && s->watch.open)
    net_wq_send(L, idx, &s->out, &s->handle, s->out.req);
  net_batch_drop(&s->o.loop->batch, &s->out.part);
  if (s->out.objects > 0)
    net_wq_drop(L, idx, &s->out, s->out.tail);
}

/* Silent: no listener, no raise, fine in every state. What was written and never
 * tried still goes; an attempt to connect, and the file of a BoundSocket, go by
 * themselves. */
static void stream_end(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_stop_idle(s);
  net_loop_clean(s->o.loop, &s->flushable);
  salvage(L, idx, s);
  if (s->watch.open) {
    net_pump_leave(s);
    net_stream_close_handle(s);
  }
}

const struct net_class net_stream_class = {
  .name = "Socket",
  .listening = net_readable_listening,
  .listened = net_readable_listened,
  .unlistened = net_readable_unlistened,
  .end = stream_end,
};
