/* SPDX-License-Identifier: MIT
 *
 * give.h - a stream whose descriptor goes to another process.
 *
 *     open ──begin──▶ given, sending ──▶ given ──take──▶ given, as never connected
 *                        └── destroy ──▶ destroyed
 *
 * From 'begin' on the program sees a socket without a connection, which is told nothing
 * any more; what it had written before still leaves. */
#ifndef NET_GIVE_H
#define NET_GIVE_H

#include "stream/stream.h"

enum net_give {
  NET_GIVE_NOTHING, /* there is no descriptor: not connected, closed, given already */
  NET_GIVE_NEVER,   /* what is under it is no descriptor, or more than that */
  NET_GIVE_MAY
};

/* What could be given away of it. */
enum net_give net_give_state(const struct net_stream *s);
/* The stream at absolute 'idx', which NET_GIVE_MAY be, reads no more, is not counted any
 * more, has no timeout, and looks as one without a connection. [-0, +0, e] */
void net_give_begin(lua_State *L, int idx);
/* Its descriptor, once nothing of it is unsent: the caller's; -1 before that, or if it was
 * destroyed meanwhile. [-0, +0, -] */
int net_give_take(lua_State *L, int idx);
/* Takes out and pushes what it had read and nobody has consumed: bytes, also if they were
 * decoded as UTF-8; nil where they cannot be told from the text. [-0, +1, m] */
void net_give_push_read(lua_State *L, int idx);

#endif
