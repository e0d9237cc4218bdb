/* SPDX-License-Identifier: MIT
 *
 * piece.c - what a write queue holds besides strings: life and collection. */
#include "stream/piece.h"

#include <lauxlib.h>
#include <string.h>

static const char piece_key; /* registry: the metatable */

void net_piece_close(struct net_piece *p, struct net_loop *loop) {
  const struct net_piece_class *cls = p->cls;
  p->cls = NULL;
  if (cls)
    cls->close(p, loop);
}

/* For pieces that no queue has closed: its stream is being collected too. */
static int piece_gc(lua_State *L) {
  net_piece_close(lua_touserdata(L, 1), NULL);
  return 0;
}

/* Pushes the metatable, made when missing. [-0, +1, m] */
static void push_metatable(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &piece_key) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, piece_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &piece_key);
}

void *net_piece_new(lua_State *L, const struct net_piece_class *cls, size_t size) {
  push_metatable(L);
  struct net_piece *p = lua_newuserdatauv(L, size, 0);
  memset(p, 0, size);
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  p->cls = cls; /* last: until here there is nothing to close */
  return p;
}
