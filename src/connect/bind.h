/* SPDX-License-Identifier: MIT
 *
 * bind.h - sockets that are bound to an address and can be told to listen.
 *
 * Both calls give a new descriptor, which the caller owns, or close what they
 * opened and return -errno. */
#ifndef NET_BIND_H
#define NET_BIND_H

#include <stddef.h>

#include "base/sys.h"

struct net_addr;

enum {
  NET_BIND_V6ONLY = 1 << 0,    /* no IPv4 through an IPv6 socket */
  NET_BIND_REUSEPORT = 1 << 1, /* share the port with others who ask for that */
  NET_BIND_PRIVATE = 1 << 2    /* a path's file: only for its owner, mode 0600 */
};

/* To an IP address, with SO_REUSEADDR. An IPv6 socket is dual-stack unless
 * NET_BIND_V6ONLY, which means nothing for IPv4. */
int net_bind_tcp(const struct net_addr *a, int flags, int *fd);
/* To a path, whose file is made, or to an abstract name (a leading NUL; empty for
 * any). An existing file is left alone: -EADDRINUSE. A missing directory is
 * -EACCES. 'file' says which file was made; whoever has the descriptor removes it, by
 * net_sys_unlink_same, before it closes that. */
int net_bind_unix(const char *path, size_t len, int flags, int *fd, struct net_file_id *file);

#endif
