/* SPDX-License-Identifier: MIT
 *
 * writable.c - the writable half of a stream: the queue, its callbacks, 'drain'
 * and 'finish'.
 *
 * The queue is a table of pieces, numbered for the life of a connection, each a
 * string, or an object (piece.h), and a callback (or false). Five cursors cut it up:
 *
 *     wq_done    wq_head          wq_req            wq_tail
 *        │ sent,    │ request with   │ buffered behind  │
 *        │ callback │ the kernel, or │ it, or held by   │
 *        │ on tick  │ deferred       │ cork             │
 *
 * A request completes as a whole. A small write on an idle, read descriptor
 * is deferred: it counts as sent, and leaves with the turn's other writes in
 * one sendmsg when the turn ends, or before its callback is due. A descriptor
 * that is not read learns of its peer by writing only, so it is tried at once.
 * If the kernel then refuses a part, the pieces become what they would have
 * been in Node: a request and a buffer behind it.
 *
 * Keeping the strings in a Lua table costs no copy and no allocation once the
 * table has grown. The most usual queue, a few small pieces without a callback until
 * the end of the turn, is kept as bytes instead (batch.h), all of it, and moves to
 * the table when another piece comes in its way or somebody needs to look. */
#include <errno.h>

#include "error.h"
#include "piece.h"
#include "stream.h"

#define DEFER_MAX 16384 /* bytes; from here on a write is tried at once */
#define IOV_MAX_PIECES 64

/* Slots of a queue for one entry of final_shutdown, and of failed_tick. */
enum { FINAL_SLOTS = 3, FAILED_SLOTS = 4 };

/* Steps of a write that was made before the connection stands. */
static void write_on_connect(lua_State *L, int idx);
static void write_on_close(lua_State *L, int idx);
static const struct net_internal connect_step = {write_on_connect};
static const struct net_internal close_step = {write_on_close};

static struct net_stream *stream_at(lua_State *L, int idx) {
  return lua_touserdata(L, idx);
}

/* Has piece 'a' been passed by cursor 'b'? Cursors wrap. */
static int before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

int net_writable_done(const struct net_stream *s) {
  return (s->flags & (S_FINISHED | S_WRITE_OFF)) != 0;
}

int net_writable_open(const struct net_stream *s) {
  return !(s->flags & (S_ENDING | S_DESTROYED | S_ERRORED | S_WRITE_OFF));
}

/* --- the table of pieces ------------------------------------------------------ */

static lua_Integer wq_slot(const struct net_stream *s, uint32_t piece) {
  return (lua_Integer)(piece - s->wq_base) * 2 + 1;
}

static struct net_batch *batch_of(const struct net_stream *s) { return &s->o.loop->batch; }

/* Moves what is in the batch to the table on the top. A new string can start the
 * collector, that a finalizer, and that write to or flush the same stream.
 * [-0, +0, m] */
static void batch_unpack(lua_State *L, struct net_stream *s) {
  const struct net_batch *b = batch_of(s);
  uint32_t head = s->wq_head, at = s->part.at;
  for (uint32_t i = 0; i < s->part.count && s->wq_head == head; i++) {
    uint16_t size = b->sizes[s->part.first + i];
    lua_pushlstring(L, b->bytes + at, size);
    if (s->part.count > 0 && s->wq_head == head)
      lua_rawseti(L, -2, wq_slot(s, head + i));
    else
      lua_pop(L, 1);
    at += size;
  }
  if (s->wq_head == head)
    net_batch_drop(batch_of(s), &s->part);
}

/* Pushes the table, made when missing. [-0, +1, m] */
static void wq_table(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->wq_made) {
    lua_getiuservalue(L, idx, UV_WQ);
    return;
  }
  net_object_table(L, idx, UV_WQ);
  s->wq_made = 1;
}

/* Pushes the table with all pieces in it. It may be another one each time, if a
 * finalizer has connected the stream anew. [-0, +1, m] */
