/* SPDX-License-Identifier: MIT
 *
 * net.h - the core of net, as this library reaches it: the table of net_capi.h. */
#ifndef NET_TLS_NET_H
#define NET_TLS_NET_H

#include "net_capi.h"

/* Found when net.tls.core is opened; the same for every Lua state. */
extern const struct net_capi *net_tls_net;

/* Raises errors[code] of the 'nargs' values on the top, as net does. [-nargs, -, e] */
int net_tls_raise(lua_State *L, const char *code, int nargs);

#endif
