/* SPDX-License-Identifier: MIT
 *
 * boundsocket.h - net.BoundSocket: a descriptor that is bound, and nothing else yet.
 *
 *     open ─take──▶ gone     (a server has the descriptor, and the file)
 *      ├────lend──▶ gone     (a socket has the descriptor, and says when the file goes)
 *      └───close──▶ gone
 *
 * Nothing of the loop's points here, so that it is never anchored: one that is
 * forgotten is closed when it is collected. */
#ifndef NET_BOUNDSOCKET_H
#define NET_BOUNDSOCKET_H

#include <lua.h>

#include "base/sys.h"

struct net_boundsocket;

/* Raises ERR_INVALID_THIS unless there is a BoundSocket at 'idx', and
 * ERR_SOCKET_HANDLE_ADOPTED if that is gone. [-0, +0, e] */
struct net_boundsocket *net_boundsocket_check(lua_State *L, int idx);
/* The one at 'idx', NULL for any other value. [-0, +0, -] */
struct net_boundsocket *net_boundsocket_test(lua_State *L, int idx);
/* Its descriptor, still its own; -1 once that is gone. */
int net_boundsocket_fd(const struct net_boundsocket *b);
/* Pushes one without a descriptor, for net_boundsocket_fill: what is bound to an address
 * of 'family', AF_INET or AF_INET6. [-0, +1, e] */
struct net_boundsocket *net_boundsocket_new(lua_State *L, int family);
/* 'fd' is its own from here on. */
void net_boundsocket_fill(struct net_boundsocket *b, int fd);
/* Pushes the path of the BoundSocket at 'idx', "" for one that the system chose,
 * nil for TCP. [-0, +1, -] */
void net_boundsocket_push_path(lua_State *L, int idx);
/* Hands over the descriptor of an open one, and the duty to remove its file;
 * 'family' is AF_INET, AF_INET6 or AF_UNIX, 'file' which one it is. */
int net_boundsocket_take(struct net_boundsocket *b, int *family, struct net_file_id *file);
/* Hands over the descriptor alone: the file is there until it is told to remove it, or
 * is collected. */
int net_boundsocket_lend(struct net_boundsocket *b, int *family);
/* Removes the file of the one at 'idx', if there is one. [-0, +0, -] */
void net_boundsocket_remove_file(lua_State *L, int idx);

/* Adds BoundSocket, the class, and boundsocket, what lua/net/internal/address/boundsocket.lua is
 * built on, to the core table on the top. [-0, +0, m] */
void net_boundsocket_open(lua_State *L);

#endif
