/* SPDX-License-Identifier: MIT
 *
 * plain.h - a plain socket: a descriptor, and system calls that answer at once.
 *
 * It is what a program of LuaSocket's holds (lua/net/internal/luasocket/tcp.lua), which has
 * its class, limits of time and buffer in a table, the socket's state. Who has to wait does
 * that elsewhere, by watch.h. */
#ifndef NET_PLAIN_H
#define NET_PLAIN_H

#include <lua.h>

/* Where the plain socket at 'idx' has its descriptor, -1 if there is none; raises for any
 * other value. [-0, +0, e] */
int *net_plain_check(lua_State *L, int idx);
/* Adds what makes them, and their system calls, to the table on the top. [-0, +0, m] */
void net_plain_open(lua_State *L);
/* The same, of their options. [-0, +0, m] */
void net_plainopt_open(lua_State *L);

#endif
