/* SPDX-License-Identifier: MIT
 *
 * source.h - the text of a Lua module, read now and compiled when it is needed. */
#ifndef NET_SOURCE_H
#define NET_SOURCE_H

#include <lua.h>

/* Adds keep_source to the table on the top. [-0, +0, m] */
void net_source_open(lua_State *L);

#endif
