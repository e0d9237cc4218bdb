/* SPDX-License-Identifier: MIT
 *
 * facts.h - what a connection knows of itself: versions, ciphers, sessions, certificates. */
#ifndef NET_TLS_FACTS_H
#define NET_TLS_FACTS_H

#include <lua.h>

/* Adds its methods to the table Connection of the table on the top. [-0, +0, e] */
void net_tls_facts_open(lua_State *L);

#endif
