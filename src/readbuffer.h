/* SPDX-License-Identifier: MIT
 *
 * readbuffer.h - the bytes that a stream has read and nobody has consumed.
 *
 * A first-in first-out queue of chunks, Lua strings in a table that is made when it
 * is first needed: a stream that flows has none. Two cursors, in the stream, tell
 * which of its slots hold chunks, and 'rbuf_off' how much of the first is taken.
 *
 * When there is something to read, and who hears of it, is for readable.c to say. */
#ifndef NET_READBUFFER_H
#define NET_READBUFFER_H

#include "stream.h"

/* Puts the chunk on the top behind, or before, all others. [-1, +0, m] */
void net_rb_append(lua_State *L, int idx);
void net_rb_prepend(lua_State *L, int idx);
/* Bytes of the first chunk, of which there has to be one. [-0, +0, m] */
size_t net_rb_first(lua_State *L, int idx);
/* Pushes the first 'n' bytes, and takes them out. [-0, +1, m] */
void net_rb_take(lua_State *L, int idx, size_t n);
/* Pushes all there is as one chunk; it stays. [-0, +1, m] */
void net_rb_peek(lua_State *L, int idx);
/* Replaces it by the chunk on the top. [-1, +0, -] */
void net_rb_replace(lua_State *L, int idx);
/* Forgets all; the table is for the caller to drop. */
void net_rb_reset(struct net_stream *s);

#endif
