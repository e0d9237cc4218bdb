/* SPDX-License-Identifier: MIT
 *
 * writable.c - the writable half of a stream: requests, their callbacks and 'drain'.
 * What they have still to send is in writequeue.c, how it all ends in finish.c.
 *
 * A request completes as a whole. A small write on an idle, read descriptor
 * is deferred: it counts as sent, and leaves with the turn's other writes in
 * one sendmsg when the turn ends, or before its callback is due. A descriptor
 * that is not read learns of its peer by writing only, so it is tried at once.
 * If the kernel then refuses a part, the pieces become what they would have
 * been in Node: a request and a buffer behind it. */
#include <errno.h>

#include "error.h"
#include "finish.h"
#include "piece.h"
#include "stream.h"
#include "uncaught.h"
#include "writequeue.h"

#define DEFER_MAX 16384 /* bytes; from here on a write is tried at once */

/* Slots of a queue for the call of failed_tick, and of a callback with its error. */
enum { FAILED_SLOTS = 4, CALLBACK_SLOTS = 3 };

/* Steps of a write that was made before the connection stands. */
static void write_on_connect(lua_State *L, int idx);
static void write_on_close(lua_State *L, int idx);
static const struct net_internal connect_step = {write_on_connect};
static const struct net_internal close_step = {write_on_close};

static struct net_stream *stream_at(lua_State *L, int idx) {
  return lua_touserdata(L, idx);
}

int net_writable_done(const struct net_stream *s) {
  return (s->flags & (S_FINISHED | S_WRITE_OFF)) != 0;
}

int net_writable_open(const struct net_stream *s) {
  return !(s->flags & (S_ENDING | S_DESTROYED | S_ERRORED | S_WRITE_OFF));
}

/* --- telling ------------------------------------------------------------------- */

/* Calls the callbacks of the pieces up to 'end', with the error at absolute
 * index 'err' or nothing (0). An error in one does not stop the rest. */
static void call_back(lua_State *L, int idx, uint32_t end, int err) {
  struct net_stream *s = stream_at(L, idx);
  while (net_wq_before(s->wq_done, end) && s->wq_callbacks > 0) {
    if (!net_wq_take_callback(L, idx))
      continue;
    if (err)
      lua_pushvalue(L, err);
    net_call_guarded(L, s->o.loop, err != 0);
  }
  if (net_wq_before(s->wq_done, end))
    s->wq_done = end;
}

void net_writable_push_reason(lua_State *L, int idx, const char *what) {
  if (stream_at(L, idx)->flags & S_ERRORED) {
    net_rare_get(L, idx, RARE_ERRORED);
    return;
  }
  lua_pushstring(L, what);
  net_error_push_code(L, "ERR_STREAM_DESTROYED", 1);
}

/* A request is under way, or nothing has failed: so too if a callback has just
 * connected a closed stream anew. */
static int is_going(const struct net_stream *s) {
  return s->flags & S_WRITING || !(s->flags & (S_DESTROYED | S_ERRORED));
}

/* Forgets the pieces from the head on. [-0, +0, m] */
static void drop_unsent(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  net_wq_prepare(L, idx);
  s->bytes_written -= net_wq_drop(L, idx, s->wq_tail);
  s->write_len = s->deferred = 0;
  s->wq_req = s->wq_tail;
}

/* What is buffered will never be sent: tells its callbacks, then finish()'s. */
static void abandon(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  int top = lua_gettop(L);
  if (net_wq_before(s->wq_head, s->wq_tail) && !is_going(s)) {
    call_back(L, idx, s->wq_head, 0);
    net_writable_push_reason(L, idx, "write");
    if (is_going(s)) {
      lua_settop(L, top);
      return;
    }
    drop_unsent(L, idx);
    call_back(L, idx, s->wq_tail, top + 1);
  }
  if (!is_going(s) && net_finish_is_awaited(L, idx)) {
    net_writable_push_reason(L, idx, "end");
    net_finish_tell(L, idx, lua_gettop(L));
  }
  lua_settop(L, top);
}

static void abandon_tick(lua_State *L, const struct net_step *step) {
  (void)step;
  abandon(L, 1);
}

void net_writable_abandon(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (net_finish_is_awaited(L, idx) || net_wq_before(s->wq_req, s->wq_tail))
    net_tick_step(L, idx, &s->o, abandon_tick, 0);
}

/* Has the callback on the top called on the tick, with the error at 'err' or
 * nothing (0). [-1, +0, m] */
