/* SPDX-License-Identifier: MIT
 *
 * frames.h - the lines that come from another process, and the descriptors among them.
 *
 * Bytes in, lines out, each ended by one LF. Descriptors come beside the bytes: what one
 * recvmsg(2) brings is a group, which whoever reads the lines takes for the line that says
 * it has one. Knows neither Lua nor the loop, and not what a line means. */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include <stddef.h>
#include <sys/types.h>

#include "base/sys.h"

#define NET_FRAMES_SIZE 65536 /* bytes of a read, at most, unless a long line has come */

/* What one read brought, or a line took. */
struct net_group {
  int count;
  int fds[NET_RIGHTS_MAX]; /* owned; [0, count) */
};

#define NET_FRAMES_NO_ROOM (-(1 << 20)) /* no errno: memory for a longer line is refused */

enum { NET_GROUPS = 2 }; /* that wait at most: descriptors may come with the line before theirs */

struct net_frames {
  char *bytes; /* owned; NULL: nothing has been read yet */
  size_t cap;
  size_t at, end; /* what is still to be told lies in [at, end) */
  size_t seen;    /* before it there is no LF that has not been told */
  size_t max;     /* bytes of a line, without its LF */
  size_t reads;   /* that have brought something: a count */
  int groups;     /* how many wait, the oldest first */
  struct net_group group[NET_GROUPS];
};

/* One with nothing in it. */
void net_frames_init(struct net_frames *f, size_t max);
/* Reads once from a Unix socket what there is, and there is room for. Returns how many
 * bytes, 0 at the end, or a negative errno: -EAGAIN when dry, NET_FRAMES_NO_ROOM with
 * nothing done, -EMSGSIZE if the line that has begun is longer than 'max'. A third group closes the
 * oldest. 'full': there may be more. */
ssize_t net_frames_read(struct net_frames *f, int fd, int *full);
/* The oldest line, which stays the oldest until net_frames_next: 1 and where it lies; 0
 * when there is no whole one; -EMSGSIZE when it is longer than 'max', whole or not. It is
 * not ended by a NUL, and lies there until the next read. */
int net_frames_line(struct net_frames *f, const char **line, size_t *len);
/* The line that was told is done with. */
void net_frames_next(struct net_frames *f);
/* Whether a line has begun of which the end has not come. */
int net_frames_amid(const struct net_frames *f);
/* Takes the oldest group; its count is 0 if there is none. */
void net_frames_take(struct net_frames *f, struct net_group *group);
/* Closes what is in the group from 'first' on. */
void net_group_close(struct net_group *group, int first);
/* Closes the groups. */
void net_frames_drop(struct net_frames *f);
/* The same, and frees the memory. */
void net_frames_end(struct net_frames *f);

#endif
