/* SPDX-License-Identifier: MIT
 *
 * watch.h - waiting for any of some descriptors, or a time: once, whoever they belong to. */
#ifndef NET_LUASOCKET_WATCH_H
#define NET_LUASOCKET_WATCH_H

#include <lua.h>

/* watch, ready, may_block into the table on the top. [-0, +0, m] */
void net_luasocket_watch_open(lua_State *L);
/* Adds open_luasocket() to the core table on the top, which gives the table of what
 * lua/net/luasocket.lua is built on. [-0, +0, m] */
void net_luasocket_open(lua_State *L);

#endif
