/* SPDX-License-Identifier: MIT
 *
 * resolve.h - names to addresses, as the system does it, off the loop.
 *
 * Lua calls core.resolve (lua/net/dns.lua is what programs see). Codes are
 * libuv's: -3001 EAI_AGAIN, -3007 and -3008 ENOTFOUND, and so on; -errno where
 * the C library left one. net_sys_errname knows their names. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <lua.h>

/* Look-ups that may wait for a thread; more fail with EAI_AGAIN at once. */
#define NET_RESOLVE_QUEUE 4096

/* Adds resolve to the core table on the top. [-0, +0, e] */
void net_resolve_open(lua_State *L);

#endif
