/* SPDX-License-Identifier: MIT
 *
 * lazy.h - what is opened when the Lua half first asks for it. */
#ifndef NET_LAZY_H
#define NET_LAZY_H

#include <lua.h>

/* Has the core table on the top open such a thing when a field of it is first read, and all
 * of them when somebody goes through its fields. [-0, +0, m] */
void net_lazy_open(lua_State *L);

#endif
