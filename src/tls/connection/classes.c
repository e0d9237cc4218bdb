/* SPDX-License-Identifier: MIT
 *
 * classes.c - TLSSocket and tls.Server: classes whose parents are net's. See classes.h. */
#include "tls/connection/classes.h"

#include <lauxlib.h>

#include "tls/base/net.h"

/* Registry: of the state, as a class lives no longer. */
static const char socket_key, server_key, accepted_key;

static const struct net_class *class_of(lua_State *L, const char *key) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  const struct net_class *class = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return class;
}

/* The Lua half hears of a connection that has been accepted. */
static void accepted(lua_State *L, int server, int socket) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &accepted_key);
  lua_pushvalue(L, server);
  lua_pushvalue(L, socket);
  lua_pushboolean(L, net_tls_net->listens(L, server, "connection"));
  lua_call(L, 3, 0);
}

static int core_on_accepted(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &accepted_key);
  return 0;
}

static int core_socket(lua_State *L) {
  net_tls_net->object_new(L, class_of(L, &socket_key));
  return 1;
}

static int core_server(lua_State *L) {
  net_tls_net->object_new(L, class_of(L, &server_key));
  net_tls_net->over(L, -1, class_of(L, &socket_key), accepted);
  return 1;
}

/* plain() -> a socket of net's, which is closed */
static int core_plain(lua_State *L) {
  net_tls_net->object_new(L, NULL);
  return 1;
}

static int core_is_socket(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, net_tls_net->stream_test(L, 1, class_of(L, &socket_key)) != NULL);
  return 1;
}

/* listens(object, event) -> boolean */
static int core_listens(lua_State *L) {
  lua_pushboolean(L, net_tls_net->listens(L, 1, luaL_checkstring(L, 2)));
  return 1;
}

/* take(to, from) -> the bytes that 'from' had read, or nil and an errno */
static int core_take(lua_State *L) {
  luaL_argcheck(L, net_tls_net->stream_test(L, 1, NULL), 1, "no socket");
  luaL_argcheck(L, net_tls_net->stream_test(L, 2, NULL), 2, "no socket");
  int err = net_tls_net->take(L, 1, 2);
  if (err == 0)
    return 1;
  lua_pushnil(L);
  lua_pushinteger(L, err);
  return 2;
}

/* Makes a class, the table of which becomes core[name]. [-0, +0, e] */
static void open_class(lua_State *L, const char *name, const char *field, int parent,
                       const char *key) {
  struct net_class *class = net_tls_net->class_new(L, name, parent);
  lua_setfield(L, -2, field);
  lua_pushlightuserdata(L, class);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void net_tls_classes_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "socket", core_socket },
    { "server", core_server },
    { "plain", core_plain },
    { "is_socket", core_is_socket },
    { "listens", core_listens },
    { "take", core_take },
    { "on_accepted", core_on_accepted },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
  open_class(L, "TLSSocket", "TLSSocket", NET_SOCKET, &socket_key);
  open_class(L, "Server", "Server", NET_SERVER, &server_key);
}
