/* SPDX-License-Identifier: MIT
 *
 * request.c - what was written, on its way: requests, their ends and 'drain'.
 *
 * A request completes as a whole. A small write on an idle, read descriptor
 * is deferred: it counts as sent, and leaves with the turn's other writes in
 * one sendmsg when the turn ends, or before its callback is due. A descriptor
 * that is not read learns of its peer by writing only, so it is tried at once.
 * If the kernel then refuses a part, the pieces become what they would have
 * been in Node: a request and a buffer behind it. */
#include "stream/request.h"

#include "base/container.h"
#include "base/error.h"
#include "stream/callbacks.h"
#include "stream/finish.h"
#include "stream/piece.h"
#include "loop/uncaught.h"
#include "stream/writequeue.h"

#define SHORT_STRING 5461 /* bytes; times 3 what Node has on the stack for one */

enum { FAILED_SLOTS = 4 }; /* of a queue, for the call of failed_tick */

/* What is buffered will never be sent: tells its callbacks, then finish()'s. */
static void abandon(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  int top = lua_gettop(L);
  size_t unsent = 0;
  if (net_wq_before(s->out.head, s->out.tail) && !net_callbacks_is_going(s)) {
    net_callbacks_call(L, idx, s->out.head, 0);
    net_callbacks_push_reason(L, idx, "write");
    unsent = net_callbacks_drop_unsent(L, idx, top + 1);
  }
  if (!net_callbacks_is_going(s) && net_finish_is_awaited(L, idx)) {
    net_callbacks_push_reason(L, idx, "end");
    net_finish_tell(L, idx, lua_gettop(L));
  }
  if (!net_callbacks_is_going(s) && unsent <= s->bytes_written)
    s->bytes_written -= unsent;
  lua_settop(L, top);
}

static void abandon_tick(lua_State *L, const struct net_step *step) {
  (void)step;
  abandon(L, 1);
}

void net_request_abandon(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (net_finish_is_awaited(L, idx) || net_wq_before(s->out.req, s->out.tail))
    net_tick_step(L, idx, &s->o, abandon_tick, 0);
}

/* --- completing -------------------------------------------------------------------- */

/* The pieces up to 'end' are sent, in Node's afterWrite. [-0, +0, e] */
static void after_write(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.need_drain && !(s->life.ending || s->life.destroyed) && s->req.len == 0) {
    s->life.need_drain = 0;
    net_stream_news(L, idx, s, NET_NEWS_DRAINED);
    net_emit_guarded(L, idx, &s->o, ON_DRAIN, 0);
  }
  net_stream_news(L, idx, s, NET_NEWS_SENT);
  net_callbacks_call(L, idx, end, 0);
  if (s->life.destroyed)
    abandon(L, idx);
  net_finish_maybe(L, idx);
  net_stream_sent(L, idx, s);
}

/* The tick after a write that the kernel took, or is about to take, at once. */
static void sent_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  uint32_t end = (uint32_t)step->n;
  if (net_wq_before(s->out.head, end))
    net_request_flush_now(L, s);
  after_write(L, 1, net_wq_before(s->out.head, end) ? s->out.head : end);
}

/* The tick of one that Node has no tick for: it only notes that the piece is done. */
static void passed_tick(lua_State *L, const struct net_step *step) {
  const struct net_stream *s = net_step_stream(step);
  uint32_t end = (uint32_t)step->n;
  net_callbacks_call(L, 1, net_wq_before(s->out.head, end) ? s->out.head : end, 0);
}

/* What a late transport has taken along from behind the request, if anything, ends with it:
 * nothing of that counts as buffered any more. The end of all that. [-0, +0, -] */
static uint32_t end_of_taken(lua_State *L, int idx, struct net_stream *s) {
  size_t first;
  if (!net_wq_before(s->out.req, s->out.head))
    return s->out.req;
  s->req.len = s->out.head == s->out.tail ? 0 : net_wq_bytes(L, idx, &s->out, &first);
  return s->out.head;
}

