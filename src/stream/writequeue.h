/* SPDX-License-Identifier: MIT
 *
 * writequeue.h - bytes that are to be sent, and the callbacks of the writes they came by.
 *
 * The queue is a table of pieces, numbered for the life of a connection. Each is a string
 * or an object (piece.h), and a callback or nil. Five cursors cut the table up:
 *
 *       done       head             req                tail
 *        │ sent,    │ request with   │ buffered behind  │
 *        │ callback │ the kernel, or │ it, or held by   │
 *        │ on tick  │ deferred       │ cork             │
 *
 * ('base', the fifth, is the number of the table's first slots.) Keeping the strings
 * in a Lua table costs no copy and no allocation once the table has grown.
 *
 * The most usual queue has a few small pieces without a callback, until the end of the
 * turn. All of it is kept as bytes instead (batch.h). It moves to the table when another
 * piece follows, or when somebody needs to look.
 *
 * The table is the user value VAL_WQ of the userdata at 'idx', an object of the loop, of
 * which nothing else is known here. What is sent, buffered or failed is for request.c to
 * say. */
#ifndef NET_WRITEQUEUE_H
#define NET_WRITEQUEUE_H

#include "loop/batch.h"
#include "loop/loop.h"
#include "net_capi.h"

struct net_writequeue {
  size_t off;                 /* bytes of the head piece already sent */
  uint32_t base;              /* number of the piece in the table's first slots */
  uint32_t done;              /* callbacks up to here have been called */
  uint32_t head;              /* first piece not wholly sent */
  uint32_t req;               /* end of the request with the kernel */
  uint32_t tail;              /* next piece */
  uint32_t callbacks;         /* of pieces, not called yet */
  uint32_t objects : 31;      /* pieces that are no strings */
  uint32_t made : 1;          /* VAL_WQ is a table */
  struct net_batch_part part; /* the whole queue, while it is as bytes */
};

/* Is piece 'a' before 'b'? The numbers wrap. */
static inline int net_wq_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

/* From here on, until the next piece is queued, no call below starts the collector: a
 * finalizer that writes to, finishes or destroys the stream does so before a write
 * looks at its state. [-0, +0, m] */
void net_wq_prepare(lua_State *L, int idx, struct net_writequeue *q);
/* Appends the chunk and the callback (or nil) on the top. [-2, +0, m] */
void net_wq_append(lua_State *L, int idx, struct net_writequeue *q);
/* Appends a chunk without a callback as bytes; returns 0 if it cannot lie there. */
static inline int net_wq_append_bytes(struct net_writequeue *q, struct net_loop *loop,
                                      const char *chunk, size_t size) {
  int alone = q->done == q->tail;
  if (size > NET_BATCH_MAX || (!alone && q->part.count == 0) ||
      !net_batch_add(&loop->batch, &q->part, chunk, size))
    return 0;
  if (alone)
    q->base = q->tail;
  q->tail++;
  return 1;
}
/* Sends from the head up to 'end': 0 when all went, -EAGAIN when the kernel is
 * full, else the failure. [-0, +0, m] */
int net_wq_send(lua_State *L, int idx, struct net_writequeue *q, struct net_handle *to,
                uint32_t end);
/* As net_wq_send, for a queue that is in the batch. */
int net_wq_send_batch(struct net_writequeue *q, struct net_loop *loop, struct net_handle *to);
/* Bytes of the first piece that is not wholly sent. [-0, +0, m] */
size_t net_wq_first(lua_State *L, int idx, struct net_writequeue *q);
/* Bytes of all that is queued; *first is what the first piece has. [-0, +0, m] */
size_t net_wq_bytes(lua_State *L, int idx, struct net_writequeue *q, size_t *first);
/* Forgets the bytes from the head up to 'end'; returns how many. [-0, +0, m] */
size_t net_wq_drop(lua_State *L, int idx, struct net_writequeue *q, uint32_t end);
/* The first piece that is not done now is: pushes its callback, if it has one, and
 * returns whether it does. [-0, +(0|1), m] */
int net_wq_take_callback(lua_State *L, int idx, struct net_writequeue *q);
/* Forgets everything. The numbers go on, so that whoever is amid the old pieces sees
 * that they are done with. [-0, +0, m] */
void net_wq_clear(lua_State *L, int idx, struct net_writequeue *q);

#endif
