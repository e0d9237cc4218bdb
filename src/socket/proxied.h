/* SPDX-License-Identifier: MIT
 *
 * proxied.h - socket.proxyHeader. */
#ifndef NET_PROXIED_H
#define NET_PROXIED_H

#include <lua.h>

/* Its getter. [-0, +1, e] */
int net_proxied_get(lua_State *L);

#endif
