/* SPDX-License-Identifier: MIT
 *
 * timeout.h - Lua's Timeout and Immediate. */
#ifndef NET_TIMEOUT_H
#define NET_TIMEOUT_H

#include <lua.h>

/* Adds timeout, immediate, ... to the core table on the top. [-0, +0, m] */
void net_timeout_open(lua_State *L);

#endif
