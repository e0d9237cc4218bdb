/* SPDX-License-Identifier: MIT
 *
 * writequeue.c - bytes that are to be sent: the table, the batch, and what goes from them
 * to the transport. See writequeue.h. */
#include "stream/writequeue.h"

#include <errno.h>

#include "loop/object.h"
#include "stream/piece.h"
#include "stream/slots.h"

#define IOV_MAX_PIECES 64

static struct net_loop *loop_of(lua_State *L, int idx) {
  return ((struct net_object *)lua_touserdata(L, idx))->loop;
}

static lua_Integer wq_slot(const struct net_writequeue *q, uint32_t piece) {
  return (lua_Integer)(piece - q->base) * 2 + 1;
}

/* Moves what is in the batch to the table on the top. A new string can start the
 * collector, that a finalizer, and that write to or flush the same stream.
 * [-0, +0, m] */
static void batch_unpack(lua_State *L, struct net_writequeue *q, struct net_batch *b) {
  uint32_t head = q->head, at = q->part.at;
  for (uint32_t i = 0; i < q->part.count && q->head == head; i++) {
    uint16_t size = b->sizes[q->part.first + i];
    lua_pushlstring(L, b->bytes + at, size);
    if (q->part.count > 0 && q->head == head)
      lua_rawseti(L, -2, wq_slot(q, head + i));
    else
      lua_pop(L, 1);
    at += size;
  }
  if (q->head == head)
    net_batch_drop(b, &q->part);
}

/* Pushes the table, made when missing. [-0, +1, m] */
static void wq_table(lua_State *L, int idx, struct net_writequeue *q) {
  if (q->made) {
    lua_getiuservalue(L, idx, VAL_WQ);
    return;
  }
  net_object_table(L, idx, VAL_WQ);
  q->made = 1;
}

/* Pushes the table with all pieces in it. It may be another one each time, if a
 * finalizer has connected the stream anew. [-0, +1, m] */
static void wq_push(lua_State *L, int idx, struct net_writequeue *q) {
  wq_table(L, idx, q);
  while (q->part.count > 0) {
    batch_unpack(L, q, &loop_of(L, idx)->batch);
    lua_pop(L, 1);
    wq_table(L, idx, q);
  }
}

void net_wq_prepare(lua_State *L, int idx, struct net_writequeue *q) {
  if (q->made && q->part.count == 0)
    return;
  wq_push(L, idx, q);
  lua_pop(L, 1);
}

void net_wq_append(lua_State *L, int idx, struct net_writequeue *q) {
  wq_push(L, idx, q);
  lua_insert(L, -3);
  if (q->done == q->tail)
    q->base = q->tail;
  lua_Integer slot = wq_slot(q, q->tail);
  int has_callback = !lua_isnil(L, -1);
  int is_object = lua_type(L, -2) == LUA_TUSERDATA;
  lua_pushvalue(L, -2);
  lua_rawseti(L, -4, slot);
  lua_rawseti(L, -3, slot + 1); /* last: if either raises, no callback is left there */
  lua_pop(L, 2);
  q->objects += (uint32_t)is_object;
  q->callbacks += (uint32_t)has_callback;
  q->tail++;
}

/* Length of a piece in the table on the top. */
static size_t wq_size(lua_State *L, const struct net_writequeue *q, uint32_t piece) {
  lua_rawgeti(L, -1, wq_slot(q, piece));
  size_t len = net_piece_size(L, -1);
  lua_pop(L, 1);
  return len;
}

/* Lets go of a piece in the table on the top. A queue that never runs empty goes
 * on to ever higher slots, so what is done with becomes nil. */
