/* SPDX-License-Identifier: MIT
 *
 * census.c - lists of the objects that the loop can call.
 *
 * For what is asked seldom, as for the connections of a server that is to end: the registry
 * has each of them already. A list in each object, or each server, was refused: it would
 * cost every connection two pointers and some work.
 *
 * The registry may not get new keys while it is walked, and a finalizer may give it some.
 * So memory is asked for only before a walk: the first one counts, and those that put
 * objects into the list are repeated until it has room for all. */
#include "loop/census.h"

/* Which objects are meant. */
struct census {
  const struct net_class *cls;
  net_census_test *is;
  const void *arg;
};

/* Is the value on the top, whose key is below it, an object's own entry in the registry,
 * which others may refer to it by as well, and is it meant? [-0, +0, -] */
static int is_meant(lua_State *L, const struct census *c) {
  if (!lua_isinteger(L, -2) || !net_object_derives(L, lua_gettop(L), c->cls))
    return 0;
  const struct net_object *o = lua_touserdata(L, -1);
  return o->self == lua_tointeger(L, -2) && c->is(o, c->arg);
}

/* Puts those that are meant into the table on the top, as many as 'room'; returns how many
 * there are. [-0, +0, -] */
static int walk(lua_State *L, const struct census *c, int room) {
  int list = lua_gettop(L), n = 0;
  lua_pushnil(L);
  while (lua_next(L, LUA_REGISTRYINDEX)) {
    if (is_meant(L, c) && n++ < room) {
      lua_pushvalue(L, -1);
      lua_rawseti(L, list, n);
    }
    lua_pop(L, 1);
  }
  return n;
}

void net_census_list(lua_State *L, const struct net_class *cls, net_census_test *is,
                     const void *arg) {
  const struct census c = { cls, is, arg };
  int room, n;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushnil(L); /* in the place of the list */
  n = walk(L, &c, 0);
  do {
    room = n;
    lua_pop(L, 1);
    lua_createtable(L, room, 0);
    n = walk(L, &c, room);
  } while (n > room);
}
