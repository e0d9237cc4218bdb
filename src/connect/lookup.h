/* SPDX-License-Identifier: MIT
 *
 * lookup.h - names to addresses, for Lua.
 *
 * core.resolve is what lua/net/dns.lua is made of; its codes are those of lookup_pool.h. */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include <lua.h>

/* Adds resolve and Lookup to the core table on the top. [-0, +0, e] */
void net_lookup_open(lua_State *L);

#endif
