/* SPDX-License-Identifier: MIT
 *
 * writequeue.c - the bytes that a stream has still to send: the table, the batch, and
 * what goes from them to the kernel. See writequeue.h. */
#include "writequeue.h"

#include <errno.h>

#include "piece.h"

#define IOV_MAX_PIECES 64

static struct net_stream *stream_at(lua_State *L, int idx) {
  return lua_touserdata(L, idx);
}

static lua_Integer wq_slot(const struct net_stream *s, uint32_t piece) {
  return (lua_Integer)(piece - s->out.base) * 2 + 1;
}

static struct net_batch *batch_of(const struct net_stream *s) { return &s->o.loop->batch; }

/* Moves what is in the batch to the table on the top. A new string can start the
 * collector, that a finalizer, and that write to or flush the same stream.
 * [-0, +0, m] */
static void batch_unpack(lua_State *L, struct net_stream *s) {
  const struct net_batch *b = batch_of(s);
  uint32_t head = s->out.head, at = s->out.part.at;
  for (uint32_t i = 0; i < s->out.part.count && s->out.head == head; i++) {
    uint16_t size = b->sizes[s->out.part.first + i];
    lua_pushlstring(L, b->bytes + at, size);
    if (s->out.part.count > 0 && s->out.head == head)
      lua_rawseti(L, -2, wq_slot(s, head + i));
    else
      lua_pop(L, 1);
    at += size;
  }
  if (s->out.head == head)
    net_batch_drop(batch_of(s), &s->out.part);
}

/* Pushes the table, made when missing. [-0, +1, m] */
static void wq_table(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->out.made) {
    lua_getiuservalue(L, idx, UV_WQ);
    return;
  }
  net_object_table(L, idx, UV_WQ);
  s->out.made = 1;
}

/* Pushes the table with all pieces in it. It may be another one each time, if a
 * finalizer has connected the stream anew. [-0, +1, m] */
static void wq_push(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  wq_table(L, idx);
  while (s->out.part.count > 0) {
    batch_unpack(L, s);
    lua_pop(L, 1);
    wq_table(L, idx);
  }
}

void net_wq_prepare(lua_State *L, int idx) {
  const struct net_stream *s = stream_at(L, idx);
  if (s->out.made && s->out.part.count == 0)
    return;
  wq_push(L, idx);
  lua_pop(L, 1);
}

