/* SPDX-License-Identifier: MIT
 *
 * socket.h - net.Socket for Lua. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <lua.h>

/* Adds Socket, socket and stream to the core table on the top. [-0, +0, m] */
void net_socket_open(lua_State *L);

#endif
