/* SPDX-License-Identifier: MIT
 *
 * attempt.h - the attempt of a stream to connect.
 *
 * Its dial is kept in SLOT_DIAL, and how far it has come the dial knows; that the stream is
 * connecting, which it may be without a dial while a name is looked up, is
 * 'life.connecting'. Nobody else keeps either: lua/net asks (native.c), and so does who
 * wants to know here. All may read 'life.connecting'; this alone writes it. */
#ifndef NET_ATTEMPT_H
#define NET_ATTEMPT_H

#include "connect/dial.h"
#include "stream/stream.h"

/* It is connecting from here on, or no longer. */
static inline void net_attempt_connecting(struct net_stream *s, int connecting) {
  s->life.connecting = (unsigned)connecting;
}
/* Keeps the dial on the top, of an attempt that is to come, until it is taken or closed:
 * it holds the loop while it waits. Not of a stream that is destroyed. [-1, +0, m] */
void net_attempt_set(lua_State *L, int idx);
/* Pushes the dial, or nil. [-0, +1, -] */
void net_attempt_push(lua_State *L, int idx);
/* The dial, borrowed; NULL for none. [-0, +0, -] */
struct net_dial *net_attempt_dial(lua_State *L, int idx);
/* Is the kernel at it? [-0, +0, -] */
int net_attempt_waits(lua_State *L, int idx);
/* Has the only one failed? The stream, not connecting any more, is about to be destroyed,
 * with the dial until then. [-0, +0, -] */
int net_attempt_has_failed(lua_State *L, int idx);
/* It holds the loop no more, whatever becomes of it. [-0, +0, -] */
void net_attempt_unhold(lua_State *L, int idx);
/* Hands over the descriptor of the dial, which is connected. [-0, +0, e] */
int net_attempt_take(lua_State *L, int idx, enum net_fd_kind *kind);
/* Gives it up, if there is one. [-0, +0, -] */
void net_attempt_close(lua_State *L, int idx);

#endif
