/* SPDX-License-Identifier: MIT
 *
 * arrive.h - what comes into the readable half of a stream: of the peer, or put back. */
#ifndef NET_ARRIVE_H
#define NET_ARRIVE_H

#include "stream/stream.h"

/* The 'n' bytes have arrived: a listener may hear of them at once. [-0, +?, e] */
void net_arrive_push(lua_State *L, int idx, struct net_stream *s, const char *bytes, size_t n);
void net_arrive_eof(lua_State *L, int idx); /* [-0, +0, e] */
/* unshift of the chunk on the top; pushes whether more is wanted. [-1, +1, e] */
void net_arrive_unshift(lua_State *L, int idx);
/* unshift(nil): the end, of the program's making. [-0, +0, e] */
void net_arrive_unshift_end(lua_State *L, int idx);

#endif
