/* SPDX-License-Identifier: MIT
 *
 * stdio.h - descriptors that a child is to have, and ours at the other end. */
#ifndef NET_STDIO_H
#define NET_STDIO_H

#include <lua.h>

/* Adds open, blocking, inode and fd to the table on the top. [-0, +0, m] */
void net_stdio_open(lua_State *L);

#endif