/* In the failed request's own time: its callbacks, the rest's, then destroy. */
static void failed_now(lua_State *L, int idx, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  net_wq_prepare(L, idx, &s->out);
  uint32_t end = end_of_taken(L, idx, s);
  net_wq_drop(L, idx, &s->out, end);
  net_callbacks_call(L, idx, end, err);
  if (net_callbacks_is_going(s))
    return;
  abandon(L, idx);
  lua_pushvalue(L, err);
  net_stream_destroy(L, idx);
}

static int failed_tick(lua_State *L) {
  if (net_stream_at(L, 1)->life.errored) /* not so if it is connected anew */
    failed_now(L, 1, 2);
  return 0;
}

/* Marks the stream as failed with the error on the top, if it has not failed
 * already. [-0, +0, m] */
static void mark_failed(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!s->life.errored) {
    lua_pushvalue(L, -1);
    net_rare_set(L, idx, SLOT_ERRORED);
  }
  s->req.len -= s->req.bytes;
  s->req.bytes = 0;
  s->life.writing = s->life.deferred = 0;
  s->life.errored = 1;
  net_stream_poll(s, s->watch.wanted & ~EV_WRITE);
}

/* Is the request up to 'end' still under way? To make its error takes memory, so a
 * finalizer may have begun another connection meanwhile. */
static int is_under_way(const struct net_stream *s, uint32_t end) {
  return s->life.writing && s->out.req == end;
}

void net_request_fail(lua_State *L, int idx, uint32_t end) {
  if (is_under_way(net_stream_at(L, idx), end)) {
    mark_failed(L, idx);
    failed_now(L, idx, lua_gettop(L));
  }
  lua_pop(L, 1);
}

/* Do the bytes of the refused request count as written? Node counts what it hands to
 * libuv, which is all but what it tried by itself: one short string. */
static int counts_refused(const struct net_stream *s) {
  return s->life.handle && (s->out.req - s->out.head > 1 || s->req.bytes > SHORT_STRING);
}

void net_request_fail_later(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = net_stream_at(L, idx);
  net_tick_reserve(L, s->o.loop, 1, FAILED_SLOTS);
  if (!is_under_way(s, end)) {
    lua_pop(L, 1);
    return;
  }
  size_t uncounted = counts_refused(s) ? 0 : s->req.bytes;
  mark_failed(L, idx);
  s->bytes_written -= uncounted;
  lua_pushcfunction(L, failed_tick);
  lua_insert(L, -2);
  lua_pushvalue(L, idx);
  lua_insert(L, -2);
  net_tick(L, s->o.loop, 2);
}

/* --- sending ------------------------------------------------------------------------ */

/* Pushes the error of an attempt to send. [-0, +1, e] */
static void push_failure(lua_State *L, struct net_stream *s, int err) {
  if (err == NET_SHORT_FILE)
    net_error_push_code(L, "ERR_FILE_TOO_SHORT", 0);
  else
    net_stream_push_error(L, s, err, "write");
}

/* Does each write wait until the other side has the one before? */
static int is_single(const struct net_stream *s) {
  return s->watch.late && s->handle.via->can & NET_CAN_SINGLE;
}

/* How far to send now; what a late transport has taken may be behind the request. */
static uint32_t send_end(const struct net_stream *s) {
  if (!NET_EAGER && !s->req.corked && !is_single(s))
    return s->out.tail;
  return net_wq_before(s->out.head, s->out.req) ? s->out.req : s->out.head;
}

/* What is buffered, 'bytes' in all, is the next request, or its first piece. [-0, +0, m] */
static void begin_next(lua_State *L, int idx, struct net_stream *s, size_t bytes) {
  if (is_single(s))
    net_request_begin(s, s->out.head + 1, net_wq_first(L, idx, &s->out));
  else
    net_request_begin(s, s->out.tail, bytes);
}

static void late_send(lua_State *L, int idx, struct net_stream *s);

/* After an attempt to send: the request with the kernel is over, and what was
 * buffered behind it may be sent as well. [-0, +0, e] */
