/* SPDX-License-Identifier: MIT
 *
 * shared.c - what the connections of one Lua state share. See shared.h.
 *
 * Not variables of the process: states in two threads would write each other's buffers. */
#include "tls/shared.h"

#include <lauxlib.h>
#include <stdlib.h>

static const char shared_key; /* registry: the userdata that holds it */

static int shared_gc(lua_State *L) {
  struct net_tls_shared **box = lua_touserdata(L, 1);
  if (*box)
    net_tls_shared_release(*box);
  *box = NULL;
  return 0;
}

/* Pushes a userdata that owns a new one. [-0, +1, m] */
static struct net_tls_shared *shared_make(lua_State *L) {
  struct net_tls_shared **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, shared_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  *box = calloc(1, sizeof **box);
  if (*box == NULL)
    luaL_error(L, "not enough memory");
  else
    (*box)->refs = 1;
  return *box;
}

struct net_tls_shared *net_tls_shared_get(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &shared_key);
  struct net_tls_shared **box = lua_touserdata(L, -1);
  struct net_tls_shared *shared = box ? *box : NULL;
  lua_pop(L, 1);
  if (shared == NULL) {
    shared = shared_make(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &shared_key);
  }
  shared->refs++;
  return shared;
}

void net_tls_shared_release(struct net_tls_shared *shared) {
  if (--shared->refs > 0)
    return;
  for (int i = 0; i < NET_TLS_DEPTHS; i++)
    free(shared->sets[i]);
  free(shared);
}
