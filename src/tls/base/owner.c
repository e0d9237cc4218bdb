/* SPDX-License-Identifier: MIT
 *
 * owner.c - a userdata that owns something of C's. See owner.h. */
#include "tls/base/owner.h"

#include <lauxlib.h>

static int owner_gc(lua_State *L) {
  struct net_tls_owner *owner = lua_touserdata(L, 1);
  void *what = owner->what;
  owner->what = NULL;
  if (what)
    owner->drop(what);
  return 0;
}

struct net_tls_owner *net_tls_owner_push(lua_State *L, void (*drop)(void *what)) {
  struct net_tls_owner *owner = lua_newuserdatauv(L, sizeof *owner, 0);
  owner->what = NULL;
  owner->drop = drop;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, owner_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return owner;
}
