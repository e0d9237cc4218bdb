/* SPDX-License-Identifier: MIT
 *
 * trace.h - what a connection says to its peer, in words, on stderr. */
#ifndef NET_TLS_TRACE_H
#define NET_TLS_TRACE_H

#include <lua.h>

/* Adds to the Connection's methods, of the table 'core' on the top, trace(): from now on each
 * message is told. [-0, +0, e] */
void net_tls_trace_open(lua_State *L);

#endif
