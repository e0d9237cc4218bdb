/* SPDX-License-Identifier: MIT
 *
 * jsonvalues.c - what the reader and the writer of JSON share.
 *
 * The words for what fails are Node's, and are made by the Lua half, in
 * net.internal.jsonerrors, which is loaded by the first failure. */
#include "base/jsonvalues.h"

#include <lauxlib.h>

#include "base/error.h"

/* Registry keys; the addresses count, not the values. */
static const char null_key;
static const char array_key;

void net_json_push_null(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key); }

void net_json_push_array_metatable(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key); }

int net_json_is_null(lua_State *L, int idx) {
  int found;
  idx = lua_absindex(L, idx);
  net_json_push_null(L);
  found = lua_rawequal(L, idx, -1);
  lua_pop(L, 1);
  return found;
}

int net_json_is_marked(lua_State *L, int idx) {
  int marked;
  if (!lua_getmetatable(L, idx))
    return 0;
  net_json_push_array_metatable(L);
  marked = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return marked;
}

void net_json_room(lua_State *L, int slots) {
  if (!lua_checkstack(L, slots))
    net_error_memory(L);
}

void net_json_explain(lua_State *L, const char *name, int nargs) {
  net_json_room(L, 4);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "net.internal.jsonerrors");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  lua_insert(L, -1 - nargs);
  lua_call(L, nargs, 1);
}

/* [-0, +1, -] */
static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

/* Pushes null. [-0, +1, m] */
static void make_null(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 2);
  lua_pushliteral(L, "null");
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_setmetatable(L, -2);
}

void net_jsonvalues_open(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "Array");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);
  make_null(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &null_key);
  lua_setfield(L, -2, "null");
}
