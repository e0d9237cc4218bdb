/* SPDX-License-Identifier: MIT
 *
 * classes.h - TLSSocket and tls.Server: classes whose parents are net's. */
#ifndef NET_TLS_CLASSES_H
#define NET_TLS_CLASSES_H

#include <lua.h>

/* Into the table on the top: TLSSocket and Server, tables of metatable, methods, getters
 * and setters; socket() and server(), which make one; is_socket(v), is_server(v);
 * on_accepted(fn): fn(server, socket, is_heard), where that says whether 'connection' is.
 * [-0, +0, e] */
void net_tls_classes_open(lua_State *L);

#endif
