/* SPDX-License-Identifier: MIT
 *
 * resolve.h - names to addresses, for Lua.
 *
 * core.resolve is what lua/net/dns.lua is made of; its codes are those of pool.h. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <lua.h>

/* Adds resolve and Lookup to the core table on the top. [-0, +0, e] */
void net_resolve_open(lua_State *L);

#endif