static void wq_push(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  wq_table(L, idx);
  while (s->part.count > 0) {
    batch_unpack(L, s);
    lua_pop(L, 1);
    wq_table(L, idx);
  }
}

/* From here on wq_push does not start the collector: a finalizer that writes to,
 * finishes or destroys the stream does so before a write looks at its state.
 * [-0, +0, m] */
void net_writable_prepare(lua_State *L, int idx) {
  const struct net_stream *s = stream_at(L, idx);
  if (s->wq_made && s->part.count == 0)
    return;
  wq_push(L, idx);
  lua_pop(L, 1);
}

/* Appends the chunk and the callback (or nil) on the top. [-2, +0, m] */
static void wq_append(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  wq_push(L, idx);
  lua_insert(L, -3);
  if (s->wq_done == s->wq_tail)
    s->wq_base = s->wq_tail;
  lua_Integer slot = wq_slot(s, s->wq_tail);
  int has_callback = !lua_isnil(L, -1);
  int is_object = lua_type(L, -2) == LUA_TUSERDATA;
  lua_rawseti(L, -3, slot + 1);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  s->wq_objects += (uint32_t)is_object;
  s->wq_callbacks += (uint32_t)has_callback;
  s->wq_tail++;
}

/* Length of a piece in the table on the top. */
static size_t wq_size(lua_State *L, const struct net_stream *s, uint32_t piece) {
  lua_rawgeti(L, -1, wq_slot(s, piece));
  size_t len = net_piece_size(L, -1);
  lua_pop(L, 1);
  return len;
}

/* Lets go of a piece in the table on the top. A queue that never runs empty goes
 * on to ever higher slots, so what is done with becomes nil. */
