/* SPDX-License-Identifier: MIT
 *
 * pairs.c - first-in first-out lists of two values, each in a Lua table. See pairs.h. */
#include "process/pairs.h"

#include "loop/object.h"

#define PAIRS_KEPT 1024 /* in a table that is empty; a longer one is given back */

void net_pairs_table(lua_State *L, int idx, int n, struct net_pairs *p) {
  if (p->head == p->tail && p->tail > PAIRS_KEPT) {
    lua_pushnil(L);
    lua_setiuservalue(L, idx, n);
  }
  if (p->head == p->tail)
    p->head = p->tail = 0;
  net_object_table(L, idx, n);
}

lua_Integer net_pairs_slot(lua_State *L, const struct net_pairs *p, int table) {
  lua_Integer at = 2 * p->tail + 1;
  for (lua_Integer i = at + 1; i >= at; i--) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, i);
  }
  return at;
}

void net_pairs_pop(lua_State *L, struct net_pairs *p) {
  int table = lua_gettop(L);
  lua_Integer at = 2 * p->head++ + 1;
  lua_rawgeti(L, table, at);
  lua_rawgeti(L, table, at + 1);
  for (lua_Integer i = at; i <= at + 1; i++) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, table, i); /* it is there, so no memory is needed */
  }
}