static void call_later(lua_State *L, int idx, int err) {
  if (err)
    lua_pushvalue(L, err);
  net_tick(L, stream_at(L, idx)->o.loop, err != 0);
}

/* Are there callbacks of writes, and not of a connection that a finalizer has begun? */
static int has_old_callbacks(const struct net_stream *s) {
  return s->flags & S_DESTROYED && s->wq_callbacks > 0 && s->wq_done != s->wq_tail;
}

/* Has the callbacks of writes called on the tick that have not been. Each is taken
 * when there is room for it: a finalizer, or who tries again as there was no memory,
 * finds the rest. [-0, +0, e] */
static void dismiss_writes(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  int top = lua_gettop(L), err = top + 1;
  if (s->wq_callbacks == 0)
    return;
  net_writable_push_reason(L, idx, "write");
  while (has_old_callbacks(s)) {
    net_tick_reserve(L, s->o.loop, 1, CALLBACK_SLOTS);
    int is_sent = net_wq_before(s->wq_done, s->wq_head);
    if (has_old_callbacks(s) && net_wq_take_callback(L, idx))
      call_later(L, idx, is_sent ? 0 : err);
  }
  lua_settop(L, top);
}

void net_writable_reset(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  net_emitter_internal_off(L, idx, ON_CONNECT, &connect_step);
  net_emitter_internal_off(L, idx, ON_CLOSE, &close_step);
  dismiss_writes(L, idx);
  net_finish_dismiss(L, idx);
  if (!(s->flags & S_DESTROYED))
    return;  /* a finalizer has connected it, and may have written */
  net_wq_clear(L, idx);
  s->write_len = s->req_bytes = 0;
  s->deferred = s->corked = 0;
}

/* --- completing -------------------------------------------------------------------- */

/* The pieces up to 'end' are sent, in Node's afterWrite. [-0, +0, e] */
static void after_write(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = stream_at(L, idx);
  if (s->flags & S_NEED_DRAIN && !(s->flags & (S_ENDING | S_DESTROYED)) && s->write_len == 0) {
    s->flags &= ~(uint32_t)S_NEED_DRAIN;
    net_emit_guarded(L, idx, &s->o, ON_DRAIN, 0);
  }
  call_back(L, idx, end, 0);
  if (s->flags & S_DESTROYED)
    abandon(L, idx);
  net_finish_maybe(L, idx);
}

/* The tick after a write that the kernel took, or is about to take, at once. */
static void sent_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  uint32_t end = (uint32_t)step->n;
  if (net_wq_before(s->wq_head, end))
    net_writable_flush_now(L, s);
  after_write(L, 1, net_wq_before(s->wq_head, end) ? s->wq_head : end);
}

/* Does anybody care when the pieces under way are sent? */
static int is_awaited(const struct net_stream *s) {
  return s->wq_callbacks > 0 || s->flags & (S_NEED_DRAIN | S_ENDING);
}

/* Nobody waits for the pieces that are sent: forget them at once. */
static void settle_sent(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (is_awaited(s))
    net_tick_step(L, idx, &s->o, sent_tick, s->wq_head);
  else
    s->wq_done = s->wq_head;
}

/* In the failed request's own time: its callbacks, the rest's, then destroy. */
static void failed_now(lua_State *L, int idx, int err) {
  struct net_stream *s = stream_at(L, idx);
  net_wq_prepare(L, idx);
  uint32_t end = s->wq_req;
  net_wq_drop(L, idx, end);
  call_back(L, idx, end, err);
  if (is_going(s))
    return;
  abandon(L, idx);
  lua_pushvalue(L, err);
  net_stream_destroy(L, idx);
}

static int failed_tick(lua_State *L) {
  if (stream_at(L, 1)->flags & S_ERRORED)  /* not so if it is connected anew */
    failed_now(L, 1, 2);
  return 0;
}

/* Marks the stream as failed with the error on the top, if it has not failed
 * already. [-0, +0, m] */
static void mark_failed(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (!(s->flags & S_ERRORED)) {
    lua_pushvalue(L, -1);
    net_rare_set(L, idx, RARE_ERRORED);
  }
  s->write_len -= s->req_bytes;
  s->req_bytes = 0;
  s->flags &= ~(uint32_t)(S_WRITING | S_DEFERRED);
  s->flags |= S_ERRORED;
  net_stream_poll(s, s->polled & ~EV_WRITE);
}

