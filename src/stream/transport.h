/* SPDX-License-Identifier: MIT
 *
 * transport.h - what is under a stream when that is a descriptor: three
 * transports, and one for when there is nothing.
 *
 * The contract of a transport is in net_capi.h. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include "net_capi.h"
#include "base/sys.h"

/* There is no connection, or no more: all fails with EBADF. It can what TCP can, as that
 * is what it is taken for. */
extern const struct net_transport net_transport_none;
extern const struct net_transport net_transport_tcp;
extern const struct net_transport net_transport_unix;
extern const struct net_transport net_transport_pipe; /* anything else that can be polled */

/* The one for such a descriptor. */
const struct net_transport *net_transport_of(enum net_fd_kind kind);

#define NET_NO_FD ((void *)(intptr_t)-1) /* the state while there is no descriptor */

/* The number in the handle of a descriptor. */
static inline int net_transport_fd(const struct net_handle *h) { return (int)(intptr_t)h->state; }
/* The handle that is below all others. */
static inline const struct net_handle *net_transport_lowest(const struct net_handle *h) {
  while (h->via->below)
    h = h->via->below(h);
  return h;
}

#endif
