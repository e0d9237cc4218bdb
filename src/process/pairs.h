/* SPDX-License-Identifier: MIT
 *
 * pairs.h - first-in first-out lists of two values, each in a Lua table.
 *
 * The table is a user value of an object of ours; its slots are reused, so that a list in
 * steady use allocates nothing. */
#ifndef NET_PAIRS_H
#define NET_PAIRS_H

#include <lua.h>

struct net_pairs {
  lua_Integer head, tail; /* [head, tail) are in use */
};

/* Pushes the table of the list in the user value 'n' of the object at 'idx'. [-0, +1, m] */
void net_pairs_table(lua_State *L, int idx, int n, struct net_pairs *p);
/* Makes room for one more in the table at absolute 'table', and returns where its two slots
 * are; 'tail' is for the caller to move, when both are filled. [-0, +0, m] */
lua_Integer net_pairs_slot(lua_State *L, const struct net_pairs *p, int table);
/* Takes the oldest out of the table on the top, and pushes its two values. [-0, +2, -] */
void net_pairs_pop(lua_State *L, struct net_pairs *p);

#endif
