/* SPDX-License-Identifier: MIT
 *
 * settings.h - what the Lua half says to a connection before and amid its handshake. */
#ifndef NET_TLS_SETTINGS_H
#define NET_TLS_SETTINGS_H

#include <lua.h>

/* Adds its methods to the table Connection of the table on the top. [-0, +0, e] */
void net_tls_settings_open(lua_State *L);

#endif