/* Is the request up to 'end' still under way? To make its error takes memory, so a
 * finalizer may have begun another connection meanwhile. */
static int is_under_way(const struct net_stream *s, uint32_t end) {
  return s->flags & S_WRITING && s->wq_req == end;
}

void net_writable_fail(lua_State *L, int idx, uint32_t end) {
  if (is_under_way(stream_at(L, idx), end)) {
    mark_failed(L, idx);
    failed_now(L, idx, lua_gettop(L));
  }
  lua_pop(L, 1);
}

/* The same from within a call of the user's: told on the tick. [-1, +0, m] */
static void fail_later(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = stream_at(L, idx);
  net_tick_reserve(L, s->o.loop, 1, FAILED_SLOTS);
  if (!is_under_way(s, end)) {
    lua_pop(L, 1);
    return;
  }
  size_t unsent = s->req_bytes;
  mark_failed(L, idx);
  s->bytes_written -= unsent;  /* as the kernel never had them */
  lua_pushcfunction(L, failed_tick);
  lua_insert(L, -2);
  lua_pushvalue(L, idx);
  lua_insert(L, -2);
  net_tick(L, s->o.loop, 2);
}

/* --- sending ------------------------------------------------------------------------ */

/* The pieces from the head on are, or again are, a request with the kernel;
 * 'end' is the request's. */
static void request_begin(struct net_stream *s, uint32_t end, size_t bytes) {
  s->flags |= S_WRITING;
  s->wq_req = end;
  s->req_bytes = bytes;
}

/* Pushes the error of an attempt to send. [-0, +1, e] */
static void push_failure(lua_State *L, int err) {
  if (err == NET_SHORT_FILE)
    net_error_push_code(L, "ERR_FILE_TOO_SHORT", 0);
  else
    net_error_push_sys(L, err, "write");
}

/* After an attempt to send: the request with the kernel may be over, and what
 * was buffered behind it sent as well. 'async': outside a write call. */
static void request_over(lua_State *L, int idx, int err, int async) {
  struct net_stream *s = stream_at(L, idx);
  uint32_t end = s->wq_req;
  s->write_len -= s->req_bytes;
  s->req_bytes = 0;
  s->flags &= ~(uint32_t)S_WRITING;
  if (err == 0 && net_wq_before(end, s->wq_head)) {  /* those behind it went along */
    s->write_len = 0;
    s->wq_req = s->wq_head;
    if (is_awaited(s))
      net_tick_step(L, idx, &s->o, sent_tick, s->wq_head);
  } else if (net_wq_before(end, s->wq_tail) && !s->corked) {
    request_begin(s, s->wq_tail, s->write_len);
  }
  if (async)
    after_write(L, idx, end);
  else
    settle_sent(L, idx);
}

/* Tries to send the request, and what is buffered behind it. [-0, +0, e] */
static void request_send(lua_State *L, int idx, int async) {
  struct net_stream *s = stream_at(L, idx);
  int err = net_wq_send(L, idx, s->corked ? s->wq_req : s->wq_tail);
  if (err == 0 || err == -EAGAIN)
    net_stream_poll(s, err ? s->polled | EV_WRITE : s->polled & ~EV_WRITE);
  if (!net_wq_before(s->wq_head, s->wq_req))
    request_over(L, idx, err, async);
  if (err == 0 || err == -EAGAIN || s->fd < 0)
    return;
  net_stream_poll(s, s->polled | EV_WRITE);  /* tried again if there is no memory */
  uint32_t end = s->wq_req;
  push_failure(L, err);
  if (async)
    net_writable_fail(L, idx, end);
  else
    fail_later(L, idx, end);
}

void net_writable_ready(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (!(s->flags & S_WRITING)) {
    net_stream_poll(s, s->polled & ~EV_WRITE);
    return;
  }
  net_stream_touch(s);
  request_send(L, idx, 1);
}

/* The kernel refused a part of what counted as sent: it is buffered after all.
 * The pieces from 'run' on, 'bytes' in all, are one request. */
static void undefer(lua_State *L, int idx, uint32_t run, size_t bytes) {
  struct net_stream *s = stream_at(L, idx);
  if (!net_wq_before(s->wq_head, run)) {
    s->write_len = bytes;
    request_begin(s, s->wq_tail, bytes);
    return;
  }
  size_t first;
  s->write_len = net_wq_bytes(L, idx, &first);
  request_begin(s, s->wq_head + 1, first);
}

