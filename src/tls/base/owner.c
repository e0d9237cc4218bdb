/* SPDX-License-Identifier: MIT
 *
 * owner.c - a userdata that owns something of C's. See owner.h. */
#include "tls/base/owner.h"

#include <lauxlib.h>

static void owner_end(struct net_kept *kept) {
  struct net_tls_owner *owner = (struct net_tls_owner *)kept;
  void *what = owner->what;
  net_kept_drop(kept);
  owner->what = NULL;
  if (what)
    owner->drop(what);
}

static int owner_gc(lua_State *L) {
  owner_end(lua_touserdata(L, 1));
  return 0;
}

struct net_tls_owner *net_tls_owner_push(lua_State *L, void (*drop)(void *what)) {
  struct net_tls_owner *owner = lua_newuserdatauv(L, sizeof *owner, 0);
  *owner = (struct net_tls_owner){ .drop = drop };
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, owner_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  net_tls_net->keep(L, &owner->kept, owner_end);
  return owner;
}
