/* SPDX-License-Identifier: MIT
 *
 * piece.h - what a write queue holds besides strings: bytes that are in a kernel
 * pipe (pump.c) or in a file (sendfile.c).
 *
 * Such a piece is a userdata, whose struct begins with a net_piece. The queue sends
 * it in its turn, counts all of its bytes as buffered until it is gone, as those of
 * a string, and closes it when it was sent or will never be. */
#ifndef NET_PIECE_H
#define NET_PIECE_H

#include <errno.h>
#include <lua.h>
#include <stddef.h>

#define NET_SHORT_FILE (-ENODATA) /* of send: no socket says that */

struct net_handle;
struct net_loop;
struct net_piece;

struct net_piece_class {
  /* Sends what follows the first 'off' bytes: 0 when all of it went, -EAGAIN when
   * the kernel is full, else the failure; *n, which is 0 before, is what went. */
  int (*send)(struct net_piece *p, struct net_handle *to, struct net_loop *loop, size_t off,
              size_t *n);
  /* Gives back what it owns; 'loop' may take it, and is NULL when collecting. */
  void (*close)(struct net_piece *p, struct net_loop *loop);
};

struct net_piece {
  const struct net_piece_class *cls; /* borrowed; static; NULL after close */
  size_t len;                        /* bytes, in all */
};

/* Pushes a zeroed piece of 'size' bytes. [-0, +1, m] */
void *net_piece_new(lua_State *L, const struct net_piece_class *cls, size_t size);
void net_piece_close(struct net_piece *p, struct net_loop *loop);
/* Bytes of the string or the piece at 'idx'. */
static inline size_t net_piece_size(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING ? lua_rawlen(L, idx)
                                         : ((struct net_piece *)lua_touserdata(L, idx))->len;
}

#endif