/* The kernel refused a part of the request, for now or for good. [-0, +0, m] */
static void refused(lua_State *L, int idx, int err) {
  struct net_stream *s = stream_at(L, idx);
  net_stream_poll(s, s->polled | EV_WRITE);
  if (err == -EAGAIN)
    return;
  uint32_t end = s->wq_req;
  push_failure(L, err);
  fail_later(L, idx, end);
}

/* All that was deferred is sent; not so what cork() holds behind it. */
static void flushed(struct net_stream *s) {
  if (!is_awaited(s))
    s->wq_done = s->wq_head;
}

/* The kernel refused a part of what was deferred; see undefer. [-0, +0, m] */
static void flush_refused(lua_State *L, int idx, uint32_t run, size_t bytes, int err) {
  undefer(L, idx, run, bytes);
  refused(L, idx, err);
  net_wq_prepare(L, idx);  /* as the batch is of this turn */
}

static void flush_begin(struct net_stream *s) {
  s->flags &= ~(uint32_t)S_DEFERRED;
  s->deferred = 0;
}

/* Sends the deferred pieces of the stream at 'idx', each a request of its own but
 * for those from 'run' on. [-0, +0, m] */
static void flush_run(lua_State *L, int idx, struct net_stream *s, uint32_t run, size_t bytes) {
  flush_begin(s);
  int err = net_wq_send(L, idx, s->wq_req);
  if (err == 0)
    flushed(s);
  else
    flush_refused(L, idx, run, bytes, err);
}

void net_writable_flush(lua_State *L, struct net_flushable *f) {
  struct net_stream *s = (struct net_stream *)(void *)((char *)f - offsetof(struct net_stream, flushable));
  int err = 0;
  if (!(s->flags & S_DEFERRED))
    return;
  if (s->part.count > 0) {
    flush_begin(s);
    err = net_wq_send_batch(s);
    if (err == 0) {
      flushed(s);
      return;
    }
  }
  net_push(L, &s->o);
  if (err == 0)
    flush_run(L, lua_gettop(L), s, s->wq_tail, 0);
  else
    flush_refused(L, lua_gettop(L), s->wq_tail, 0, err);
  lua_pop(L, 1);
}

void net_writable_flush_now(lua_State *L, struct net_stream *s) {
  if (!(s->flags & S_DEFERRED))
    return;
  net_loop_clean(s->o.loop, &s->flushable);
  net_writable_flush(L, &s->flushable);
}

void net_writable_salvage(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->flags & S_DEFERRED && s->fd >= 0)
    net_wq_send(L, idx, s->wq_req);
  net_batch_drop(&s->o.loop->batch, &s->part);
  if (s->wq_objects > 0)
    net_wq_drop(L, idx, s->wq_tail);
}

/* May 'bytes' more wait for the end of the turn? What is no string may not: a file
 * may change meanwhile, and nothing can send it any more when Lua closes. */
static int may_defer(const struct net_stream *s, size_t bytes) {
  return s->wq_objects == 0 && s->o.loop->depth > 0 && s->polled & EV_READ &&
         s->deferred + bytes < DEFER_MAX;
}

/* The pieces from wq_req on, 'bytes' in all, go to the kernel now or with the
 * turn's others; they count as buffered only if it refuses. [-0, +0, m] */
static void submit(lua_State *L, int idx, size_t bytes) {
  struct net_stream *s = stream_at(L, idx);
  int defer = may_defer(s, bytes);
  uint32_t run = s->wq_req;
  net_stream_touch(s);
  s->write_len -= bytes;
  s->deferred += (uint32_t)bytes;
  s->wq_req = s->wq_tail;
  s->flags |= S_DEFERRED;
  if (!defer || net_loop_dirty(s->o.loop, &s->flushable) < 0) {
    net_loop_clean(s->o.loop, &s->flushable);
    flush_run(L, idx, s, run, bytes);
  }
  if (!(s->flags & (S_WRITING | S_ERRORED)) && is_awaited(s))
    net_tick_step(L, idx, &s->o, sent_tick, s->wq_tail);
}

/* --- before the connection ---------------------------------------------------------- */

static void write_on_connect(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->fd < 0 && !(s->flags & S_DESTROYED)) {  /* a listener before us connected it anew */
    net_emitter_internal(L, idx, ON_CONNECT, &connect_step);
    return;
  }
  net_emitter_internal_off(L, idx, ON_CLOSE, &close_step);
  if (s->fd < 0) {  /* a listener before us destroyed it */
    uint32_t end = s->wq_req;
    s->bytes_written -= s->req_bytes;
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
    net_writable_fail(L, idx, end);
    return;
  }
  net_stream_touch(s);
  request_send(L, idx, 1);
}

