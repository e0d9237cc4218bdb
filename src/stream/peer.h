/* SPDX-License-Identifier: MIT
 *
 * peer.h - who is at the other end of a connection.
 *
 * That is whom accept(2), or the kernel, tells; or, behind a proxy that has said so by a header
 * of the PROXY protocol, whom that tells: then the proxy's address is asked for by itself. */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <lua.h>

#include "base/addr.h"
#include "base/proxyheader.h"

/* Keeps the address of who connected to a server, for the stream at 'idx'. [-0, +0, m] */
void net_peer_keep(lua_State *L, int idx, const struct net_addr *peer);
/* As net_peer_keep, of one that began with a header, the string at 'bytes', which says
 * 'header'. [-0, +0, m] */
void net_peer_keep_header(lua_State *L, int idx, const struct net_addr *peer, int bytes,
                          const struct net_proxyheader *header);

/* The peer's address; 0 if it is not known. The kernel forgets it when the peer has
 * reset the connection, which may be before anybody has looked; of who connected to
 * a server it is known then, too. */
int net_peer_get(lua_State *L, int idx, struct net_addr *out);
/* Our own as the peer's header tells, while the stream is open; 0 where that is the kernel's to
 * say. 'out' has no address if the header has none. [-0, +0, -] */
int net_peer_get_local(lua_State *L, int idx, struct net_addr *out);
/* Who is connected to us, whatever a header says; 0 if that is not known. */
int net_peer_get_proxy(lua_State *L, int idx, struct net_addr *out);
/* The header that the stream began with, whose bytes are pushed, or nil; returns whether there
 * is one. [-0, +1, -] */
int net_peer_header(lua_State *L, int idx, struct net_proxyheader *out);

#endif