static void wq_release(lua_State *L, struct net_stream *s, uint32_t piece) {
  if (s->wq_objects > 0) {
    if (lua_rawgeti(L, -1, wq_slot(s, piece)) == LUA_TUSERDATA) {
      net_piece_close(lua_touserdata(L, -1), s->o.loop);
      s->wq_objects--;
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  lua_rawseti(L, -2, wq_slot(s, piece));
}

/* Describes the strings from the head on; returns how many, 0 if another kind of
 * piece is the first. */
static int wq_gather(lua_State *L, const struct net_stream *s, uint32_t end, struct iovec *iov) {
  int count = 0;
  for (uint32_t p = s->wq_head; p != end && count < IOV_MAX_PIECES; p++) {
    size_t len, off = count == 0 ? s->wq_off : 0;
    lua_rawgeti(L, -1, wq_slot(s, p));
    const char *chunk = lua_tolstring(L, -1, &len);
    lua_pop(L, 1);  /* the table holds it */
    if (chunk == NULL)
      break;
    iov[count].iov_base = (void *)(uintptr_t)(chunk + off);
    iov[count++].iov_len = len - off;
  }
  return count;
}

/* The kernel took 'n' of the bytes that wq_gather described. */
static void wq_advance(lua_State *L, struct net_stream *s, const struct iovec *iov, int count,
                       size_t n) {
  for (int i = 0; i < count && n >= iov[i].iov_len; i++) {
    n -= iov[i].iov_len;
    wq_release(L, s, s->wq_head++);
    s->wq_off = 0;
  }
  s->wq_off += n;
}

static size_t iov_total(const struct iovec *iov, int count) {
  size_t total = 0;
  for (int i = 0; i < count; i++)
    total += iov[i].iov_len;
  return total;
}

/* Sends the head piece, which is no string, as far as it goes: 0 when all of it
 * went. */
static int wq_send_object(lua_State *L, struct net_stream *s) {
  size_t n = 0;
  lua_rawgeti(L, -1, wq_slot(s, s->wq_head));
  struct net_piece *p = lua_touserdata(L, -1);
  lua_pop(L, 1);
  int err = p->cls->send(p, s, s->wq_off, &n);
  s->wq_off += n;
  if (err < 0)
    return err;
  wq_release(L, s, s->wq_head++);
  s->wq_off = 0;
  return 0;
}

/* wq_transmit for what is in the batch. */
static int batch_transmit(struct net_stream *s) {
  struct net_batch *b = batch_of(s);
  struct iovec iov = {b->bytes + s->part.at + s->wq_off, s->part.len - s->wq_off};
  size_t n;
  int err = net_sys_writev(s->fd, (enum net_fd_kind)s->kind, &iov, 1, 0, &n);
  if (n == iov.iov_len) {
    s->wq_head += s->part.count;
    s->wq_off = 0;
    net_batch_drop(b, &s->part);
    return 0;
  }
  for (s->wq_off += n; s->wq_off >= net_batch_first(b, &s->part); s->wq_head++) {
    s->wq_off -= net_batch_first(b, &s->part);
    net_batch_shift(b, &s->part);
  }
  return err < 0 ? err : -EAGAIN;
}

/* Is there another kind of piece behind the 'count' strings at the head? Its bytes
 * and theirs may share packets; a head sent by itself would have the last packet of
 * a small file wait for the peer's delayed acknowledgement. */
static int is_followed(const struct net_stream *s, uint32_t end, int count) {
  return s->wq_objects > 0 && count < IOV_MAX_PIECES && s->wq_head + (uint32_t)count != end;
}

/* Sends from the head up to 'end': 0 when all went, -EAGAIN when the kernel is
 * full, else the failure. [-0, +0, m] */
static int wq_transmit(lua_State *L, int idx, struct net_stream *s, uint32_t end) {
  struct iovec iov[IOV_MAX_PIECES];
  int err = 0;
  if (s->part.count > 0)
    return batch_transmit(s);
  wq_push(L, idx);
  while (err == 0 && s->wq_head != end) {
    int count = wq_gather(L, s, end, iov);
    if (count == 0) {
      err = wq_send_object(L, s);
      continue;
    }
    size_t total = iov_total(iov, count), n = 0;
    if (total > 0)
      err = net_sys_writev(s->fd, (enum net_fd_kind)s->kind, iov, count,
                           is_followed(s, end, count), &n);
    if (err == 0) {
      wq_advance(L, s, iov, count, n);
      if (n < total)
        err = -EAGAIN;
    }
  }
  lua_pop(L, 1);
  return err;
}

/* --- telling ------------------------------------------------------------------- */

/* Queues 'fn'(stream, integer) for the tick. [-0, +0, m] */
static void writable_tick(lua_State *L, int idx, lua_CFunction fn, uint32_t n) {
  lua_pushcfunction(L, fn);
  lua_pushvalue(L, idx);
  lua_pushinteger(L, n);
  net_tick(L, stream_at(L, idx)->o.loop, 2);
}

/* Calls the callbacks of the pieces up to 'end', with the error at absolute
 * index 'err' or nothing (0). An error in one does not stop the rest. */
static void call_back(lua_State *L, int idx, uint32_t end, int err) {
  struct net_stream *s = stream_at(L, idx);
  while (before(s->wq_done, end) && s->wq_callbacks > 0) {
    wq_push(L, idx);
    lua_Integer slot = wq_slot(s, s->wq_done++) + 1;
    if (lua_rawgeti(L, -1, slot) == LUA_TFUNCTION) {
      s->wq_callbacks--;
      lua_pushnil(L);
      lua_rawseti(L, -3, slot);
      if (err)
        lua_pushvalue(L, err);
      net_call_guarded(L, s->o.loop, err != 0);
      lua_pop(L, 1);
    } else
      lua_pop(L, 2);
  }
  if (before(s->wq_done, end))
    s->wq_done = end;
}

/* Calls and clears the callbacks of finish(), with the error at 'err' or none. */
static void call_end_callbacks(lua_State *L, int idx, int err) {
  struct net_stream *s = stream_at(L, idx);
  if (net_rare_get(L, idx, RARE_ENDCBS) == LUA_TTABLE) {
    lua_pushnil(L);
    net_rare_set(L, idx, RARE_ENDCBS);
    int n = (int)lua_rawlen(L, -1);
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, -1, i);
      if (err)
        lua_pushvalue(L, err);
      net_call_guarded(L, s->o.loop, err != 0);
    }
  }
  lua_pop(L, 1);
}