/* The 'close' of the connection before is not the end of this one. */
static void write_on_close(lua_State *L, int idx) {
  const struct net_stream *s = stream_at(L, idx);
  uint32_t end = s->wq_req;
  if (!(s->flags & S_DESTROYED)) {
    net_emitter_internal(L, idx, ON_CLOSE, &close_step);
    return;
  }
  net_emitter_internal_off(L, idx, ON_CONNECT, &connect_step);
  net_error_push_code(L, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION", 0);
  net_writable_fail(L, idx, end);
}

/* The first request of a stream that is not open yet. [-0, +0, e] */
static void submit_early(lua_State *L, int idx, size_t bytes) {
  struct net_stream *s = stream_at(L, idx);
  uint32_t end = s->wq_tail;
  request_begin(s, end, bytes);
  if (s->flags & S_CONNECTING) {
    net_emitter_internal(L, idx, ON_CONNECT, &connect_step);
    net_emitter_internal(L, idx, ON_CLOSE, &close_step);
    return;
  }
  if (net_stream_is_bound(s))  /* what libuv says of TCP, and the kernel of the other */
    net_error_push_sys(L, s->kind == NET_FD_TCP || s->failed ? -EPIPE : -ENOTCONN, "write");
  else
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
  fail_later(L, idx, end);
}

/* --- write, uncork --------------------------------------------------------------- */

/* The buffered pieces go out, unless something is in their way. [-0, +0, e] */
static void send_buffered(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->wq_req == s->wq_tail || s->corked || s->flags & (S_WRITING | S_ERRORED | S_DESTROYED))
    return;
  if (s->fd >= 0 && !(s->flags & S_CONNECTING))
    submit(L, idx, s->write_len);
  else
    submit_early(L, idx, s->write_len);
}

/* Pushes the error that forbids writing now, if there is one. [-0, +(1|0), e] */
static int write_forbidden(lua_State *L, const struct net_stream *s, int by_end) {
  if (s->flags & S_WRITE_AFTER_FIN && s->flags & S_ENDING && !by_end)
    net_error_push_code(L, "EPIPE", 0);
  else if (s->flags & (S_ENDING | S_WRITE_OFF))
    net_error_push_code(L, "ERR_STREAM_WRITE_AFTER_END", 0);
  else if (s->flags & S_DESTROYED) {
    lua_pushliteral(L, "write");
    net_error_push_code(L, "ERR_STREAM_DESTROYED", 1);
  } else
    return 0;
  return 1;
}

/* Has the callback at 'cb', if it is one, called with the error at 'err'. */
static void tell_later(lua_State *L, int idx, int cb, int err) {
  if (lua_type(L, cb) != LUA_TFUNCTION)
    return;
  lua_pushvalue(L, cb);
  lua_pushvalue(L, err);
  net_tick(L, stream_at(L, idx)->o.loop, 1);
}

/* Refuses a write if it has to be: its callback, at 'cb', hears on the tick, and
 * the stream is destroyed; in end() the other way round, as in Node. Returns
 * whether it did. [-0, +0, e] */
static int refuse_write(lua_State *L, int idx, int cb, int by_end) {
  if (!write_forbidden(L, stream_at(L, idx), by_end))
    return 0;
  int err = lua_gettop(L);
  if (!by_end)
    tell_later(L, idx, cb, err);
  lua_pushvalue(L, err);
  net_stream_destroy(L, idx);
  if (by_end)
    tell_later(L, idx, cb, err);
  lua_settop(L, err - 1);
  return 1;
}

/* Queues chunk and callback on the top, and sends what can go. [-2, +0, e] */
static void write_chunk(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  size_t bytes = net_piece_size(L, -2);
  net_wq_append(L, idx);
  s->write_len += bytes;
  s->bytes_written += bytes;
  send_buffered(L, idx);
}

int net_writable_last(lua_State *L, int idx, int chunk, int cb) {
  net_wq_prepare(L, idx);
  if (refuse_write(L, idx, cb, 1))
    return 0;
  lua_pushvalue(L, chunk);
  lua_pushnil(L);
  write_chunk(L, idx);
  return 1;
}

