/* SPDX-License-Identifier: MIT
 *
 * memory.h - two streams joined in memory: the transport that is no descriptor. */
#ifndef NET_MEMORY_H
#define NET_MEMORY_H

#include <lua.h>

struct net_stream;

/* Joins the two new streams at absolute 'a' and 'b', which are open from here on; raises
 * with nothing done. [-0, +0, m] */
void net_memory_join(lua_State *L, int a, int b);
/* The stream at 'idx' may take what 'from' has: if that is a half of a pair, its 'end' is
 * to be noticed. [-0, +0, m] */
void net_memory_follow(lua_State *L, int idx, const struct net_stream *from);

#endif