void net_wq_append(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  wq_push(L, idx);
  lua_insert(L, -3);
  if (s->out.done == s->out.tail)
    s->out.base = s->out.tail;
  lua_Integer slot = wq_slot(s, s->out.tail);
  int has_callback = !lua_isnil(L, -1);
  int is_object = lua_type(L, -2) == LUA_TUSERDATA;
  lua_pushvalue(L, -2);
  lua_rawseti(L, -4, slot);
  lua_rawseti(L, -3, slot + 1);  /* last: if either raises, no callback is left there */
  lua_pop(L, 2);
  s->out.objects += (uint32_t)is_object;
  s->out.callbacks += (uint32_t)has_callback;
  s->out.tail++;
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
  if (s->out.objects > 0) {
    if (lua_rawgeti(L, -1, wq_slot(s, piece)) == LUA_TUSERDATA) {
      net_piece_close(lua_touserdata(L, -1), s->o.loop);
      s->out.objects--;
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
  for (uint32_t p = s->out.head; p != end && count < IOV_MAX_PIECES; p++) {
    size_t len, off = count == 0 ? s->out.off : 0;
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
    wq_release(L, s, s->out.head++);
    s->out.off = 0;
  }
  s->out.off += n;
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
  lua_rawgeti(L, -1, wq_slot(s, s->out.head));
  struct net_piece *p = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (p->cls == NULL)
    return -ECANCELED;  /* lua_close has finalised it, and a finalizer still uses the stream */
  int err = p->cls->send(p, s, s->out.off, &n);
  s->out.off += n;
  if (err < 0)
    return err;
  wq_release(L, s, s->out.head++);
  s->out.off = 0;
  return 0;
}

/* The kernel took 'n' bytes of the part, and not all. */
static void batch_advance(struct net_stream *s, size_t n) {
  struct net_batch *b = batch_of(s);
  for (s->out.off += n; s->out.off >= net_batch_first(b, &s->out.part); s->out.head++) {
    s->out.off -= net_batch_first(b, &s->out.part);
    net_batch_shift(b, &s->out.part);
  }
}

int net_wq_send_batch(struct net_stream *s) {
  struct net_batch *b = batch_of(s);
  size_t size = s->out.part.len - s->out.off;
  ssize_t put = s->handle.via->send(&s->handle, b->bytes + s->out.part.at + s->out.off, size);
  if (put == (ssize_t)size) {
    s->out.head += s->out.part.count;
    s->out.off = 0;
    net_batch_drop(b, &s->out.part);
    return 0;
  }
  if (put < 0)
    return (int)put;
  batch_advance(s, (size_t)put);
  return -EAGAIN;
}

/* Is there another kind of piece behind the 'count' strings at the head? Its bytes
 * and theirs may share packets; a head sent by itself would have the last packet of
 * a small file wait for the peer's delayed acknowledgement. */
static int is_followed(const struct net_stream *s, uint32_t end, int count) {
  return s->out.objects > 0 && count < IOV_MAX_PIECES && s->out.head + (uint32_t)count != end;
}

int net_wq_send(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = stream_at(L, idx);
  struct iovec iov[IOV_MAX_PIECES];
  int err = 0;
  if (s->out.part.count > 0)
    return net_wq_send_batch(s);
  wq_push(L, idx);
  while (err == 0 && s->out.head != end) {
    int count = wq_gather(L, s, end, iov);
    if (count == 0) {
      err = wq_send_object(L, s);
      continue;
    }
    ssize_t total = (ssize_t)iov_total(iov, count), put = 0;
    if (total > 0)
      put = s->handle.via->writev(&s->handle, iov, count, is_followed(s, end, count));
    if (put >= 0)
      wq_advance(L, s, iov, count, (size_t)put);
    if (put < total)
      err = put < 0 ? (int)put : -EAGAIN;
  }
  lua_pop(L, 1);
  return err;
}

size_t net_wq_bytes(lua_State *L, int idx, size_t *first) {
  struct net_stream *s = stream_at(L, idx);
  size_t all = 0;
  if (s->out.part.count > 0) {
    *first = net_batch_first(batch_of(s), &s->out.part);
    return s->out.part.len;
  }
  wq_push(L, idx);
  *first = wq_size(L, s, s->out.head);
  for (uint32_t p = s->out.head; p != s->out.tail; p++)
    all += wq_size(L, s, p);
  lua_pop(L, 1);
  return all;
}

size_t net_wq_drop(lua_State *L, int idx, uint32_t end) {
  struct net_stream *s = stream_at(L, idx);
  size_t bytes = 0;
  wq_push(L, idx);
  for (; net_wq_before(s->out.head, end); s->out.head++) {
    bytes += wq_size(L, s, s->out.head);
    wq_release(L, s, s->out.head);
  }
  s->out.head = end;
  s->out.off = 0;
  lua_pop(L, 1);
  return bytes;
}

int net_wq_take_callback(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  wq_push(L, idx);
  lua_Integer slot = wq_slot(s, s->out.done++) + 1;
  if (lua_rawgeti(L, -1, slot) != LUA_TFUNCTION) {
    lua_pop(L, 2);
    return 0;
  }
  s->out.callbacks--;
  lua_pushnil(L);
  lua_rawseti(L, -3, slot);
  lua_remove(L, -2);
  return 1;
}

void net_wq_clear(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  if (s->out.objects > 0)
    net_wq_drop(L, idx, s->out.tail);
  s->out.off = 0;
  s->out.base = s->out.done = s->out.head = s->out.req = s->out.tail;
  s->out.callbacks = 0;
  net_batch_drop(batch_of(s), &s->out.part);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, UV_WQ);
  s->out.made = 0;
}