/* Pushes what write() says: is there room for more? [-0, +1, -] */
static void push_fits(lua_State *L, struct net_stream *s) {
  int fits = s->write_len < s->write_hwm || s->write_len == 0;
  if (!fits)
    s->flags |= S_NEED_DRAIN;
  lua_pushboolean(L, fits && !(s->flags & (S_ERRORED | S_DESTROYED)));
}

int net_writable_idle(const struct net_stream *s) {
  const uint32_t busy = S_WRITING | S_DEFERRED | S_NEED_DRAIN | S_ENDING | S_WRITE_OFF |
                        S_CONNECTING | S_DESTROYED | S_ERRORED;
  return !(s->flags & busy) && s->fd >= 0 && !s->corked && s->wq_head == s->wq_tail &&
         s->wq_made;
}

void net_writable_tried(lua_State *L, int idx, size_t put, int err) {
  struct net_stream *s = stream_at(L, idx);
  size_t bytes = net_piece_size(L, -1);
  lua_pushnil(L);
  net_wq_append(L, idx);
  s->bytes_written += bytes;
  s->write_len = bytes;
  s->wq_off = put;
  request_begin(s, s->wq_tail, bytes);
  refused(L, idx, err);
  push_fits(L, s);
}

/* May the 'bytes' of a string without a callback go to the kernel now, past the
 * queue? */
static int goes_straight(lua_State *L, const struct net_stream *s, size_t bytes) {
  return bytes > 0 && lua_isnil(L, -1) && lua_type(L, -2) == LUA_TSTRING &&
         net_writable_idle(s) && !may_defer(s, bytes);
}

/* Sends the chunk below the nil on the top; what the kernel refuses is queued.
 * Pushes what write() says. [-2, +1, e] */
static void write_straight(lua_State *L, int idx, struct net_stream *s) {
  size_t size;
  const char *bytes = lua_tolstring(L, -2, &size);
  net_stream_touch(s);
  ssize_t put = net_sys_send(s->fd, (enum net_fd_kind)s->kind, bytes, size);
  lua_pop(L, 1);
  if (put < (ssize_t)size) {
    net_writable_tried(L, idx, put < 0 ? 0 : (size_t)put, put < 0 ? (int)put : -EAGAIN);
    return;
  }
  s->bytes_written += size;
  lua_pop(L, 1);
  push_fits(L, s);
}

void net_writable_write(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  net_wq_prepare(L, idx);
  if (refuse_write(L, idx, lua_gettop(L), 0)) {
    lua_pop(L, 2);
    lua_pushboolean(L, 0);
    return;
  }
  if (goes_straight(L, s, net_piece_size(L, -2))) {
    write_straight(L, idx, s);
    return;
  }
  write_chunk(L, idx);
  push_fits(L, s);
}

/* May the small chunk wait for the turn's end, with nothing between it and the
 * kernel but others that do? The stream is in the loop's list then. */
static inline int may_keep(struct net_stream *s, size_t bytes) {
  const uint32_t in_the_way = S_ENDING | S_DESTROYED | S_ERRORED | S_WRITE_OFF | S_WRITING |
                              S_NEED_DRAIN | S_CONNECTING;
  int waits = s->flags & S_DEFERRED ? s->wq_callbacks == 0 : s->wq_done == s->wq_tail;
  return bytes > 0 && waits && !(s->flags & in_the_way) && !s->corked && may_defer(s, bytes) &&
         net_loop_dirty(s->o.loop, &s->flushable) == 0;
}

/* Keeps the small chunk on the top in the table. Returns 0 if a finalizer has put
 * something in its way. [-0, +0, m] */
static int keep_string(lua_State *L, int idx, struct net_stream *s, size_t bytes) {
  net_wq_prepare(L, idx);
  if (!may_keep(s, bytes))
    return 0;
  lua_pushvalue(L, -1);
  lua_pushnil(L);
  net_wq_append(L, idx);
  return 1;
}

int net_writable_write_small(lua_State *L, int idx, struct net_stream *s) {
  size_t bytes;
  const char *chunk = lua_tolstring(L, -1, &bytes);
  if (!may_keep(s, bytes))
    return 0;
  if (!net_wq_append_bytes(s, chunk, bytes) && !keep_string(L, idx, s, bytes))
    return 0;
  net_stream_touch(s);
  s->wq_req = s->wq_tail;
  s->deferred += (uint32_t)bytes;
  s->bytes_written += bytes;
  s->flags |= S_DEFERRED;
  return 1;
}

void net_writable_uncork(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->corked == 0)
    return;
  s->corked--;
  send_buffered(L, idx);
}
