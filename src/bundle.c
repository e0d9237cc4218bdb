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

/* What a program put there itself stays. */
void net_bundle_open(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (const struct net_bundled *module = net_bundled; module->name; module++) {
    if (lua_getfield(L, -1, module->name) == LUA_TNIL) {
      lua_pushcfunction(L, load_bundled);
      lua_setfield(L, -3, module->name);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
