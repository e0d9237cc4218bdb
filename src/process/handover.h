/* SPDX-License-Identifier: MIT
 *
 * handover.h - what it takes to hand a listening socket to another process at a path. */
#ifndef NET_HANDOVER_H
#define NET_HANDOVER_H

#include <lua.h>

/* Adds handover {may, listens, listen, remove_stale} to the core table on the top. [-0, +0, m] */
void net_handover_open(lua_State *L);

#endif
