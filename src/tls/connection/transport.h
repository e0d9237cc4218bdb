/* SPDX-License-Identifier: MIT
 *
 * transport.h - TLS as a layer under a socket: the entries of net_capi.h. */
#ifndef NET_TLS_TRANSPORT_H
#define NET_TLS_TRANSPORT_H

#include <lua.h>

/* Into the table on the top: install(socket, connection [, bytes [, counted]]). [-0, +0, m] */
void net_tls_transport_open(lua_State *L);

#endif
