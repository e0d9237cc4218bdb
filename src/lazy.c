/* SPDX-License-Identifier: MIT
 *
 * lazy.c - what is opened when the Lua half first asks for it.
 *
 * To make a class, and to put its functions into tables, costs more than to call one of
 * them, and a program that listens needs a third of what there is. So the core table has an
 * __index, which opens what a missing field belongs to.
 *
 * What has a finalizer that others rely upon to run late when the state closes is not in
 * here but in core.c: one that is made meanwhile is not finalised at all. Tasks have an
 * opening of their own, open_tasks().
 *
 * The same goes for methods that are written in Lua: lazy.lua has the list, and the first
 * look at one loads its module.
 *
 * Refused: such a function for each. Twenty modules use a field or two of these rooms, and
 * each would have to know where it comes from. */
#include "lazy.h"

#include <lauxlib.h>
#include <string.h>

#include "address/blocklist.h"
#include "address/socketaddress.h"
#include "base/json.h"
#include "connect/boundsocket.h"
#include "connect/dial.h"
#include "loop/timeout.h"
#include "luasocket/watch.h"
#include "process/processes.h"

enum { FIELDS = 14 };

/* A socket that is made from a BoundSocket gets a dial, in C. [-0, +0, m] */
static void open_bound(lua_State *L) {
  lua_getfield(L, -1, "dial");
  lua_pop(L, 1);
  net_boundsocket_open(L);
}

/* The fields of the core that a function sets, the last one first: where that is there, all
 * is. What core.server gets with "acceptor" is called with a Descriptor, which nobody has
 * before. */
static const struct lazy {
  void (*open)(lua_State *L);
  const char *fields[FIELDS];
} all[] = {
  { net_socketaddress_open, { "socketaddress", "SocketAddress" } },
  { net_blocklist_open, { "blocklist", "BlockList" } },
  { open_bound, { "boundsocket", "BoundSocket" } },
  { net_dial_open, { "dial", "Dial" } },
  { net_timeout_open, { "immediate", "Immediate", "timeout", "Timeout" } },
  { net_json_open, { "json" } },
  { net_luasocket_open, { "open_luasocket" } },
  { net_processes_open,
    { "child", "ChildProcess", "handover", "monotonic_usec", "notify", "handles", "acceptor",
      "inherited", "channel", "Channel", "descriptor" } },
};

/* What the field belongs to; NULL: nothing of ours. */
static const struct lazy *find(const char *name) {
  for (const struct lazy *l = all; l < all + sizeof all / sizeof *all; l++)
    for (int i = 0; i < FIELDS && l->fields[i]; i++)
      if (strcmp(l->fields[i], name) == 0)
        return l;
  return NULL;
}

/* __index(core, name) */
static int lazy_index(lua_State *L) {
  const struct lazy *l = lua_type(L, 2) == LUA_TSTRING ? find(lua_tostring(L, 2)) : NULL;
  if (l == NULL)
    return 0;
  lua_pushvalue(L, 1);
  l->open(L);
  lua_settop(L, 2);
  lua_rawget(L, 1);
  return 1;
}

static int core_next(lua_State *L) {
  lua_settop(L, 2);
  if (lua_next(L, 1))
    return 2;
  lua_pushnil(L);
  return 1;
}

/* __pairs(core): whoever goes through it finds all that there may be */
static int lazy_pairs(lua_State *L) {
  lua_settop(L, 1);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    lua_getfield(L, 1, all[i].fields[0]);
    lua_settop(L, 1);
  }
  lua_pushcfunction(L, core_next);
  lua_insert(L, 1);
  lua_pushnil(L);
  return 3;
}

/* --- methods --------------------------------------------------------------------- */

/* Pushes the module of the method at 2, of the table in that upvalue. [-0, +1, -] */
static int push_module(lua_State *L, int upvalue) {
  lua_pushvalue(L, 2);
  return lua_istable(L, lua_upvalueindex(upvalue)) &&
         lua_rawget(L, lua_upvalueindex(upvalue)) == LUA_TSTRING;
}

/* __index(methods, name) -> the method, from the module that has it, or nil */
static int method_index(lua_State *L) {
  lua_settop(L, 2);
  if (!push_module(L, 1) && !push_module(L, 2))
    return 0;
  lua_getglobal(L, "require");
  lua_insert(L, -2);
  lua_call(L, 1, 0);
  lua_settop(L, 2);
  lua_rawget(L, 1);
  return 1;
}

/* Takes out of the methods at 'methods' those of the table at 'lazy' whose modules are not
 * loaded: what is there is of modules that a program has thrown away. [-0, +0, m] */
static void forget_methods(lua_State *L, int methods, int lazy) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  while (lua_istable(L, lazy) && lua_next(L, lazy)) {
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pushvalue(L, -2);
      lua_pushnil(L);
      lua_rawset(L, methods);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, methods);
}

/* lazy_methods(class, {name = module, ...} [, {name = module, ...}]): methods that those
 * modules put into the class when they are loaded */
static int core_lazy_methods(lua_State *L) {
  lua_settop(L, 3);
  lua_getfield(L, 1, "methods");
  if (lua_getmetatable(L, 4)) { /* the Lua half is loaded anew */
    lua_settop(L, 4);
    forget_methods(L, 4, 2);
    forget_methods(L, 4, 3);
  }
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_pushcclosure(L, method_index, 2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, 4);
  return 0;
}

void net_lazy_open(lua_State *L) {
  static const luaL_Reg meta[] = { { "__index", lazy_index },
                                   { "__pairs", lazy_pairs },
                                   { NULL, NULL } };
  lua_pushcfunction(L, core_lazy_methods);
  lua_setfield(L, -2, "lazy_methods");
  luaL_newlib(L, meta);
  lua_setmetatable(L, -2);
}
