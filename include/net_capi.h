/* SPDX-License-Identifier: MIT
 *
 * net_capi.h - the seam under a stream: how it reads and writes.
 *
 * A stream (a net.Socket) reaches what is below it through a table of functions, its
 * transport: of a descriptor of the system's, or of another layer on top of one. This
 * page is that table and its contract, and includes nothing of ours.
 *
 * Stack effects: [-pops, +pushes, raises]; '-' never, 'm' for memory, 'e' anything. */
#ifndef NET_CAPI_H
#define NET_CAPI_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What is asked for, or has come: bits, with libev's values. */
enum { NET_READ = 1, NET_WRITE = 2 };

/* struct net_transport.can. Of the top handle: */
enum {
  NET_CAN_SPLICE = 1 << 0,    /* 'state' is a descriptor that splice(2) may move bytes from and to */
  NET_CAN_SENDFILE = 1 << 1,  /* the same of sendfile(2) */
  NET_CAN_RIGHTS = 1 << 2,    /* descriptors may be sent along */
  NET_CAN_LATE = 1 << 3,      /* what was written counts in writableLength until it is below:
                                 its callbacks and 'drain' are a pending completion */
  /* Of the lowest handle: */
  NET_CAN_ADDRESS = 1 << 4,   /* getsockname(2), getpeername(2): IP addresses */
  NET_CAN_NODELAY = 1 << 5,
  NET_CAN_KEEPALIVE = 1 << 6,
  NET_CAN_RESET = 1 << 7,     /* a close may be told as a reset */
  NET_CAN_POLL = 1 << 8       /* 'state' is a descriptor for the poller to watch */
};

/* A negative errno of no system's: 'error' has the error value. */
#define NET_OWN_ERROR (-(1 << 20))

struct net_stream;
struct net_transport;

/* One layer under a stream. The stream has the top one; a layer keeps the one below in its
 * own state. Handles move, when a layer is put on: the address is good for one call. */
struct net_handle {
  const struct net_transport *via; /* borrowed; static; set before there is a connection */
  void *state;                     /* the transport's; of a descriptor its number */
  struct net_stream *stream;       /* borrowed; whom it serves */
};

/* What moves bytes returns how many, or a negative errno. None of these raises or runs Lua
 * but 'ready' and 'error'. */
struct net_transport {
  const char *name;
  unsigned can; /* NET_CAN_*; of another rock's 0, or NET_CAN_LATE */

  /* Events came, from the poll or by wake, also ones that the stream does not want.
   * Returns those that it may act on; 0 after a destroy. In the loop's protected call:
   * may call Lua, raise, destroy. Handshakes live here, and what has to be told before
   * the next bytes. NULL: all that came. [-0, +0, e] */
  int (*ready)(lua_State *L, struct net_handle *h, int events);
  /* Up to 'size' bytes; 0 at the end, for good; -EAGAIN: nothing there. If it keeps bytes
   * back, or there may be more below than it asked for, it wakes itself. */
  ssize_t (*read)(struct net_handle *h, void *buf, size_t size);
  /* How many it took, fewer only if it is full; -EAGAIN: none, also before it is open,
   * and then it wakes when it is. 'more': more follows at once. */
  ssize_t (*send)(struct net_handle *h, const void *bytes, size_t size);
  ssize_t (*writev)(struct net_handle *h, struct iovec *iov, int count, int more);
  /* Bytes that it took and the layer below has not: a write is done when it is 0, and
   * until then the stream waits for NET_WRITE. Only with NET_CAN_LATE; else NULL. */
  size_t (*unsent)(const struct net_handle *h);
  /* The end of writing: 0 when it is with who is below; -EAGAIN: it is called again when
   * NET_WRITE is ready. */
  int (*shutdown)(struct net_handle *h);
  /* The stream wants 'events'. Returns what its descriptor is to be watched for, its own
   * wishes included; 0 of what no poll can tell. If what is wanted is there already it
   * wakes itself. Asked when the wish changes and after each 'ready'. NULL: as wanted. */
  int (*poll)(struct net_handle *h, int events);
  /* Pushes the error value behind NET_OWN_ERROR. NULL if it says none. [-0, +1, e] */
  void (*error)(lua_State *L, struct net_handle *h);
  /* The handle that it owns, by which the stream finds addresses and options; NULL: this
   * is the lowest. */
  struct net_handle *(*below)(const struct net_handle *h);
  /* Once, by destroy() or lua_close: closes what is below too. 'h' is dead after. */
  void (*close)(struct net_handle *h);
};

#endif
