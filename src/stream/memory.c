/* SPDX-License-Identifier: MIT
 *
 * memory.c - two streams joined in memory, as by net.duplexPair(). See memory.h.
 *
 * What one half sends lies with the other, 64 KiB at most, until that reads it, and is
 * taken only while that wants to read: so the other's mark is the backpressure, and a
 * write that has called back was read. Nothing is told within a call: each half wakes
 * the other, whose stream hears with the turn's pending completions.
 *
 * The alternative, to hand the Lua strings over as they are, spares two copies. But then
 * a pair were a stream of chunks, which no socket is: what is written in two pieces and
 * read in one would show who is below.
 *
 * Both halves are one block of memory, which the second that closes frees. */
#include "stream/memory.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

#define ROOM 65536 /* bytes that wait for one half, at most */

struct half {
  struct half *other;
  struct net_handle *handle; /* borrowed, that of the last call; NULL: closed */
  char *bytes;               /* owned, ROOM of them; NULL: nothing waits here */
  size_t at, len;            /* what waits, in 'bytes' */
  int wants;                 /* NET_READ, NET_WRITE */
  int is_owed;               /* what was sent here is not done: see pair_unsent */
  int was_ended;             /* no more will come */
  int is_done;               /* and 'end' was emitted */
  int was_failed;            /* the other was destroyed with an error */
};

struct pair {
  struct half halves[2];
};

/* The half of a handle, which may have moved. */
static struct half *half_of(struct net_handle *h) {
  struct half *half = h->state;
  half->handle = h;
  return half;
}

/* Tells the half of those of the events that it waits for. */
static void wake(struct half *half, int events) {
  if (half->handle && half->wants & events)
    net_stream_wake(half->handle, half->wants & events);
}

/* May this half be sent to now? */
static int has_room(const struct half *half) { return half->wants & NET_READ && half->len < ROOM; }

static int is_readable(const struct half *half) { return half->len > 0 || half->was_ended; }

/* Has something come of what a half waits for that cannot write? */
static int is_writable(const struct half *half) {
  const struct half *other = half->other;
  return other->handle == NULL || other->is_done || has_room(other);
}

/* --- bytes -------------------------------------------------------------------- */

/* Copies behind what waits; what was read makes way. */
static size_t put(struct half *half, const char *bytes, size_t size) {
  if (size > ROOM - half->len)
    size = ROOM - half->len;
  if (size > ROOM - half->at - half->len) {
    memmove(half->bytes, half->bytes + half->at, half->len);
    half->at = 0;
  }
  memcpy(half->bytes + half->at + half->len, bytes, size);
  half->len += size;
  return size;
}

static ssize_t pair_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  struct half *other = half_of(h)->other;
  size_t total = 0;
  (void)more;
  if (other->handle == NULL)
    return -EPIPE;
  if (!has_room(other))
    return -EAGAIN;
  if (other->bytes == NULL && (other->bytes = malloc(ROOM)) == NULL)
    return -ENOMEM;
  for (int i = 0; i < count && other->len < ROOM; i++)
    total += put(other, iov[i].iov_base, iov[i].iov_len);
  other->is_owed = 1;
  wake(other, NET_READ);
  return (ssize_t)total;
}

static ssize_t pair_send(struct net_handle *h, const void *bytes, size_t size) {
  struct iovec iov = { (void *)(uintptr_t)bytes, size };
  return pair_writev(h, &iov, 1, 0);
}

/* Nothing waits any more. */
static void empty(struct half *half) {
  free(half->bytes);
  half->bytes = NULL;
  half->at = half->len = 0;
}

static ssize_t pair_read(struct net_handle *h, void *buf, size_t size) {
  struct half *half = half_of(h);
  if (half->len == 0)
    return half->was_ended ? 0 : -EAGAIN;
  if (size > half->len)
    size = half->len;
  memcpy(buf, half->bytes + half->at, size);
  half->at += size;
  half->len -= size;
  if (half->len == 0)
    empty(half);
  if (half->was_failed && half->len == 0)
    net_stream_wake(h, NET_READ); /* also if it has paused by then; see pair_ready */
  else if (is_readable(half))
    wake(half, NET_READ);
  wake(half->other, NET_WRITE);
  return (ssize_t)size;
}

/* As in Node a write is done when the other has it and asks for more. */
static void settle(struct half *half) {
  if (half->handle == NULL || (half->len == 0 && half->wants & NET_READ))
    half->is_owed = 0;
}

