/* SPDX-License-Identifier: MIT
 *
 * timeout.h - Lua's Timeout and Immediate. */
#ifndef NET_TIMEOUT_H
#define NET_TIMEOUT_H

#include <lua.h>
#include <stdint.h>

struct net_loop;

/* Adds timeout, immediate, ... to the core table on the top. [-0, +0, m] */
void net_timeout_open(lua_State *L);

/* For C that has one: pushes a Timeout that does not run yet, of the function and its one
 * argument on the top. It is called every 'ms', which is not 0, until it is cleared: so a
 * call for which there was no memory comes again. [-2, +1, m] */
void net_timeout_push(lua_State *L, struct net_loop *loop, uint64_t ms);
/* Starts the one at 'idx', which holds the loop from here on. Where it raises it does not
 * run. [-0, +0, m] */
void net_timeout_start(lua_State *L, int idx);
/* It never runs again. [-0, +0, -] */
void net_timeout_clear(lua_State *L, int idx);

#endif
