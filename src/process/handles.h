/* SPDX-License-Identifier: MIT
 *
 * handles.h - sockets, servers and files on their way from one process to another: the
 * descriptor that is sent of one, and the object that is made of one that came. */
#ifndef NET_HANDLES_H
#define NET_HANDLES_H

#include <lua.h>

/* Adds handles, what lua/net/internal/process/handles.lua is built on, to the core table on
 * the top. [-0, +0, m] */
void net_handles_open(lua_State *L);

#endif