static size_t pair_unsent(const struct net_handle *h) {
  struct half *other = ((struct half *)h->state)->other;
  settle(other);
  return other->is_owed ? other->len + 1 : 0;
}

/* --- ends --------------------------------------------------------------------- */

/* Done when the other has emitted 'end', or nobody is there to. */
static int pair_shutdown(struct net_handle *h) {
  struct half *other = half_of(h)->other;
  if (other->handle == NULL || other->is_done)
    return 0;
  other->was_ended = 1;
  wake(other, NET_READ);
  return -EAGAIN;
}

static int pair_poll(struct net_handle *h, int events) {
  struct half *half = half_of(h);
  half->wants = events;
  settle(half);
  if (is_readable(half))
    wake(half, NET_READ);
  if (is_writable(half))
    wake(half, NET_WRITE);
  if (has_room(half))
    wake(half->other, NET_WRITE);
  return 0;
}

/* As in Node, who was joined to what fails is destroyed, and hears of no error; of what
 * was sent before he does, if he reads. */
static int pair_ready(lua_State *L, struct net_handle *h, int events) {
  const struct half *half = half_of(h);
  if (!half->was_failed || (half->len > 0 && half->wants & NET_READ))
    return events;
  net_push(L, &h->stream->o);
  lua_pushnil(L);
  net_stream_destroy(L, lua_gettop(L) - 1);
  return 0;
}

/* A step among the listeners of 'end'. */
static void end_step(lua_State *L, int idx) {
  const struct net_stream *s = lua_touserdata(L, idx);
  const struct net_handle *h = net_transport_lowest(&s->handle);
  if (!s->watch.open || h->via->ready != pair_ready)
    return; /* it is connected otherwise by now, or another has this half */
  struct half *half = h->state;
  half->is_done = 1;
  wake(half->other, NET_WRITE);
}

/* The other gets its end, or its own: it fails with the stream whose half this is, not with
 * one that has a layer between, as TLS tells the other what became of it. The second of both
 * frees them. */
static void pair_close(struct net_handle *h) {
  struct half *half = half_of(h), *other = half->other;
  half->handle = NULL;
  empty(half);
  if (other->handle == NULL) {
    free(half < other ? half : other);
    return;
  }
  other->was_ended = 1;
  other->was_failed = h == &h->stream->handle && net_stream_is_errored(h->stream);
  net_stream_wake(other->handle, NET_READ | NET_WRITE);
}

static const struct net_transport net_transport_memory = {
  .name = "memory",
  .can = NET_CAN_LATE | NET_CAN_SINGLE,
  .ready = pair_ready,
  .read = pair_read,
  .send = pair_send,
  .writev = pair_writev,
  .unsent = pair_unsent,
  .shutdown = pair_shutdown,
  .poll = pair_poll,
  .close = pair_close,
};

/* --- joining ------------------------------------------------------------------ */

static const struct net_internal tell_end = { end_step };

/* join(a, b): all that may raise. */
static int prepare(lua_State *L) {
  struct pair *pair = calloc(1, sizeof *pair);
  *(struct pair **)lua_touserdata(L, 3) = pair;
  if (pair == NULL)
    return luaL_error(L, "not enough memory");
  for (int idx = 1; idx <= 2; idx++) {
    net_emitter_internal(L, idx, ON_END, &tell_end);
    net_stream_prepare(L, idx, 1);
  }
  return 0;
}

void net_memory_follow(lua_State *L, int idx, const struct net_stream *from) {
  if (net_transport_lowest(&from->handle)->via->ready == pair_ready)
    net_emitter_internal(L, idx, ON_END, &tell_end);
}

/* Gives the stream at 'idx' its half. [-0, +0, m] */
static void open_half(lua_State *L, int idx, struct half *half, struct half *other) {
  struct net_stream *s = lua_touserdata(L, idx);
  half->other = other;
  half->handle = &s->handle;
  net_stream_open(L, idx, &net_transport_memory, half);
}

void net_memory_join(lua_State *L, int a, int b) {
  struct pair *pair = NULL;
  lua_pushcfunction(L, prepare);
  lua_pushvalue(L, a);
  lua_pushvalue(L, b);
  lua_pushlightuserdata(L, &pair);
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
    free(pair);
    net_stream_unprepare(L, a);
    net_stream_unprepare(L, b);
    lua_error(L);
    return; /* never, but nothing says so of lua_error */
  }
  open_half(L, a, &pair->halves[0], &pair->halves[1]);
  open_half(L, b, &pair->halves[1], &pair->halves[0]);
}
