/* SPDX-License-Identifier: MIT
 *
 * atexit.h - what was written is sent although the program ends, or forks, before the
 * turn is over.
 *
 * A small write leaves when the listener that made it is done (request.c). os.exit()
 * in between closes no Lua state, so that no finalizer would send it, and after fork(2)
 * the child has a copy of it, which would be sent twice. Node, which writes at once,
 * loses and repeats nothing there. The child may run the loop too: libev is told. */
#ifndef NET_ATEXIT_H
#define NET_ATEXIT_H

#include "loop/loop.h"

/* Between these two calls exit(3) and fork(2) in this thread first send what waits for
 * the turn's end. */
void net_atexit_enter(struct net_loop *loop);
void net_atexit_leave(struct net_loop *loop);
/* Sends it now, for an atexit(3) function that has to come behind another library's. */
void net_atexit_flush(void);
/* A descriptor that no child made by fork(2) is to have: closed there before fork returns,
 * and its number is -1. */
struct net_unshared {
  int *fd; /* borrowed; NULL: none */
  struct net_unshared *next, **at;
};
void net_atexit_unshare(struct net_unshared *u, int *fd);
/* Is about to be closed, or is another's. */
void net_atexit_share(struct net_unshared *u);
/* What a child made by fork(2) has a copy of, and is its parent's: in the first turn there
 * 'let_go' is called, once. Part of its owner, who has set it to 0. */
struct net_parents {
  void (*let_go)(lua_State *L, struct net_parents *p); /* lets no 'next' go; [-0, +0, -] */
  unsigned forks;                                      /* of the process that has it */
  struct net_parents *next, **at;
};
void net_atexit_keep(struct net_loop *loop, struct net_parents *p,
                     void (*let_go)(lua_State *L, struct net_parents *p));
void net_atexit_drop(struct net_parents *p);
/* Is this process such a child? Also before its first turn, and when it was dropped. */
int net_atexit_is_parents(const struct net_parents *p);
/* Is called in each turn; true in the first in such a child. */
int net_atexit_look(struct net_loop *loop);
/* A number that is another one in a child made by fork(2). */
unsigned net_atexit_forks(void);
/* To be called once before. [-0, +0, e] */
void net_atexit_open(lua_State *L);

#endif
