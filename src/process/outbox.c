/* SPDX-License-Identifier: MIT
 *
 * outbox.c - the lines that are to leave by a channel, as bytes. See outbox.h.
 *
 * The short messages of a turn lie side by side and leave in one send(2). What the kernel
 * refuses stays where it is; that is also all of the queue there is, as what waits for an
 * answer of the peer's waits in Lua (channel.lua).
 *
 * Refused: a list of strings, as sockets have it. A message is a string of its own in any
 * case, but a short one costs more to keep and find again than to copy; and where one line
 * is to pass others, bytes with an LF behind each line tell all that has to be known. */
#include "process/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

#define KEEP 65536 /* bytes; a larger buffer is given back when it is empty */

/* --- one list of lines ---------------------------------------------------------- */

static void pack(struct net_lines *l) {
  if (l->at == 0)
    return;
  memmove(l->bytes, l->bytes + l->at, l->end - l->at);
  l->end -= l->at;
  l->at = 0;
}

static int reserve(struct net_lines *l, size_t more) {
  if (more <= l->cap - l->end)
    return 0;
  if (l->bytes && l->at >= l->cap / 2)
    pack(l); /* half of the bytes at most are moved, so a byte is so once in the mean */
  if (more <= l->cap - l->end)
    return 0;
  size_t cap = l->cap ? l->cap : 1024;
  while (cap - l->end < more)
    if (cap > SIZE_MAX / 2)
      return -ENOMEM;
    else
      cap *= 2;
  char *bytes = realloc(l->bytes, cap);
  if (bytes == NULL)
    return -ENOMEM;
  l->bytes = bytes;
  l->cap = cap;
  return 0;
}

static void add(struct net_lines *l, const char *bytes, size_t len) {
  memcpy(l->bytes + l->end, bytes, len);
  l->end += len;
}

static void end(struct net_lines *l) {
  free(l->bytes);
  *l = (struct net_lines){ NULL, 0, 0, 0 };
}

/* The first 'n' bytes are no longer there. */
static void skip(struct net_lines *l, size_t n) {
  l->at += n;
  if (l->at < l->end)
    return;
  if (l->cap > KEEP) {
    end(l);
    return;
  }
  l->at = l->end = 0;
}

/* Length of its first line, of which the beginning may have left; 0: it is empty. */
static size_t first(const struct net_lines *l) {
  if (l->at == l->end)
    return 0;
  const char *from = l->bytes + l->at, *lf = memchr(from, '\n', l->end - l->at);
  return lf ? (size_t)(lf - from) + 1 : l->end - l->at;
}

/* --- both ---------------------------------------------------------------------------- */

int net_outbox_reserve(struct net_outbox *o, size_t more) { return reserve(&o->lines, more); }

int net_outbox_reserve_ahead(struct net_outbox *o, size_t more) { return reserve(&o->ahead, more); }

void net_outbox_add(struct net_outbox *o, const char *lines, size_t len) {
  add(&o->lines, lines, len);
  o->added += len;
}

void net_outbox_add_ahead(struct net_outbox *o, const char *lines, size_t len) {
  add(&o->ahead, lines, len);
}

size_t net_outbox_first(const struct net_outbox *o) { return first(&o->lines); }

/* What is to leave, in the order in which it does. */
struct order {
  struct iovec part[3];
  int count;
};

static void put(struct order *order, const char *bytes, size_t len) {
  if (len > 0)
    order->part[order->count++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
}

/* The rest of a line that has begun, what goes ahead, and the others. */
static size_t arrange(const struct net_outbox *o, struct order *order) {
  const struct net_lines *l = &o->lines, *a = &o->ahead;
  size_t rest = o->amid ? first(l) : 0;
  order->count = 0;
  if (a->at == a->end)
    rest = 0;
  put(order, l->bytes + l->at, rest);
  put(order, a->bytes + a->at, a->end - a->at);
  put(order, l->bytes + l->at + rest, l->end - l->at - rest);
  return rest;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* The kernel has taken 'n' bytes of 'lines'. */
static void went(struct net_outbox *o, size_t n) {
  if (n == 0 || o->lines.bytes == NULL)
    return;
  o->gone += n;
  o->amid = o->lines.bytes[o->lines.at + n - 1] != '\n';
  skip(&o->lines, n);
}

int net_outbox_send(struct net_outbox *o, int fd) {
  struct order order;
  size_t rest = arrange(o, &order), ahead = o->ahead.end - o->ahead.at;
  if (order.count == 0)
    return 0;
  ssize_t n = order.count == 1 ? net_sys_send(fd, order.part->iov_base, order.part->iov_len)
                               : net_sys_sendv(fd, order.part, order.count, 0);
  if (n < 0)
    return (int)n;
  size_t left = (size_t)n, part = least(left, rest);
  went(o, part);
  left -= part;
  part = least(left, ahead);
  o->ahead_gone += part;
  skip(&o->ahead, part);
  went(o, left - part);
  return net_outbox_is_empty(o) ? 0 : -EAGAIN;
}

long net_outbox_send_with(struct net_outbox *o, int fd, const char *line, size_t len,
                          const int *fds, int count) {
  ssize_t n =
    count > 0 ? net_sys_send_rights(fd, line, len, fds, count) : net_sys_send(fd, line, len);
  if (n <= 0)
    return (long)n;
  net_outbox_add(o, line + n, len - (size_t)n);
  o->added += (uint64_t)n;
  o->gone += (uint64_t)n;
  o->amid = (size_t)n < len;
  return (long)n;
}

void net_outbox_drop(struct net_outbox *o) {
  o->gone += net_outbox_waits(o);
  skip(&o->lines, net_outbox_waits(o));
  skip(&o->ahead, o->ahead.end - o->ahead.at);
  o->amid = 0;
}

void net_outbox_drop_first(struct net_outbox *o) {
  size_t len = first(&o->lines);
  o->gone += len;
  o->amid = 0;
  skip(&o->lines, len);
}

void net_outbox_end(struct net_outbox *o) {
  end(&o->lines);
  end(&o->ahead);
  o->gone = o->added;
  o->amid = 0;
}
