/* SPDX-License-Identifier: MIT
 *
 * keep.h - what userdata own of C's or of the system's, freed also where no finalizer is called.
 *
 * net_capi.h has struct net_kept, and net_kept_drop. */
#ifndef NET_KEEP_H
#define NET_KEEP_H

#include <lua.h>

#include "net_capi.h"

/* Makes the list; before any userdata that is to be in it. [-0, +0, m] */
void net_keep_open(lua_State *L);
/* Has 'end' called when the Lua state has ended, unless 'kept' is dropped before. Raises where
 * it has. [-0, +0, e] */
void net_keep(lua_State *L, struct net_kept *kept, void (*end)(struct net_kept *kept));
/* The same; returns 0, with nothing done, where it has. [-0, +0, -] */
int net_keep_try(lua_State *L, struct net_kept *kept, void (*end)(struct net_kept *kept));

#endif
