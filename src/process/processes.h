/* SPDX-License-Identifier: MIT
 *
 * processes.h - opens the room, when a program first asks for other processes. */
#ifndef NET_PROCESSES_H
#define NET_PROCESSES_H

#include <lua.h>

/* Adds what is not there yet to the core table on the top. [-0, +0, m] */
void net_processes_open(lua_State *L);

#endif
