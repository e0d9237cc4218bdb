/* SPDX-License-Identifier: MIT
 *
 * readbuffer.h - bytes that were read and nobody has consumed.
 *
 * A first-in first-out queue of chunks, Lua strings in a table that is made when it
 * is first needed: a stream that flows has none. It belongs to the userdata at 'idx', as
 * its slot SLOT_RBUF; of that nothing else is known here.
 *
 * When there is something to read, and who hears of it, is for readable.c to say. */
#ifndef NET_READBUFFER_H
#define NET_READBUFFER_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct net_readbuffer {
  size_t hwm;          /* bytes; reading stops from here on */
  size_t len;          /* bytes buffered */
  uint64_t off : 48;   /* bytes of the first chunk already taken */
  uint64_t moves : 16; /* what was there is there no more, or not where it was: a count. A new
                          string may have a finalizer run, which may read */
  uint32_t head, tail; /* chunks [head, tail) */
};

/* A search for a text, which goes on where it stopped when more has come: each byte is
 * looked at once, however the chunks are cut; anew, if bytes have moved. */
struct net_rb_search {
  const char *what; /* borrowed */
  size_t len;       /* its bytes */
  size_t matched;   /* of them, by the last that were looked at */
  size_t before;    /* bytes before 'chunk' */
  uint32_t chunk;   /* the first that was not looked at */
  unsigned moves;   /* those of the buffer, when it began */
};

/* Begins one at the first byte. */
void net_rb_search(struct net_rb_search *at, const struct net_readbuffer *b, const char *what,
                   size_t len);
/* Goes on; returns behind how many bytes the text ends, or 0: it is not there yet. After
 * that it has ended. [-0, +0, -] */
size_t net_rb_find(lua_State *L, int idx, const struct net_readbuffer *b, struct net_rb_search *at);

/* Puts the chunk on the top behind, or before, all others. [-1, +0, m] */
void net_rb_append(lua_State *L, int idx, struct net_readbuffer *b);
void net_rb_prepend(lua_State *L, int idx, struct net_readbuffer *b);
/* Bytes of the first chunk, of which there has to be one. [-0, +0, m] */
size_t net_rb_first(lua_State *L, int idx, const struct net_readbuffer *b);
/* Pushes the first 'n' bytes, and takes them out; 0, and nothing is pushed: they have moved since
 * there were 'moves', and all has to be looked at anew. [-0, +(0|1), m] */
int net_rb_take(lua_State *L, int idx, struct net_readbuffer *b, size_t n, unsigned moves);
/* Pushes the first 'n' bytes as one chunk; they stay. They may have moved since. [-0, +1, m] */
void net_rb_peek(lua_State *L, int idx, const struct net_readbuffer *b, size_t n);
/* Drops the first 'n' bytes, which there have to be. [-0, +0, -] */
void net_rb_skip(lua_State *L, int idx, struct net_readbuffer *b, size_t n);
/* What is left of the first chunk, which is pushed to live as long as it is looked at; NULL:
 * there is none, and nothing is pushed. [-0, +(0|1), -] */
const char *net_rb_head(lua_State *L, int idx, const struct net_readbuffer *b, size_t *len);
/* net_rb_skip, of less than is left of the first chunk. */
static inline void net_rb_skip_part(struct net_readbuffer *b, size_t n) {
  b->off += n;
  b->len -= n;
  b->moves++;
}
/* The byte at place 'n', from 0; -1 if there are less. [-0, +0, -] */
int net_rb_byte(lua_State *L, int idx, const struct net_readbuffer *b, size_t n);
/* Replaces it by the chunk on the top. [-1, +0, -] */
void net_rb_replace(lua_State *L, int idx, struct net_readbuffer *b);
/* Forgets all; the table is for the caller to drop. */
void net_rb_reset(struct net_readbuffer *b);

#endif