static void wq_release(lua_State *L, struct net_writequeue *q, struct net_loop *loop,
                       uint32_t piece) {
  if (q->objects > 0) {
    if (lua_rawgeti(L, -1, wq_slot(q, piece)) == LUA_TUSERDATA) {
      net_piece_close(lua_touserdata(L, -1), loop);
      q->objects--;
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  lua_rawseti(L, -2, wq_slot(q, piece));
}

/* Describes the strings from the head on; returns how many, 0 if another kind of
 * piece is the first. */
static int wq_gather(lua_State *L, const struct net_writequeue *q, uint32_t end,
                     struct iovec *iov) {
  int count = 0;
  for (uint32_t p = q->head; p != end && count < IOV_MAX_PIECES; p++) {
    size_t len, off = count == 0 ? q->off : 0;
    lua_rawgeti(L, -1, wq_slot(q, p));
    const char *chunk = lua_tolstring(L, -1, &len);
    lua_pop(L, 1); /* the table holds it */
    if (chunk == NULL)
      break;
    iov[count].iov_base = (void *)(uintptr_t)(chunk + off);
    iov[count++].iov_len = len - off;
  }
  return count;
}

/* The transport took 'n' of the bytes that wq_gather described. */
static void wq_advance(lua_State *L, struct net_writequeue *q, struct net_loop *loop,
                       const struct iovec *iov, int count, size_t n) {
  for (int i = 0; i < count && n >= iov[i].iov_len; i++) {
    n -= iov[i].iov_len;
    wq_release(L, q, loop, q->head++);
    q->off = 0;
  }
  q->off += n;
}

static size_t iov_total(const struct iovec *iov, int count) {
  size_t total = 0;
  for (int i = 0; i < count; i++)
    total += iov[i].iov_len;
  return total;
}

/* Sends the head piece, which is no string, as far as it goes: 0 when all of it
 * went. */
static int wq_send_object(lua_State *L, struct net_writequeue *q, struct net_loop *loop,
                          struct net_handle *to) {
  size_t n = 0;
  lua_rawgeti(L, -1, wq_slot(q, q->head));
  struct net_piece *p = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (p->cls == NULL)
    return -ECANCELED; /* lua_close has run its __gc, and a finalizer still uses the stream */
  int err = p->cls->send(p, to, loop, q->off, &n);
  q->off += n;
  if (err < 0)
    return err;
  wq_release(L, q, loop, q->head++);
  q->off = 0;
  return 0;
}

/* The transport took 'n' bytes of the part, and not all. */
static void batch_advance(struct net_writequeue *q, struct net_batch *b, size_t n) {
  for (q->off += n; q->off >= net_batch_first(b, &q->part); q->head++) {
    q->off -= net_batch_first(b, &q->part);
    net_batch_shift(b, &q->part);
  }
}

int net_wq_send_batch(struct net_writequeue *q, struct net_loop *loop, struct net_handle *to) {
  struct net_batch *b = &loop->batch;
  size_t size = q->part.len - q->off;
  ssize_t put = to->via->send(to, b->bytes + q->part.at + q->off, size);
  if (put == (ssize_t)size) {
    q->head += q->part.count;
    q->off = 0;
    net_batch_drop(b, &q->part);
    return 0;
  }
  if (put < 0)
    return (int)put;
  batch_advance(q, b, (size_t)put);
  return -EAGAIN;
}

/* Is there another kind of piece behind the 'count' strings at the head? Its bytes
 * and theirs may share packets; a head sent by itself would have the last packet of
 * a small file wait for the peer's delayed acknowledgement. */
static int is_followed(const struct net_writequeue *q, uint32_t end, int count) {
  return q->objects > 0 && count < IOV_MAX_PIECES && q->head + (uint32_t)count != end;
}

/* Sends the 'count' strings at the head, as far as it goes: 0 when all of them went. */
static int wq_send_strings(lua_State *L, struct net_writequeue *q, struct net_loop *loop,
                           struct net_handle *to, struct iovec *iov, int count, int more) {
  ssize_t total = (ssize_t)iov_total(iov, count), put = 0;
  if (total > 0)
    put = to->via->writev(to, iov, count, more);
  if (put >= 0)
    wq_advance(L, q, loop, iov, count, (size_t)put);
  return put == total ? 0 : put < 0 ? (int)put : -EAGAIN;
}

int net_wq_send(lua_State *L, int idx, struct net_writequeue *q, struct net_handle *to,
                uint32_t end) {
  struct net_loop *loop = loop_of(L, idx);
  struct iovec iov[IOV_MAX_PIECES];
  int err = 0;
  if (q->part.count > 0)
    return net_wq_send_batch(q, loop, to);
  wq_push(L, idx, q);
  while (err == 0 && q->head != end) {
    int count = wq_gather(L, q, end, iov);
    if (count == 0)
      err = wq_send_object(L, q, loop, to);
    else
      err = wq_send_strings(L, q, loop, to, iov, count, is_followed(q, end, count));
  }
  lua_pop(L, 1);
  return err;
}

size_t net_wq_first(lua_State *L, int idx, struct net_writequeue *q) {
  wq_push(L, idx, q);
  size_t size = wq_size(L, q, q->head);
  lua_pop(L, 1);
  return size;
}

size_t net_wq_bytes(lua_State *L, int idx, struct net_writequeue *q, size_t *first) {
  size_t all = 0;
  if (q->part.count > 0) {
    *first = net_batch_first(&loop_of(L, idx)->batch, &q->part);
    return q->part.len;
  }
  wq_push(L, idx, q);
  *first = wq_size(L, q, q->head);
  for (uint32_t p = q->head; p != q->tail; p++)
    all += wq_size(L, q, p);
  lua_pop(L, 1);
  return all;
}

size_t net_wq_drop(lua_State *L, int idx, struct net_writequeue *q, uint32_t end) {
  struct net_loop *loop = loop_of(L, idx);
  size_t bytes = 0;
  wq_push(L, idx, q);
  for (; net_wq_before(q->head, end); q->head++) {
    bytes += wq_size(L, q, q->head);
    wq_release(L, q, loop, q->head);
  }
  q->head = end;
  q->off = 0;
  lua_pop(L, 1);
  return bytes;
}

int net_wq_take_callback(lua_State *L, int idx, struct net_writequeue *q) {
  wq_push(L, idx, q);
  lua_Integer slot = wq_slot(q, q->done++) + 1;
  if (lua_rawgeti(L, -1, slot) != LUA_TFUNCTION) {
    lua_pop(L, 2);
    return 0;
  }
  q->callbacks--;
  lua_pushnil(L);
  lua_rawseti(L, -3, slot);
  lua_remove(L, -2);
  return 1;
}

void net_wq_clear(lua_State *L, int idx, struct net_writequeue *q) {
  if (q->objects > 0)
    net_wq_drop(L, idx, q, q->tail);
  q->off = 0;
  q->base = q->done = q->head = q->req = q->tail;
  q->callbacks = 0;
  net_batch_drop(&loop_of(L, idx)->batch, &q->part);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, VAL_WQ);
  q->made = 0;
}
