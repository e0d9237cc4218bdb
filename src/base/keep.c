/* SPDX-License-Identifier: MIT
 *
 * keep.c - what userdata own, freed also where no finalizer is called. See keep.h.
 *
 * Amid lua_close Lua calls no finalizer for what a finalizer makes. So all of these are in a
 * list, whose own userdata is the oldest of the library, older than the loop's: Lua calls its
 * finalizer behind all others, and it ends what is still there.
 *
 * Refused: a list in the registry, as a Lua table. Who joins it would need memory, and who
 * leaves it look for its place. */
#include "base/keep.h"

#include <lauxlib.h>

static const char keeper_key; /* registry: struct keeper */

struct keeper {
  struct net_kept *first;
  int ended;
};

static int keeper_gc(lua_State *L) {
  struct keeper *k = lua_touserdata(L, 1);
  k->ended = 1;
  while (k->first) {
    struct net_kept *kept = k->first;
    net_kept_drop(kept);
    kept->end(kept);
  }
  return 0;
}

int net_keep_try(lua_State *L, struct net_kept *kept, void (*end)(struct net_kept *kept)) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key);
  struct keeper *k = lua_touserdata(L, -1);
  lua_pop(L, 1);
  kept->end = end;
  kept->at = NULL;
  if (k->ended)
    return 0;
  kept->next = k->first;
  kept->at = &k->first;
  if (kept->next)
    kept->next->at = &kept->next;
  k->first = kept;
  return 1;
}

void net_keep(lua_State *L, struct net_kept *kept, void (*end)(struct net_kept *kept)) {
  if (!net_keep_try(L, kept, end))
    luaL_error(L, "net: the Lua state is closing");
}

void net_keep_open(lua_State *L) {
  int is_there = lua_rawgetp(L, LUA_REGISTRYINDEX, &keeper_key) != LUA_TNIL;
  lua_pop(L, 1);
  if (is_there)
    return; /* the library was opened in part, for want of memory */
  struct keeper *k = lua_newuserdatauv(L, sizeof *k, 0);
  *k = (struct keeper){ NULL, 0 };
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, keeper_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &keeper_key);
}
