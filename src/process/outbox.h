/* SPDX-License-Identifier: MIT
 *
 * outbox.h - the lines that are to leave by a channel, as bytes.
 *
 * Lines leave in the order in which they were added; but some go ahead of the others, and
 * only wait for the end of a line that has begun to leave. Knows neither Lua nor the loop,
 * and of a line only that an LF ends it. */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of whole lines, but for the first, of which a part may have left. */
struct net_lines {
  char *bytes;         /* owned */
  size_t at, end, cap; /* what has still to leave lies in [at, end) */
};

struct net_outbox {
  struct net_lines lines, ahead;
  uint64_t added, gone; /* bytes of 'lines': put in, and taken by the kernel */
  uint64_t ahead_gone;  /* of 'ahead': taken by the kernel */
  int amid;             /* a part of the oldest of 'lines' has left */
};

/* Make room for so many bytes more: adding them next cannot fail. 0, or -ENOMEM. */
int net_outbox_reserve(struct net_outbox *o, size_t more);
int net_outbox_reserve_ahead(struct net_outbox *o, size_t more);
/* Add whole lines, for which there is room. */
void net_outbox_add(struct net_outbox *o, const char *lines, size_t len);
void net_outbox_add_ahead(struct net_outbox *o, const char *lines, size_t len);
/* How many bytes of 'lines' wait. */
static inline size_t net_outbox_waits(const struct net_outbox *o) {
  return o->lines.end - o->lines.at;
}
static inline int net_outbox_is_empty(const struct net_outbox *o) {
  return o->lines.at == o->lines.end && o->ahead.at == o->ahead.end;
}

/* Gives the kernel what there is, in one sendmsg(2): 0 when it took all, -EAGAIN when it did
 * not, or a negative errno and what it has not taken stays. */
int net_outbox_send(struct net_outbox *o, int fd);
/* As net_outbox_send, of an empty outbox, a line for which there is room and what goes with
 * its first byte. What the kernel does not take of a line that has begun is added. Returns
 * how much it took, or a negative errno. */
long net_outbox_send_with(struct net_outbox *o, int fd, const char *line, size_t len,
                          const int *fds, int count);
/* Length of the oldest of 'lines', or of what is left of it, with its LF; 0: there is none. */
size_t net_outbox_first(const struct net_outbox *o);
/* Drops what has still to leave, or only the oldest of 'lines'. */
void net_outbox_drop(struct net_outbox *o);
void net_outbox_drop_first(struct net_outbox *o);
/* Frees the memory. */
void net_outbox_end(struct net_outbox *o);

#endif
