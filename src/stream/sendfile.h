/* SPDX-License-Identifier: MIT
 *
 * sendfile.h - a part of a file as a piece of a write queue. */
#ifndef NET_SENDFILE_H
#define NET_SENDFILE_H

#include <lua.h>

/* Opens the path, or duplicates the descriptor, at index 'file', takes the offset
 * behind it and the length, nil for all there is, behind that, and pushes the piece,
 * an empty string if there is nothing to send. Otherwise pushes nothing, returns what
 * failed, and *syscall names it. [-0, +(1|0), m] */
int net_sendfile_push(lua_State *L, int file, const char **syscall);

#endif
