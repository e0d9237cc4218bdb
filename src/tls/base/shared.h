/* SPDX-License-Identifier: MIT
 *
 * shared.h - what the connections of one Lua state share: buffers and a queue.
 *
 * Of one state, as a process may have several, in several threads too. It lives until the
 * last connection is gone, which may be behind the state's own finalizers. */
#ifndef NET_TLS_SHARED_H
#define NET_TLS_SHARED_H

#include <lua.h>
#include <stdint.h>

struct net_tls;
struct net_tls_buffers;

/* Who wants to go on with a handshake; turns.c alone. */
struct net_tls_queue {
  struct net_tls *first, *last;
  uint32_t turn; /* of which 'spent' is */
  long spent;    /* ns */
};

struct net_tls_shared {
  unsigned refs;
  unsigned nested; /* how many sets are in use while a call of OpenSSL's is amid a call of Lua's */
  struct net_tls_queue queue;
  struct net_tls_buffers **sets; /* owned, and each of them; NULL until it is first needed */
  unsigned depths;               /* how many there is room for: layers over layers */
};

/* That of this state, with one more reference; made at the first time. [-0, +0, m] */
struct net_tls_shared *net_tls_shared_get(lua_State *L);
/* Lets go of a reference. [-] */
void net_tls_shared_release(struct net_tls_shared *shared);

#endif
