/* SPDX-License-Identifier: MIT
 *
 * socket.h - net.Socket for Lua. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "stream/stream.h"

/* The socket at 1, or raises. [-0, +0, e] */
static inline struct net_stream *net_socket_check(lua_State *L) {
  return net_object_check(L, 1, &net_stream_class);
}

/* Adds Socket and socket to the core table on the top. [-0, +0, m] */
void net_socket_open(lua_State *L);
/* Adds stream to it. [-0, +0, m] */
void net_native_open(lua_State *L);

#endif
