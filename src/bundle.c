/* SPDX-License-Identifier: MIT
 *
 * bundle.c - the modules of lua/net, compiled, inside the core.
 *
 * Compiling Lua and looking for its files was half of the time between the start of
 * a program and its first "listening". So the build compiles the modules, and `require`
 * finds them here; all but the first, lua/net/init.lua, which requires this core. Nor is
 * a module missing to a program that has changed its directory or its root, or that
 * needs the texts of errors when it has run out of descriptors.
 *
 * Lua refuses code that was compiled for other numbers or another version than its
 * own; as this core was compiled for those, too, it would not get that far. */
#include "bundle.h"

#include <lauxlib.h>
#include <string.h>

static const struct net_bundled *find(const char *name) {
  const struct net_bundled *module = net_bundled;
  while (module->name && strcmp(module->name, name) != 0)
    module++;
  return module;
}

/* loader(name) -> what the module returns, [-0, +1, e] */
static int load_bundled(lua_State *L) {
  const struct net_bundled *module = find(luaL_checkstring(L, 1));
  if (!module->name)
    return luaL_error(L, "net.core has no module '%s'", lua_tostring(L, 1));
  if (luaL_loadbufferx(L, (const char *)module->code, module->size, module->name, "b") != LUA_OK)
    return lua_error(L);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* __index(preload, name) -> the loader of a module of ours, or nil */
static int preload_index(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING || !find(lua_tostring(L, 2))->name)
    return 0;
  lua_pushcfunction(L, load_bundled);
  return 1;
}

/* Puts all loaders into the table at 'idx'. What a program put there itself stays.
 * [-0, +0, e] */
static void fill(lua_State *L, int idx) {
  for (const struct net_bundled *module = net_bundled; module->name; module++) {
    if (lua_getfield(L, idx, module->name) == LUA_TNIL || lua_tocfunction(L, -1) == load_bundled) {
      lua_pushcfunction(L, load_bundled);
      lua_setfield(L, idx, module->name);
    }
    lua_pop(L, 1);
  }
}

static int next_loader(lua_State *L) {
  lua_settop(L, 2);
  if (lua_next(L, 1))
    return 2;
  lua_pushnil(L);
  return 1;
}

/* __pairs(preload): whoever goes through the table finds all of them, and may take one out */
static int preload_pairs(lua_State *L) {
  lua_settop(L, 1);
  fill(L, 1);
  lua_pushnil(L);
  lua_setmetatable(L, 1);
  lua_pushcfunction(L, next_loader);
  lua_insert(L, 1);
  lua_pushnil(L);
  return 3;
}

/* The loaders are found when they are looked for, as to put all of them into the table is
 * a twentieth of what require("net") costs; into one that somebody has given a metatable,
 * they are put. */
void net_bundle_open(lua_State *L) {
  static const luaL_Reg meta[] = { { "__index", preload_index },
                                   { "__pairs", preload_pairs },
                                   { NULL, NULL } };
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getmetatable(L, -1)) {
    lua_pop(L, 1);
    fill(L, lua_gettop(L));
  } else {
    luaL_newlib(L, meta);
    lua_setmetatable(L, -2);
  }
  lua_pop(L, 1);
}
