/* SPDX-License-Identifier: MIT
 *
 * finish.h - how the writable half of a stream ends: finish(), the FIN, 'finish'. */
#ifndef NET_FINISH_H
#define NET_FINISH_H

#include "stream/stream.h"

/* finish(chunk or nil, callback or nil), both on the top. [-2, +0, e] */
void net_finish(lua_State *L, int idx);
/* The tick that ends the writable half after the peer has. [-0, +0, e] */
void net_finish_end_tick(lua_State *L, const struct net_step *step);
/* The transport can be written to: the FIN may have waited for that. [-0, +0, e] */
void net_finish_writable(lua_State *L, int idx);
/* A write has completed: if it was the last, the end begins. [-0, +0, e] */
void net_finish_maybe(lua_State *L, int idx);

/* Has finish() callbacks that have not been called? [-0, +0, -] */
int net_finish_is_awaited(lua_State *L, int idx);
/* Calls them, with the error at 'err' or none (0). [-0, +0, m] */
void net_finish_tell(lua_State *L, int idx, int err);
/* Has them called on the tick, with the stream's error, as it starts over. [-0, +0, e] */
void net_finish_dismiss(lua_State *L, int idx);

#endif