/* Pushes the stream's error, or ERR_STREAM_DESTROYED about 'what'. [-0, +1, e] */
static void push_reason(lua_State *L, int idx, const char *what) {
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
  wq_push(L, idx);
  for (uint32_t p = s->wq_head; p != s->wq_tail; p++) {
    s->bytes_written -= wq_size(L, s, p);
    wq_release(L, s, p);
  }
  lua_pop(L, 1);
  s->write_len = s->deferred = 0;
  s->wq_head = s->wq_req = s->wq_tail;
  s->wq_off = 0;
}

/* What is buffered will never be sent: tells its callbacks, then finish()'s. */
static void abandon(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  int top = lua_gettop(L);
  if (before(s->wq_head, s->wq_tail) && !is_going(s)) {
    call_back(L, idx, s->wq_head, 0);
    push_reason(L, idx, "write");
    if (is_going(s)) {
      lua_settop(L, top);
      return;
    }
    drop_unsent(L, idx);
    call_back(L, idx, s->wq_tail, top + 1);
  }
  if (!is_going(s) && net_rare_get(L, idx, RARE_ENDCBS) == LUA_TTABLE) {
    push_reason(L, idx, "end");
    call_end_callbacks(L, idx, lua_gettop(L));
  }
  lua_settop(L, top);
}

static int abandon_tick(lua_State *L) {
  abandon(L, 1);
  return 0;
}

void net_writable_abandon(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  int waiting = net_rare_get(L, idx, RARE_ENDCBS) == LUA_TTABLE || before(s->wq_req, s->wq_tail);
  lua_pop(L, 1);
  if (waiting)
    writable_tick(L, idx, abandon_tick, 0);
}

/* Has the callback on the top called on the tick, with the error at 'err' or
 * nothing (0). [-1, +0, m] */
static void call_later(lua_State *L, int idx, int err) {
  if (err)
    lua_pushvalue(L, err);
  net_tick(L, stream_at(L, idx)->o.loop, err != 0);
}

/* Tells the callbacks of writes that have not been called. [-0, +0, e] */
static void dismiss_writes(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  int top = lua_gettop(L), err = top + 1;
  if (s->wq_callbacks == 0)
    return;
  push_reason(L, idx, "write");
  wq_push(L, idx);
  for (uint32_t p = s->wq_done; p != s->wq_tail; p++) {
    if (lua_rawgeti(L, -1, wq_slot(s, p) + 1) == LUA_TFUNCTION)
      call_later(L, idx, before(p, s->wq_head) ? 0 : err);
    else
      lua_pop(L, 1);
  }
  lua_settop(L, top);
}

/* The same for those of finish(). [-0, +0, e] */
static void dismiss_ends(lua_State *L, int idx) {
  int top = lua_gettop(L), list = top + 1, err = top + 2;
  if (net_rare_get(L, idx, RARE_ENDCBS) == LUA_TTABLE) {
    push_reason(L, idx, "end");
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) == LUA_TFUNCTION; i++)
      call_later(L, idx, err);
  }
  lua_settop(L, top);
}

void net_writable_reset(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  dismiss_writes(L, idx);
  dismiss_ends(L, idx);
  net_emitter_internal_off(L, idx, ON_CONNECT, &connect_step);
  net_emitter_internal_off(L, idx, ON_CLOSE, &close_step);
  if (s->wq_objects > 0)
    drop_unsent(L, idx);
  s->write_len = s->req_bytes = s->wq_off = 0;
  s->wq_base = s->wq_done = s->wq_head = s->wq_req = s->wq_tail;
  s->wq_callbacks = s->deferred = s->corked = 0;
  net_batch_drop(batch_of(s), &s->part);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, UV_WQ);
  s->wq_made = 0;
}

