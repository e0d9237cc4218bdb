/* SPDX-License-Identifier: MIT
 *
 * connections.c - which connections a server has, for lua/net/internal/server/drain.lua.
 *
 * A server counts its connections, and each knows who counts it: that is enough to find
 * them when they are asked for. */
#include "loop/census.h"
#include "server/server.h"

/* Is the stream one that the owner at 'arg' counts? It does from accept to destroy(). */
static int is_counted(const struct net_object *o, const void *arg) {
  return net_container_of(o, const struct net_stream, o)->owner == arg;
}

/* sockets(server) -> a new list of its open connections, in no order */
static int core_sockets(lua_State *L) {
  const struct net_server *s = net_server_check(L, 1);
  net_census_list(L, &net_stream_class, is_counted, &s->owner);
  return 1;
}

/* set_draining(server, on): what the field says until the next listen */
static int core_set_draining(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  s->flags &= ~(uint32_t)SERVER_DRAINING;
  s->flags |= lua_toboolean(L, 2) ? SERVER_DRAINING : 0;
  return 0;
}

static const luaL_Reg connection_functions[] = {
  { "sockets", core_sockets },
  { "set_draining", core_set_draining },
  { NULL, NULL },
};

void net_connections_open(lua_State *L) {
  lua_getfield(L, -1, "server");
  luaL_setfuncs(L, connection_functions, 0);
  lua_pop(L, 1);
}
