/* SPDX-License-Identifier: MIT
 *
 * ahead.h - what was read from a plain socket and nobody has received yet. */
#ifndef NET_AHEAD_H
#define NET_AHEAD_H

#include <lua.h>
#include <stdlib.h>

struct net_ahead {
  char *base; /* owned; NULL: there is no room yet */
  size_t at;  /* where the first byte is */
  size_t len, room;
  size_t searched; /* so many from the first on have no LF among them */
  unsigned takes;  /* counts how often bytes have gone: a finalizer may take some amid all that
                      wants memory */
};

/* Frees it; it may be used again. [-] */
static inline void net_ahead_free(struct net_ahead *a) {
  free(a->base);
  *a = (struct net_ahead){ .takes = a->takes + 1 };
}

/* Adds how it is filled and taken from to the table on the top. [-0, +0, m] */
void net_ahead_open(lua_State *L);

#endif