/* --- finishing -------------------------------------------------------------------- */

static int need_finish(const struct net_stream *s) {
  return s->flags & S_ENDING && s->write_len == 0 &&
         !(s->flags & (S_DESTROYED | S_ERRORED | S_FINISHED | S_WRITING));
}

static int finish_tick(lua_State *L) {
  struct net_stream *s = stream_at(L, 1);
  if (!(s->flags & S_PREFINISHED) || s->flags & S_FINISHED)
    return 0;
  s->flags |= S_FINISHED;
  call_end_callbacks(L, 1, 0);
  net_emit_guarded(L, 1, ON_FINISH, 0);
  if (net_readable_done(s)) {
    lua_pushnil(L);
    net_stream_destroy(L, 1);
  }
  return 0;
}

/* The descriptor is shut down, or there was none. [-0, +0, e] */
static void final_done(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (!need_finish(s))
    return;
  s->flags |= S_PREFINISHED;
  net_emit_guarded(L, idx, ON_PREFINISH, 0);
  writable_tick(L, idx, finish_tick, 0);
}

/* Pending completion: all is sent, now the FIN. */
static int final_shutdown(lua_State *L) {
  struct net_stream *s = stream_at(L, 1);
  if (s->fd < 0)
    return 0;
  int err = net_sys_shutdown(s->fd, (enum net_fd_kind)s->kind);
  if (err < 0)
    net_stream_fail(L, 1, err, "shutdown");
  else
    final_done(L, 1);
  return 0;
}

static void final_start(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (!(s->flags & S_FINAL_CALLED))
    return;  /* that was before it was connected anew */
  if (s->fd < 0) {
    if (!s->failed || s->kind != NET_FD_TCP)  /* there shutdown(2) begins, and is cut off */
      final_done(L, idx);
    return;
  }
  lua_pushcfunction(L, final_shutdown);
  lua_pushvalue(L, idx);
  net_pend(L, s->o.loop, 1);
}

static const struct net_internal final_on_connect = {final_start};

static void finish_maybe(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (!need_finish(s) || s->flags & S_FINAL_CALLED)
    return;
  if (s->flags & S_CONNECTING) {
    net_emitter_internal(L, idx, ON_CONNECT, &final_on_connect);
    s->flags |= S_FINAL_CALLED;
    return;
  }
  net_queue_reserve(L, &s->o.loop->pending, FINAL_SLOTS);
  s->flags |= S_FINAL_CALLED;
  final_start(L, idx);
}

/* --- completing -------------------------------------------------------------------- */

/* The pieces up to 'end' are sent, in Node's afterWrite. [-0, +0, e] */
static void after_write(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = stream_at(L, idx);
  if (s->flags & S_NEED_DRAIN && !(s->flags & (S_ENDING | S_DESTROYED)) && s->write_len == 0) {
    s->flags &= ~(uint32_t)S_NEED_DRAIN;
    net_emit_guarded(L, idx, ON_DRAIN, 0);
  }
  call_back(L, idx, end, 0);
  if (s->flags & S_DESTROYED)
    abandon(L, idx);
  finish_maybe(L, idx);
}

/* The tick after a write that the kernel took, or is about to take, at once. */
static int sent_tick(lua_State *L) {
  struct net_stream *s = stream_at(L, 1);
  uint32_t end = (uint32_t)lua_tointeger(L, 2);
  if (s->flags & S_DEFERRED && before(s->wq_head, end)) {
    net_loop_clean(s->o.loop, &s->flushable);
    net_writable_flush(L, &s->flushable);
  }
  after_write(L, 1, before(s->wq_head, end) ? s->wq_head : end);
  return 0;
}

