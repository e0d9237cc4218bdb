/* SPDX-License-Identifier: MIT
 *
 * blocklist.h - net.BlockList: who may not connect, or not be connected to. */
#ifndef NET_BLOCKLIST_H
#define NET_BLOCKLIST_H

#include <lua.h>
#include <sys/socket.h>

struct net_blocklist;

/* The BlockList at 'idx', NULL if it is none. [-0, +0, -] */
struct net_blocklist *net_blocklist_test(lua_State *L, int idx);
/* Does a rule hold that address? Never so for a Unix one. */
int net_blocklist_blocks(const struct net_blocklist *b, const struct sockaddr *sa);

/* Adds BlockList, the class, and blocklist, the functions for Lua, to the core
 * table on the top. [-0, +0, m] */
void net_blocklist_open(lua_State *L);

#endif
