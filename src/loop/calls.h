/* SPDX-License-Identifier: MIT
 *
 * calls.h - a first-in first-out queue of Lua calls, kept in a Lua table.
 *
 * It has the ticks that are more than a step (steps.h): the user's, and callbacks with
 * their errors. An entry is a function with its arguments; the table anchors both,
 * and its slots are reused, so that a queue in steady use allocates nothing. */
#ifndef NET_CALLS_H
#define NET_CALLS_H

#include <lua.h>
#include <stddef.h>

struct net_calls {
  int ref;                /* registry reference of the table */
  lua_Integer head, tail; /* slots [head, tail) are in use */
  lua_Integer room;       /* slots [1, room) hold something, if only false */
};

/* Makes the table. [-0, +0, m] */
void net_calls_init(lua_State *L, struct net_calls *q);
/* Queues the function and its 'nargs' arguments on the top. [-(nargs+1), +0, m] */
void net_calls_push(lua_State *L, struct net_calls *q, int nargs);
/* Makes room for entries of 'slots' in all, each nargs + 2: pushing that many next
 * cannot raise. [-0, +0, m] */
void net_calls_reserve(lua_State *L, struct net_calls *q, int slots);
/* Takes the oldest entry, which there has to be: pushes function and arguments and
 * returns the number of arguments. [-0, +(n+1), m] */
int net_calls_pop(lua_State *L, struct net_calls *q);

#endif
