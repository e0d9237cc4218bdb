/* SPDX-License-Identifier: MIT
 *
 * writable.c - the writable half of a stream as programs see it: write(), cork(), and
 * what is written before there is a connection.
 *
 * What becomes of it then is in request.c, the bytes are in writequeue.c, and how it
 * all ends in finish.c. */
#include <errno.h>

#include "base/error.h"
#include "stream/attempt.h"
#include "stream/callbacks.h"
#include "stream/finish.h"
#include "stream/piece.h"
#include "stream/request.h"
#include "stream/writequeue.h"

/* Steps of a write that was made before the connection stands. */
static void write_on_connect(lua_State *L, int idx);
static void write_on_close(lua_State *L, int idx);
static const struct net_internal connect_step = { write_on_connect };
static const struct net_internal close_step = { write_on_close };

int net_writable_done(const struct net_stream *s) { return s->life.finished || s->opt.write_off; }

int net_writable_open(const struct net_stream *s) {
  return !(s->life.ending || s->life.destroyed || s->life.errored || s->opt.write_off);
}

/* --- before the connection ---------------------------------------------------------- */

static void write_on_connect(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!s->watch.open && !s->life.destroyed) { /* a listener before us connected it anew */
    net_emitter_internal(L, idx, ON_CONNECT, &connect_step);
    return;
  }
  net_emitter_internal_off(L, idx, ON_CLOSE, &close_step);
  if (!s->watch.open) { /* a listener before us destroyed it */
    uint32_t end = s->out.req;
    s->bytes_written -= s->req.bytes;
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
    net_request_fail(L, idx, end);
    return;
  }
  net_stream_touch(s);
  net_request_send(L, idx);
}

/* The 'close' of the connection before is not the end of this one. */
static void write_on_close(lua_State *L, int idx) {
  const struct net_stream *s = net_stream_at(L, idx);
  uint32_t end = s->out.req;
  if (!s->life.destroyed) {
    net_emitter_internal(L, idx, ON_CLOSE, &close_step);
    return;
  }
  net_emitter_internal_off(L, idx, ON_CONNECT, &connect_step);
  net_error_push_code(L, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION", 0);
  net_request_fail(L, idx, end);
}

/* The first request of a stream that is not open yet. [-0, +0, e] */
static void submit_early(lua_State *L, int idx, size_t bytes) {
  struct net_stream *s = net_stream_at(L, idx);
  uint32_t end = s->out.tail;
  net_request_begin(s, end, bytes);
  if (s->life.connecting) {
    net_emitter_internal(L, idx, ON_CONNECT, &connect_step);
    net_emitter_internal(L, idx, ON_CLOSE, &close_step);
    return;
  }
  int is_unix = !net_stream_can(s, NET_CAN_ADDRESS) && !net_attempt_has_failed(L, idx);
  if (net_stream_is_bound(s)) /* what libuv says of TCP, and the kernel of the other */
    net_error_push_sys(L, is_unix ? -ENOTCONN : -EPIPE, "write");
  else
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
  net_request_fail_later(L, idx, end);
}

void net_writable_reset(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  net_emitter_internal_off(L, idx, ON_CONNECT, &connect_step);
  net_emitter_internal_off(L, idx, ON_CLOSE, &close_step);
  net_callbacks_dismiss(L, idx);
  net_finish_dismiss(L, idx);
  if (!s->life.destroyed)
    return; /* a finalizer has connected it, and may have written */
  net_wq_clear(L, idx, &s->out);
  s->req.len = s->req.bytes = 0;
  s->req.deferred = s->req.corked = 0;
}

/* --- write, uncork --------------------------------------------------------------- */

/* The buffered pieces go out, unless something is in their way. [-0, +0, e] */
static void send_buffered(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->out.req == s->out.tail || s->req.corked || s->life.writing || s->life.errored ||
      s->life.destroyed)
    return;
  if (s->watch.open && !s->life.connecting)
    net_request_submit(L, idx, s->req.len);
  else
    submit_early(L, idx, s->req.len);
}

/* Pushes the error that forbids writing now, if there is one. [-0, +(1|0), e] */
static int write_forbidden(lua_State *L, const struct net_stream *s, int by_end) {
  if (s->life.write_after_fin && s->life.ending && !by_end)
    net_error_push_code(L, "EPIPE", 0);
  else if (s->life.ending || s->opt.write_off)
    net_error_push_code(L, "ERR_STREAM_WRITE_AFTER_END", 0);
  else if (s->life.destroyed) {
    lua_pushliteral(L, "write");
    net_error_push_code(L, "ERR_STREAM_DESTROYED", 1);
  } else if (s->life.given && s->watch.open)
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
  else
    return 0;
  return 1;
}

int net_writable_forbidden(lua_State *L, int idx) {
  const struct net_stream *s = net_stream_at(L, idx);
  if (s->life.errored) {
    net_rare_get(L, idx, SLOT_ERRORED);
    return 1;
  }
  return write_forbidden(L, s, 0);
}

/* Has the callback at 'cb', if it is one, called with the error at 'err'. */
static void tell_later(lua_State *L, int idx, int cb, int err) {
  if (lua_type(L, cb) != LUA_TFUNCTION)
    return;
  lua_pushvalue(L, cb);
  lua_pushvalue(L, err);
  net_tick(L, net_stream_at(L, idx)->o.loop, 1);
}

