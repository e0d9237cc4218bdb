/* SPDX-License-Identifier: MIT
 *
 * core.c - opens everything, from the bottom layer up.
 *
 * require("net.core") is for the Lua half of this library alone: a table of C
 * functions, and of classes {metatable, methods, getters, setters} to which
 * lua/net adds what is policy. Programs require("net"). The order matters: the
 * loop's userdata has to be the first, so that lua_close finalises it last. */
#include <lauxlib.h>
#include <lua.h>

#include "addr.h"
#include "emitter.h"
#include "encoding.h"
#include "error.h"
#include "loop.h"
#include "signal.h"
#include "timer.h"

#define NET_VERSION "0.1.0"

/* Not before they exist: the linker makes 0 of a weak name that nobody has. */
#define COMING(open) __attribute__((weak)) void open(lua_State *L)
COMING(net_dial_open);
COMING(net_resolve_open);
COMING(net_socket_open);
COMING(net_server_open);

static void core_open(lua_State *L, void (*open)(lua_State *)) {
  if (open)
    open(L);
}

__attribute__((visibility("default"))) int luaopen_net_core(lua_State *L);

int luaopen_net_core(lua_State *L) {
  luaL_checkversion(L);
  lua_newtable(L);
  net_loop_open(L);
  net_error_open(L);
  net_addr_open(L);
  net_encoding_open(L);
  net_emitter_open(L);
  net_timer_open(L);
  net_signal_open(L);
  core_open(L, net_dial_open);
  core_open(L, net_resolve_open);
  core_open(L, net_socket_open);
  core_open(L, net_server_open);
  lua_pushliteral(L, NET_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
