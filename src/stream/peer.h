/* SPDX-License-Identifier: MIT
 *
 * peer.h - who is at the other end of a connection. */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <lua.h>

#include "base/addr.h"

/* Keeps the address of who connected to a server, for the stream at 'idx'. [-0, +0, m] */
void net_peer_keep(lua_State *L, int idx, const struct net_addr *peer);

/* The peer's address; 0 if it is not known. The kernel forgets it when the peer has
 * reset the connection, which may be before anybody has looked; of who connected to
 * a server it is known then, too. */
int net_peer_get(lua_State *L, int idx, struct net_addr *out);

#endif
