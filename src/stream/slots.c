/* SPDX-License-Identifier: MIT
 *
 * slots.c - the table of what few streams have. See slots.h. */
#include "stream/slots.h"

int net_rare_get(lua_State *L, int idx, int key) {
  if (lua_getiuservalue(L, idx, VAL_RARE) != LUA_TTABLE)
    return LUA_TNIL;
  int type = lua_rawgeti(L, -1, key);
  lua_remove(L, -2);
  return type;
}

void net_rare_set(lua_State *L, int idx, int key) {
  if (key > SLOT_DECODER) /* behind the list of those that come first */
    net_object_map(L, idx, VAL_RARE);
  else
    net_object_table(L, idx, VAL_RARE);
  lua_insert(L, -2);
  lua_rawseti(L, -2, key);
  lua_pop(L, 1);
}
