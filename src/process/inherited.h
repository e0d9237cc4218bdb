/* SPDX-License-Identifier: MIT
 *
 * inherited.h - what the process that started this one has left in the environment. */
#ifndef NET_INHERITED_H
#define NET_INHERITED_H

#include <lua.h>

/* Takes note of the variables of a channel, which nobody finds from here on. [-0, +0, m] */
void net_inherited_look(lua_State *L);
/* Adds inherited {take, is_unix} to the core table on the top. [-0, +0, m] */
void net_inherited_open(lua_State *L);
/* Loads the Lua half's module for the channel, if there is one. [-0, +0, e] */
void net_inherited_start(lua_State *L);

#endif