/* Does anybody care when the pieces under way are sent? */
static int is_awaited(const struct net_stream *s) {
  return s->wq_callbacks > 0 || s->flags & (S_NEED_DRAIN | S_ENDING);
}

/* Nobody waits for the pieces that are sent: forget them at once. */
static void settle_sent(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (is_awaited(s))
    writable_tick(L, idx, sent_tick, s->wq_head);
  else
    s->wq_done = s->wq_head;
}

/* In the failed request's own time: its callbacks, the rest's, then destroy. */
static void failed_now(lua_State *L, int idx, int err) {
  struct net_stream *s = stream_at(L, idx);
  wq_push(L, idx);
  uint32_t end = s->wq_req;
  for (uint32_t p = s->wq_head; before(p, end); p++)
    wq_release(L, s, p);
  lua_pop(L, 1);
  s->wq_head = end;
  s->wq_off = 0;
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

void net_writable_fail(lua_State *L, int idx) {
  mark_failed(L, idx);
  failed_now(L, idx, lua_gettop(L));
  lua_pop(L, 1);
}

/* The same from within a call of the user's: told on the tick. [-1, +0, m] */
static void fail_later(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  size_t unsent = s->req_bytes;
  net_queue_reserve(L, &s->o.loop->ticks, FAILED_SLOTS);
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
  if (err == 0 && before(end, s->wq_head)) {  /* those behind it went along */
    s->write_len = 0;
    s->wq_req = s->wq_head;
    if (is_awaited(s))
      writable_tick(L, idx, sent_tick, s->wq_head);
  } else if (before(end, s->wq_tail) && !s->corked) {
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
  int err = wq_transmit(L, idx, s, s->corked ? s->wq_req : s->wq_tail);
  if (err == 0 || err == -EAGAIN)
    net_stream_poll(s, err ? s->polled | EV_WRITE : s->polled & ~EV_WRITE);
  if (!before(s->wq_head, s->wq_req))
    request_over(L, idx, err, async);
  if (err == 0 || err == -EAGAIN || s->fd < 0)
    return;
  net_stream_poll(s, s->polled | EV_WRITE);  /* tried again if there is no memory */
  push_failure(L, err);
  if (async)
    net_writable_fail(L, idx);
  else
    fail_later(L, idx);
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
  if (!before(s->wq_head, run)) {
    s->write_len = bytes;
    request_begin(s, s->wq_tail, bytes);
    return;
  }
  size_t first, all = 0;
  if (s->part.count > 0) {  /* without asking for memory: nothing may be half done */
    first = net_batch_first(batch_of(s), &s->part);
    all = s->part.len;
  } else {
    wq_push(L, idx);
    first = wq_size(L, s, s->wq_head);
    for (uint32_t p = s->wq_head; p != s->wq_tail; p++)
      all += wq_size(L, s, p);
    lua_pop(L, 1);
  }
  s->write_len = all;
  request_begin(s, s->wq_head + 1, first);
}

/* The kernel refused a part of the request, for now or for good. [-0, +0, m] */
static void refused(lua_State *L, int idx, int err) {
  struct net_stream *s = stream_at(L, idx);
  net_stream_poll(s, s->polled | EV_WRITE);
  if (err == -EAGAIN)
    return;
  push_failure(L, err);
  fail_later(L, idx);
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
  wq_push(L, idx);  /* as the batch is of this turn */
  lua_pop(L, 1);
}

static void flush_begin(struct net_stream *s) {
  s->flags &= ~(uint32_t)S_DEFERRED;
  s->deferred = 0;
}

/* Sends the deferred pieces of the stream at 'idx', each a request of its own but
 * for those from 'run' on. [-0, +0, m] */
static void flush_run(lua_State *L, int idx, struct net_stream *s, uint32_t run, size_t bytes) {
  flush_begin(s);
  int err = wq_transmit(L, idx, s, s->wq_req);
  if (err == 0)
    flushed(s);
  else
    flush_refused(L, idx, run, bytes, err);
}

static void flush_at(lua_State *L, int idx, struct net_stream *s) {
  flush_run(L, idx, s, s->wq_tail, 0);
}

void net_writable_flush(lua_State *L, struct net_flushable *f) {
  struct net_stream *s = (struct net_stream *)(void *)((char *)f - offsetof(struct net_stream, flushable));
  int err = 0;
  if (!(s->flags & S_DEFERRED))
    return;
  if (s->part.count > 0) {
    flush_begin(s);
    err = batch_transmit(s);
    if (err == 0) {
      flushed(s);
      return;
    }
  }
  net_push(L, &s->o);
  if (err == 0)
    flush_at(L, lua_gettop(L), s);
  else
    flush_refused(L, lua_gettop(L), s->wq_tail, 0, err);
  lua_pop(L, 1);
}

void net_writable_salvage(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  wq_transmit(L, idx, s, s->wq_req);
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
    writable_tick(L, idx, sent_tick, s->wq_tail);
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
    s->bytes_written -= s->req_bytes;
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
    net_writable_fail(L, idx);
    return;
  }
  net_stream_touch(s);
  request_send(L, idx, 1);
}

/* The 'close' of the connection before is not the end of this one. */
static void write_on_close(lua_State *L, int idx) {
  if (!(stream_at(L, idx)->flags & S_DESTROYED)) {
    net_emitter_internal(L, idx, ON_CLOSE, &close_step);
    return;
  }
  net_emitter_internal_off(L, idx, ON_CONNECT, &connect_step);
  net_error_push_code(L, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION", 0);
  net_writable_fail(L, idx);
}

/* The first request of a stream that is not open yet. [-0, +0, e] */
static void submit_early(lua_State *L, int idx, size_t bytes) {
  struct net_stream *s = stream_at(L, idx);
  request_begin(s, s->wq_tail, bytes);
  if (s->flags & S_CONNECTING) {
    net_emitter_internal(L, idx, ON_CONNECT, &connect_step);
    net_emitter_internal(L, idx, ON_CLOSE, &close_step);
    return;
  }
  if (net_stream_is_bound(s))  /* what libuv says of TCP, and the kernel of the other */
    net_error_push_sys(L, s->kind == NET_FD_TCP || s->failed ? -EPIPE : -ENOTCONN, "write");
  else
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
  fail_later(L, idx);
}

/* --- write, end, uncork --------------------------------------------------------------- */

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
  wq_append(L, idx);
  s->write_len += bytes;
  s->bytes_written += bytes;
  send_buffered(L, idx);
}

/* Pushes what write() says: is there room for more? [-0, +1, -] */
static void push_fits(lua_State *L, struct net_stream *s) {
  int fits = s->write_len < s->write_hwm || s->write_len == 0;
  if (!fits)
    s->flags |= S_NEED_DRAIN;
  lua_pushboolean(L, fits && !(s->flags & (S_ERRORED | S_DESTROYED)));
}

void net_writable_write(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  net_writable_prepare(L, idx);
  if (refuse_write(L, idx, lua_gettop(L), 0)) {
    lua_pop(L, 2);
    lua_pushboolean(L, 0);
    return;
  }
  write_chunk(L, idx);
  push_fits(L, s);
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
  wq_append(L, idx);
  s->bytes_written += bytes;
  s->write_len = bytes;
  s->wq_off = put;
  request_begin(s, s->wq_tail, bytes);
  refused(L, idx, err);
  push_fits(L, s);
}

/* May the small chunk wait for the turn's end, with nothing between it and the
 * kernel but others that do? The stream is in the loop's list then. */
static int may_keep(struct net_stream *s, size_t bytes) {
  const uint32_t in_the_way = S_ENDING | S_DESTROYED | S_ERRORED | S_WRITE_OFF | S_WRITING |
                              S_NEED_DRAIN | S_CONNECTING;
  int waits = s->flags & S_DEFERRED ? s->wq_callbacks == 0 : s->wq_done == s->wq_tail;
  return bytes > 0 && waits && !(s->flags & in_the_way) && !s->corked && may_defer(s, bytes) &&
         net_loop_dirty(s->o.loop, &s->flushable) == 0;
}

/* Keeps the small chunk on the top: in the batch, unless others that wait already
 * are in the table. Returns 0 if a finalizer has put something in its way.
 * [-0, +0, m] */
static int keep_small(lua_State *L, int idx, struct net_stream *s, size_t bytes) {
  int alone = s->wq_done == s->wq_tail;
  if (alone)
    s->wq_base = s->wq_done;
  if (bytes <= NET_BATCH_MAX && (alone || s->part.count > 0) &&
      net_batch_add(batch_of(s), &s->part, lua_tostring(L, -1), bytes))
    return 1;
  net_writable_prepare(L, idx);
  if (!may_keep(s, bytes))
    return 0;
  wq_push(L, idx);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, wq_slot(s, s->wq_tail));
  lua_pop(L, 1);
  return 1;
}

