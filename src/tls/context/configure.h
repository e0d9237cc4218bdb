/* SPDX-License-Identifier: MIT
 *
 * configure.h - how a SecureContext is made: net.tls.core's table 'context'.
 *
 * lua/net/internal/tls/context.lua makes and fills one step by step, in Node's order. Each
 * step is a function here or in a neighbour (credentials, anchors, parameters, tickets),
 * with the context first, and returns nothing, or what is wrong:
 *
 *   an error value     libssl's, of its queue
 *   a text             for ERR_CRYPTO_OPERATION_FAILED */
#ifndef NET_TLS_CONFIGURE_H
#define NET_TLS_CONFIGURE_H

#include <lua.h>

/* Adds the table 'context' to the core table on the top: these functions and those of the
 * neighbours. [-0, +0, e] */
void net_tls_configure_open(lua_State *L);

#endif
