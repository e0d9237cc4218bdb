/* SPDX-License-Identifier: MIT
 *
 * frames.c - the lines that come from another process, and the descriptors among them.
 * See frames.h.
 *
 * The bytes are read to where the line is put together, and a line is told where it lies:
 * nothing is copied but the part of a line with which a chunk ends. The buffer keeps its
 * first size, of which only as much is touched as has ever come at once, and grows for a
 * line that is longer, up to 'max': that is all a peer can hold of us here, besides two
 * groups of descriptors.
 *
 * Where a descriptor belongs to cannot be told from the bytes. Node takes one that came
 * with the first byte of its line, with the last, or with a plain line before it; so a
 * group waits for a line that wants one, and is not tied to the chunk it came with. */
#include "process/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void net_frames_init(struct net_frames *f, size_t max) {
  memset(f, 0, offsetof(struct net_frames, group));
  f->max = max;
}

/* --- descriptors --------------------------------------------------------------- */

void net_group_close(struct net_group *group, int first) {
  for (int i = first; i < group->count; i++)
    net_sys_close(group->fds[i]);
  group->count = group->count < first ? group->count : first;
}

void net_frames_take(struct net_frames *f, struct net_group *group) {
  group->count = 0;
  if (f->groups == 0)
    return;
  *group = f->group[0];
  f->group[0] = f->group[1];
  f->groups--;
}

static void add_group(struct net_frames *f, const struct net_group *group) {
  if (f->groups == NET_GROUPS) {
    struct net_group oldest;
    net_frames_take(f, &oldest);
    net_group_close(&oldest, 0);
  }
  f->group[f->groups++] = *group;
}

/* --- bytes ------------------------------------------------------------------------ */

/* The size for a buffer of which more than half is one line: twice as much, but no more
 * than the longest line needs. */
static size_t grown(const struct net_frames *f) {
  size_t most = f->max < SIZE_MAX - NET_FRAMES_SIZE ? f->max + NET_FRAMES_SIZE : SIZE_MAX;
  size_t cap = f->cap ? f->cap <= SIZE_MAX / 2 ? f->cap * 2 : SIZE_MAX : NET_FRAMES_SIZE;
  return cap < most || f->cap == 0 ? cap : most;
}

/* Moves what is left to the front. */
static void pack(struct net_frames *f) {
  if (f->at == 0)
    return;
  memmove(f->bytes, f->bytes + f->at, f->end - f->at);
  f->seen -= f->at;
  f->end -= f->at;
  f->at = 0;
}

/* Makes room for a read; 0, or NET_FRAMES_NO_ROOM. A line is told to be too long before
 * the largest buffer is full. */
static int make_room(struct net_frames *f) {
  if (f->bytes)
    pack(f);
  if (f->bytes && f->end <= f->cap / 2)
    return 0;
  size_t cap = grown(f);
  char *bytes = cap > f->cap ? realloc(f->bytes, cap) : f->bytes;
  if (bytes == NULL)
    return NET_FRAMES_NO_ROOM;
  f->bytes = bytes;
  f->cap = cap;
  return 0;
}

ssize_t net_frames_read(struct net_frames *f, int fd, int *full) {
  struct net_group group;
  int err = f->end - f->at > f->max ? -EMSGSIZE : make_room(f); /* 'max' may have become less */
  *full = 0;
  if (err < 0)
    return err;
  size_t room = f->cap - f->end;
  ssize_t n = net_sys_recv_rights(fd, f->bytes + f->end, room, group.fds, &group.count);
  if (group.count > 0)
    add_group(f, &group);
  if (n <= 0)
    return n;
  f->reads++;
  f->end += (size_t)n;
  *full = (size_t)n == room || group.count > 0; /* the kernel ends a read behind those */
  return n;
}

int net_frames_line(struct net_frames *f, const char **line, size_t *len) {
  if (f->at == f->end)
    return 0;
  const char *from = f->bytes + f->at;
  const char *lf = f->seen < f->end ? memchr(f->bytes + f->seen, '\n', f->end - f->seen) : NULL;
  *line = from;
  *len = lf ? (size_t)(lf - from) : f->end - f->at;
  f->seen = lf ? (size_t)(lf - f->bytes) : f->end;
  if (*len > f->max)
    return -EMSGSIZE;
  return lf != NULL;
}

/* A buffer that a long line has made grow is given back. */
static void shrink(struct net_frames *f) {
  if (f->cap <= NET_FRAMES_SIZE)
    return;
  free(f->bytes);
  f->bytes = NULL;
  f->cap = 0;
}

void net_frames_next(struct net_frames *f) {
  f->at = ++f->seen;
  if (f->at < f->end)
    return;
  f->at = f->end = f->seen = 0;
  shrink(f);
}

int net_frames_amid(const struct net_frames *f) { return f->at < f->end; }

void net_frames_drop(struct net_frames *f) {
  while (f->groups > 0) {
    struct net_group group;
    net_frames_take(f, &group);
    net_group_close(&group, 0);
  }
}

void net_frames_end(struct net_frames *f) {
  net_frames_drop(f);
  free(f->bytes);
  net_frames_init(f, f->max);
}
