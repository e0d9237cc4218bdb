/* SPDX-License-Identifier: MIT
 *
 * core.c - opens everything, from the bottom layer up.
 *
 * require("net.core") is for the Lua half of this library alone: a table of C
 * functions, and of classes {metatable, methods, getters, setters} to which
 * lua/net adds what is policy. Programs require("net"). The order matters: the
 * list of what is kept has to be the first userdata, and the loop the next, so that lua_close
 * finalises them last. */
#include <lauxlib.h>
#include <lua.h>

#include "base/addr.h"
#include "address/blocklist.h"
#include "bundle.h"
#include "capi.h"
#include "events/emitter.h"
#include "base/encoding.h"
#include "base/error.h"
#include "base/keep.h"
#include "connect/lookup.h"
#include "lazy.h"
#include "process/activated.h"
#include "process/inherited.h"
#include "server/server.h"
#include "events/signal.h"
#include "socket/socket.h"
#include "task/task.h"
#include "loop/turn.h"
#include "loop/uncaught.h"

static const char core_key; /* registry: the table, as long as the Lua state lives */

__attribute__((visibility("default"))) int luaopen_net_core(lua_State *L);

/* A program may empty package.loaded and package.preload and require again, as test
 * runners do. The objects there are go on with the one loop, so that is what it gets
 * again; the Lua half is loaded anew. */
int luaopen_net_core(lua_State *L) {
  luaL_checkversion(L);
  net_bundle_open(L); /* first: this alone can run code of the program's, which may raise */
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key) == LUA_TTABLE)
    return 1;
  net_keep_open(L);
  lua_createtable(L, 0, 64);
  net_activated_open(L);
  net_turn_open(L);
  net_uncaught_open(L);
  net_error_open(L);
  net_addr_open(L);
  net_encoding_open(L);
  net_emitter_open(L);
  net_signal_open(L);
  net_lookup_open(L);
  net_socket_open(L);
  net_native_open(L);
  net_server_open(L);
  net_accept_open(L);
  net_proxy_open(L);
  net_listen_open(L);
  net_connections_open(L);
  net_inherited_look(L);
  net_capi_open(L);
  net_task_open(L);
  net_lazy_open(L);
  lua_pushliteral(L, NET_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
  net_inherited_start(L);
  return 1;
}
