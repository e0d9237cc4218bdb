/* SPDX-License-Identifier: MIT
 *
 * writequeue.h - the bytes that a stream has still to send, and the callbacks of the
 * writes they came by.
 *
 * The queue is a table of pieces, numbered for the life of a connection, each a
 * string, or an object (piece.h), and a callback (or nil). Five cursors, in the
 * stream, cut it up:
 *
 *     wq_done    wq_head          wq_req            wq_tail
 *        │ sent,    │ request with   │ buffered behind  │
 *        │ callback │ the kernel, or │ it, or held by   │
 *        │ on tick  │ deferred       │ cork             │
 *
 * (wq_base, the fifth, is the number of the table's first slots.) Keeping the strings
 * in a Lua table costs no copy and no allocation once the table has grown. The most
 * usual queue, a few small pieces without a callback until the end of the turn, is
 * kept as bytes instead (batch.h), all of it, and moves to the table when another
 * piece comes in its way or somebody needs to look.
 *
 * What is sent, buffered or failed is for request.c to say. */
#ifndef NET_WRITEQUEUE_H
#define NET_WRITEQUEUE_H

#include "loop.h"
#include "stream.h"

/* Is piece 'a' before 'b'? The numbers wrap. */
static inline int net_wq_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

/* From here on, until the next piece is queued, no call below starts the collector: a
 * finalizer that writes to, finishes or destroys the stream does so before a write
 * looks at its state. [-0, +0, m] */
void net_wq_prepare(lua_State *L, int idx);
/* Appends the chunk and the callback (or nil) on the top. [-2, +0, m] */
void net_wq_append(lua_State *L, int idx);
/* Appends a chunk without a callback as bytes; returns 0 if it cannot lie there. */
static inline int net_wq_append_bytes(struct net_stream *s, const char *chunk, size_t size) {
  int alone = s->out.done == s->out.tail;
  if (size > NET_BATCH_MAX || (!alone && s->out.part.count == 0) ||
      !net_batch_add(&s->o.loop->batch, &s->out.part, chunk, size))
    return 0;
  if (alone)
    s->out.base = s->out.tail;
  s->out.tail++;
  return 1;
}
/* Sends from the head up to 'end': 0 when all went, -EAGAIN when the kernel is
 * full, else the failure. [-0, +0, m] */
int net_wq_send(lua_State *L, int idx, uint32_t end);
/* The same for a queue that is in the batch. */
int net_wq_send_batch(struct net_stream *s);
/* Bytes of all that is queued; *first is what the first piece has. [-0, +0, m] */
size_t net_wq_bytes(lua_State *L, int idx, size_t *first);
/* Forgets the bytes from the head up to 'end'; returns how many. [-0, +0, m] */
size_t net_wq_drop(lua_State *L, int idx, uint32_t end);
/* The first piece that is not done now is: pushes its callback, if it has one, and
 * returns whether it does. [-0, +(0|1), m] */
int net_wq_take_callback(lua_State *L, int idx);
/* Forgets everything. The numbers go on, so that whoever is amid the old pieces sees
 * that they are done with. [-0, +0, m] */
void net_wq_clear(lua_State *L, int idx);

#endif