static void request_over(lua_State *L, int idx, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  uint32_t end = s->out.req;
  s->req.len -= s->req.bytes;
  s->req.bytes = 0;
  s->life.writing = 0;
  if (err == 0 && net_wq_before(end, s->out.head)) { /* cork() may hold others behind those */
    s->out.req = end_of_taken(L, idx, s);
    if (net_request_is_awaited(s))
      net_tick_step(L, idx, &s->o, sent_tick, s->out.head);
  } else if (net_wq_before(end, s->out.tail) && !s->req.corked) {
    begin_next(L, idx, s, s->req.len);
    if (NET_EAGER || is_single(s))
      late_send(L, idx, s);
  }
  after_write(L, idx, end);
}

/* Bytes that the transport has taken and the layer below it has not. */
static size_t unsent(const struct net_stream *s) {
  return s->watch.late && s->watch.open ? net_handle_unsent(&s->handle) : 0;
}

int net_request_has_left(const struct net_stream *s) {
  return s->life.writing && s->watch.late && s->watch.open &&
         !net_wq_before(s->out.head, s->out.req) && unsent(s) == 0;
}

void net_request_left(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  s->req.len -= s->req.bytes;
  s->req.bytes = 0;
  s->life.writing = 0;
  after_write(L, idx, end_of_taken(L, idx, s));
}

void net_request_send(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  int is_first = !(s->watch.wanted & EV_WRITE);
  int err = net_wq_send(L, idx, &s->out, &s->handle, send_end(s));
  int waits = err == -EAGAIN || (err == 0 && unsent(s) > 0);
  if (err == 0 || waits)
    net_stream_poll(s, waits ? s->watch.wanted | EV_WRITE : s->watch.wanted & ~EV_WRITE);
  if (!net_wq_before(s->out.head, s->out.req) && unsent(s) == 0)
    request_over(L, idx, err);
  if (err == 0 || err == -EAGAIN || !s->watch.open)
    return;
  net_stream_poll(s, s->watch.wanted | EV_WRITE); /* tried again if there is no memory */
  if (is_first && !counts_refused(s))
    s->bytes_written -= s->req.bytes;
  uint32_t end = s->out.req;
  push_failure(L, s, err);
  net_request_fail(L, idx, end);
}

void net_request_ready(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!s->life.writing) {
    net_stream_poll(s, s->watch.wanted & ~EV_WRITE);
    net_finish_writable(L, idx);
    return;
  }
  net_stream_touch(s);
  net_request_send(L, idx);
}

/* The kernel refused a part of what counted as sent: it is buffered after all.
 * The pieces from 'run' on, 'bytes' in all, are one request. */
static void undefer(lua_State *L, int idx, uint32_t run, size_t bytes) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!net_wq_before(s->out.head, run)) {
    s->req.len = bytes;
    net_request_begin(s, s->out.tail, bytes);
    return;
  }
  size_t first;
  s->req.len = net_wq_bytes(L, idx, &s->out, &first);
  net_request_begin(s, s->out.head + 1, first);
}

void net_request_refused(lua_State *L, int idx, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  net_stream_poll(s, s->watch.wanted | EV_WRITE);
  if (err == -EAGAIN)
    return;
  uint32_t end = s->out.req;
  push_failure(L, s, err);
  net_request_fail_later(L, idx, end);
}

/* All that was deferred is sent; not so what cork() holds behind it. */
static void flushed(struct net_stream *s) {
  if (!net_request_is_awaited(s))
    s->out.done = s->out.head;
}

/* The kernel refused a part of what was deferred; see undefer. [-0, +0, m] */
static void flush_refused(lua_State *L, int idx, uint32_t run, size_t bytes, int err) {
  undefer(L, idx, run, bytes);
  net_request_refused(L, idx, err);
  net_wq_prepare(L, idx, &net_stream_at(L, idx)->out); /* as the batch is of this turn */
}

static void flush_begin(struct net_stream *s) {
  s->life.deferred = 0;
  s->req.deferred = 0;
}

