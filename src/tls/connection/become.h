/* SPDX-License-Identifier: MIT
 *
 * become.h - of which context a connection is, and whose certificates it shows. */
#ifndef NET_TLS_BECOME_H
#define NET_TLS_BECOME_H

#include <lua.h>

/* Adds its methods to the table Connection of the table on the top. [-0, +0, e] */
void net_tls_become_open(lua_State *L);

#endif
