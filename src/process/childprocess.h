/* SPDX-License-Identifier: MIT
 *
 * childprocess.h - net.child's ChildProcess, a process that this one has started. */
#ifndef NET_CHILDPROCESS_H
#define NET_CHILDPROCESS_H

#include <lua.h>

/* Adds ChildProcess, the class, and child, what lua/net/internal/process is built on, to
 * the core table on the top. [-0, +0, m] */
void net_childprocess_open(lua_State *L);

#endif