/* Sends the deferred pieces of the stream at 'idx', each a request of its own but
 * for those from 'run' on. [-0, +0, m] */
static void flush_run(lua_State *L, int idx, struct net_stream *s, uint32_t run, size_t bytes) {
  flush_begin(s);
  int err = net_wq_send(L, idx, &s->out, &s->handle, s->out.req);
  if (err == 0)
    flushed(s);
  else
    flush_refused(L, idx, run, bytes, err);
}

/* Pending completion: all of the request was below at once. */
static void late_step(lua_State *L, const struct net_step *step) {
  const struct net_stream *s = net_step_stream(step);
  if (s->watch.open && s->life.writing)
    net_request_send(L, 1);
}

/* Sends the request of a transport that may keep what it took. [-0, +0, m] */
static void late_send(lua_State *L, int idx, struct net_stream *s) {
  s->life.deferred = 0;
  int err = net_wq_send(L, idx, &s->out, &s->handle, send_end(s));
  if (err < 0)
    net_request_refused(L, idx, err);
  else if (unsent(s) > 0)
    net_stream_poll(s, s->watch.wanted | EV_WRITE);
  else
    net_pend(L, idx, &s->o, late_step);
}

/* A request at once, so that it counts as buffered; it leaves with the turn's others. */
static void late_submit(lua_State *L, int idx, struct net_stream *s, size_t bytes) {
  int defer = net_request_may_defer(s, bytes);
  net_stream_touch(s);
  begin_next(L, idx, s, bytes);
  s->life.deferred = 1;
  if (!defer || net_loop_dirty(s->o.loop, &s->flushable) < 0) {
    net_loop_clean(s->o.loop, &s->flushable);
    late_send(L, idx, s);
  }
}

void net_request_flush(lua_State *L, struct net_flushable *f) {
  struct net_stream *s = net_container_of(f, struct net_stream, flushable);
  int err = 0;
  if (!s->life.deferred)
    return;
  if (s->watch.late) {
    net_push(L, &s->o);
    late_send(L, lua_gettop(L), s);
    lua_pop(L, 1);
    return;
  }
  if (s->out.part.count > 0) {
    flush_begin(s);
    err = net_wq_send_batch(&s->out, s->o.loop, &s->handle);
    if (err == 0) {
      flushed(s);
      return;
    }
  }
  net_push(L, &s->o);
  if (err == 0)
    flush_run(L, lua_gettop(L), s, s->out.tail, 0);
  else
    flush_refused(L, lua_gettop(L), s->out.tail, 0, err);
  lua_pop(L, 1);
}

void net_request_flush_now(lua_State *L, struct net_stream *s) {
  if (!s->life.deferred)
    return;
  net_loop_clean(s->o.loop, &s->flushable);
  net_request_flush(L, &s->flushable);
}

/* Does Node have a tick for the pieces from 'run' on? Not for a single one without a
 * callback, whose tick would tell those behind it too early that all is off. */
static int has_tick(const struct net_stream *s, uint32_t run) {
  return s->life.calls_back || s->life.need_drain || s->life.ending || s->out.tail - run > 1;
}

void net_request_submit(lua_State *L, int idx, size_t bytes) {
  struct net_stream *s = net_stream_at(L, idx);
  int defer = net_request_may_defer(s, bytes);
  uint32_t run = s->out.req;
  if (s->watch.late) {
    late_submit(L, idx, s, bytes);
    return;
  }
  net_stream_touch(s);
  s->req.len -= bytes;
  s->req.deferred += (uint32_t)bytes;
  s->out.req = s->out.tail;
  s->life.deferred = 1;
  if (!defer || net_loop_dirty(s->o.loop, &s->flushable) < 0) {
    net_loop_clean(s->o.loop, &s->flushable);
    flush_run(L, idx, s, run, bytes);
  }
  if (!(s->life.writing || s->life.errored) && net_request_is_awaited(s))
    net_tick_step(L, idx, &s->o, has_tick(s, run) ? sent_tick : passed_tick, s->out.tail);
}