/* Refuses a write if it has to be: its callback, at 'cb', hears on the tick, and
 * the stream is destroyed; in end() the other way round, as in Node. Returns
 * whether it did. [-0, +0, e] */
static int refuse_write(lua_State *L, int idx, int cb, int by_end) {
  if (!write_forbidden(L, net_stream_at(L, idx), by_end))
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
  struct net_stream *s = net_stream_at(L, idx);
  size_t bytes = net_piece_size(L, -2);
  unsigned calls_back = !lua_isnil(L, -1);
  net_wq_append(L, idx, &s->out);
  s->life.calls_back = calls_back;
  s->req.len += bytes;
  s->bytes_written += bytes;
  send_buffered(L, idx);
}

int net_writable_last(lua_State *L, int idx, int chunk, int cb) {
  net_wq_prepare(L, idx, &net_stream_at(L, idx)->out);
  if (refuse_write(L, idx, cb, 1))
    return 0;
  lua_pushvalue(L, chunk);
  lua_pushnil(L);
  write_chunk(L, idx);
  return 1;
}

/* Pushes what write() says: is there room for more? [-0, +1, -] */
static void push_fits(lua_State *L, struct net_stream *s) {
  int fits = s->req.len < s->req.hwm || s->req.len == 0;
  if (!fits)
    s->life.need_drain = 1;
  lua_pushboolean(L, fits && !(s->life.errored || s->life.destroyed));
}

int net_writable_idle(const struct net_stream *s) {
  return !(s->life.writing || s->life.deferred || s->life.need_drain || s->life.ending ||
           s->life.connecting || s->life.destroyed || s->life.errored) &&
         !s->opt.write_off && s->watch.open && !s->watch.late && !s->req.corked &&
         s->out.head == s->out.tail && s->out.made;
}

void net_writable_tried(lua_State *L, int idx, size_t put, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  size_t bytes = net_piece_size(L, -1);
  lua_pushnil(L);
  net_wq_append(L, idx, &s->out);
  s->bytes_written += bytes;
  s->req.len = bytes;
  s->out.off = put;
  net_request_begin(s, s->out.tail, bytes);
  net_request_refused(L, idx, err);
  push_fits(L, s);
}

/* May the 'bytes' of a string without a callback go to the kernel now, past the
 * queue? */
static int goes_straight(lua_State *L, const struct net_stream *s, size_t bytes) {
  return bytes > 0 && lua_isnil(L, -1) && lua_type(L, -2) == LUA_TSTRING && net_writable_idle(s) &&
         !net_request_may_defer(s, bytes);
}

/* Sends the chunk below the nil on the top; what the kernel refuses is queued.
 * Pushes what write() says. [-2, +1, e] */
static void write_straight(lua_State *L, int idx, struct net_stream *s) {
  size_t size;
  const char *bytes = lua_tolstring(L, -2, &size);
  net_stream_touch(s);
  ssize_t put = s->handle.via->send(&s->handle, bytes, size);
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
  struct net_stream *s = net_stream_at(L, idx);
  net_wq_prepare(L, idx, &s->out);
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
  int waits = s->life.deferred ? s->out.callbacks == 0 : s->out.done == s->out.tail;
  return bytes > 0 && waits &&
         !(s->life.ending || s->life.destroyed || s->life.errored || s->life.writing ||
           s->life.need_drain || s->life.connecting) &&
         !s->opt.write_off && !s->req.corked && !s->watch.late && net_request_may_defer(s, bytes) &&
         net_loop_dirty(s->o.loop, &s->flushable) == 0;
}

/* Keeps the small chunk on the top in the table. Returns 0 if a finalizer has put
 * something in its way. [-0, +0, m] */
static int keep_string(lua_State *L, int idx, struct net_stream *s, size_t bytes) {
  net_wq_prepare(L, idx, &s->out);
  if (!may_keep(s, bytes))
    return 0;
  lua_pushvalue(L, -1);
  lua_pushnil(L);
  net_wq_append(L, idx, &s->out);
  return 1;
}

int net_writable_write_small(lua_State *L, int idx, struct net_stream *s) {
  size_t bytes;
  const char *chunk = lua_tolstring(L, -1, &bytes);
  if (!may_keep(s, bytes))
    return 0;
  if (!net_wq_append_bytes(&s->out, s->o.loop, chunk, bytes) && !keep_string(L, idx, s, bytes))
    return 0;
  net_stream_touch(s);
  s->out.req = s->out.tail;
  s->req.deferred += (uint32_t)bytes;
  s->bytes_written += bytes;
  s->life.deferred = 1;
  return 1;
}

void net_writable_mark(lua_State *L, int idx, struct net_writable_mark *mark) {
  struct net_stream *s = net_stream_at(L, idx);
  net_wq_prepare(L, idx, &s->out);
  mark->tail = s->out.tail;
  mark->buffered = s->req.len;
  mark->written = s->bytes_written;
  mark->need_drain = s->life.need_drain;
}

void net_writable_unwrite(struct net_stream *s, const struct net_writable_mark *mark) {
  if (s->life.destroyed || !s->req.corked)
    return;
  s->out.tail = mark->tail;
  s->req.len = mark->buffered;
  s->bytes_written = mark->written;
  s->life.need_drain = mark->need_drain;
}

void net_writable_uncork(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->req.corked == 0)
    return;
  s->req.corked--;
  send_buffered(L, idx);
}