int net_writable_write_small(lua_State *L, int idx, struct net_stream *s) {
  size_t bytes = lua_rawlen(L, -1);
  if (!may_keep(s, bytes) || !keep_small(L, idx, s, bytes))
    return 0;
  net_stream_touch(s);
  s->wq_req = ++s->wq_tail;
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

/* Pushes the error for the callback of a finish() that comes too late, or nil. */
static void push_end_error(lua_State *L, const struct net_stream *s) {
  const char *code = NULL;
  if (s->flags & S_FINISHED)
    code = "ERR_STREAM_ALREADY_FINISHED";
  else if (s->flags & S_DESTROYED)
    code = "ERR_STREAM_DESTROYED";
  if (code == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_pushliteral(L, "end");
  net_error_push_code(L, code, 1);
}

/* Keeps the callback at 'cb' until the stream has finished. [-0, +0, m] */
static void keep_end_callback(lua_State *L, int idx, int cb) {
  if (net_rare_get(L, idx, RARE_ENDCBS) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -1);
    net_rare_set(L, idx, RARE_ENDCBS);
  }
  lua_pushvalue(L, cb);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

/* The callback at 'cb' hears the error on the top, or waits. [-1, +0, m] */
static void answer_end(lua_State *L, int idx, int cb) {
  if (lua_type(L, cb) != LUA_TFUNCTION)
    lua_pop(L, 1);
  else if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    keep_end_callback(L, idx, cb);
  } else {
    lua_pushvalue(L, cb);
    lua_insert(L, -2);
    net_tick(L, stream_at(L, idx)->o.loop, 1);
  }
}

void net_writable_end(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  int cb = lua_gettop(L), chunk = cb - 1;
  if (!lua_isnil(L, chunk)) {
    net_writable_prepare(L, idx);
    if (refuse_write(L, idx, cb, 1)) {
      s->corked = 0;
      lua_settop(L, chunk - 1);
      return;
    }
    lua_pushvalue(L, chunk);
    lua_pushnil(L);
    write_chunk(L, idx);
  }
  if (s->corked) {
    s->corked = 1;
    net_writable_uncork(L, idx);
  }
  if (s->flags & S_DEFERRED) {
    net_loop_clean(s->o.loop, &s->flushable);
    flush_at(L, idx, s);
  }
  if (!(s->flags & (S_ERRORED | S_ENDING))) {
    s->flags |= S_ENDING;
    finish_maybe(L, idx);
    lua_pushnil(L);
  } else
    push_end_error(L, s);
  answer_end(L, idx, cb);
  lua_settop(L, chunk - 1);
}

int net_writable_end_tick(lua_State *L) {
  if (net_writable_open(stream_at(L, 1))) {
    lua_pushnil(L);
    lua_pushnil(L);
    net_writable_end(L, 1);
  }
  return 0;
}
