/* SPDX-License-Identifier: MIT
 *
 * descriptor.h - a userdata that owns one descriptor, and nothing else: for what is on its
 * way from one process or object to another, and whatever has to hold it meanwhile. */
#ifndef NET_DESCRIPTOR_H
#define NET_DESCRIPTOR_H

#include <lua.h>

/* A new one that owns nothing yet. What is returned is for a descriptor to be put into
 * where nothing can raise any more, so that none is ever lost: -1 until then. It is
 * closed by net_sys_close. [-0, +1, m] */
int *net_descriptor_new(lua_State *L);
/* As net_descriptor_new, filled with 'fd'; where there is no memory for it 'fd' is closed,
 * and that is raised. [-0, +1, m] */
void net_descriptor_push(lua_State *L, int fd);
/* Where the one at 'idx' has its number, which is -1 if that is closed or taken; NULL for
 * any other value. [-0, +0, -] */
int *net_descriptor_test(lua_State *L, int idx);
/* As net_descriptor_test, raising ERR_INVALID_ARG_TYPE. [-0, +0, e] */
int *net_descriptor_check(lua_State *L, int idx);
/* The number of the one at 'idx', which the caller owns from here on. [-0, +0, -] */
int net_descriptor_take(lua_State *L, int idx);

/* Adds descriptor {dup, adopt, pair} to the core table on the top. [-0, +0, m] */
void net_descriptor_open(lua_State *L);

#endif
