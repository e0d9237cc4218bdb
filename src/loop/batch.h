/* SPDX-License-Identifier: MIT
 *
 * batch.h - the small writes of a turn, as bytes.
 *
 * Up to a few KiB a copy costs less than keeping a Lua string and finding it again,
 * and what a stream has written in one turn lies together, so that one send(2)
 * takes it all. A stream's part of the batch is there until it is sent, or moved to
 * the stream's queue; the room is free again when no part is left. */
#ifndef NET_BATCH_H
#define NET_BATCH_H

#include <stdint.h>
#include <string.h>

enum {
  NET_BATCH_SIZE = 65536, /* bytes */
  NET_BATCH_PIECES = 4096,
  NET_BATCH_MAX = 2048 /* bytes of a piece */
};

struct net_batch {
  uint32_t len, pieces;
  uint32_t parts;
  uint16_t sizes[NET_BATCH_PIECES];
  char bytes[NET_BATCH_SIZE];
};

/* What one stream has there; zeroed: nothing. */
struct net_batch_part {
  uint32_t at, len;      /* bytes */
  uint16_t first, count; /* pieces */
};

/* Appends a piece, of 1 to NET_BATCH_MAX bytes. Returns 0 if there is no room, or
 * another part behind this one. */
static inline int net_batch_add(struct net_batch *b, struct net_batch_part *p, const char *piece,
                                size_t size) {
  if (b->pieces == NET_BATCH_PIECES || size > NET_BATCH_SIZE - b->len)
    return 0;
  if (p->count == 0) {
    p->at = b->len;
    p->first = (uint16_t)b->pieces;
    b->parts++;
  } else if (p->at + p->len != b->len)
    return 0;
  memcpy(b->bytes + b->len, piece, size);
  b->sizes[b->pieces++] = (uint16_t)size;
  b->len += (uint32_t)size;
  p->len += (uint32_t)size;
  p->count++;
  return 1;
}

/* Lets go of the part. */
static inline void net_batch_drop(struct net_batch *b, struct net_batch_part *p) {
  if (p->count == 0)
    return;
  p->len = p->count = 0;
  if (--b->parts == 0)
    b->len = b->pieces = 0;
}

/* The size of the part's first piece. */
static inline size_t net_batch_first(const struct net_batch *b, const struct net_batch_part *p) {
  return b->sizes[p->first];
}

/* Lets go of the first piece; not of the last one. */
static inline void net_batch_shift(const struct net_batch *b, struct net_batch_part *p) {
  size_t size = net_batch_first(b, p);
  p->at += (uint32_t)size;
  p->len -= (uint32_t)size;
  p->first++;
  p->count--;
}

#endif
