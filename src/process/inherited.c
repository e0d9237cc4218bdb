/* SPDX-License-Identifier: MIT
 *
 * inherited.c - what the process that started this one has left in the environment.
 *
 * A parent tells of a channel by variables. They are for this process and not for its
 * children, so they are read and removed when the library is loaded, before it has any
 * thread; a second Lua state finds none, as there is one channel. */
#include "process/inherited.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/sys.h"

static const char found_key; /* registry: what there was, until it is taken */

/* Moves a variable into a field of the table on the top. [-0, +0, m] */
static void take(lua_State *L, const char *name, const char *field) {
  lua_pushstring(L, getenv(name));
  lua_setfield(L, -2, field);
  (void)unsetenv(name);
}

/* take() -> {channel =, mode =, id =, luanet =}, each as it was, or nil */
static int inherited_take(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &found_key);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &found_key);
  return 1;
}

/* is_unix(number) -> whether that is an open Unix stream socket */
static int inherited_is_unix(lua_State *L) {
  lua_pushboolean(L, net_sys_kind((int)luaL_checkinteger(L, 1)) == NET_FD_UNIX);
  return 1;
}

void net_inherited_open(lua_State *L) {
  static const luaL_Reg functions[] = { { "take", inherited_take },
                                        { "is_unix", inherited_is_unix },
                                        { NULL, NULL } };
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "inherited");
}

void net_inherited_look(lua_State *L) {
  if (getenv("NODE_CHANNEL_FD") == NULL)
    return;
  lua_createtable(L, 0, 4);
  take(L, "NODE_CHANNEL_FD", "channel");
  take(L, "NODE_CHANNEL_SERIALIZATION_MODE", "mode");
  take(L, "NODE_UNIQUE_ID", "id");
  take(L, "LUANET_CHANNEL", "luanet");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &found_key);
}

void net_inherited_start(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &found_key) != LUA_TNIL) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "net.internal.process.own");
    lua_call(L, 1, 0);
  }
  lua_pop(L, 1);
}
