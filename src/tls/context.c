/* SPDX-License-Identifier: MIT
 *
 * context.c - SecureContext, the object. See context.h.
 *
 * It is freed by the collector: connections hold references of their own to the SSL_CTX. */
#include "tls/context.h"

#include <lauxlib.h>

#include "tls/error.h"
#include "tls/net.h"

struct net_tls_context *net_tls_context_test(lua_State *L, int idx) {
  return luaL_testudata(L, idx, NET_TLS_CONTEXT);
}

struct net_tls_context *net_tls_context_check(lua_State *L, int idx) {
  struct net_tls_context *c = net_tls_context_test(L, idx);
  if (c == NULL)
    net_tls_raise(L, "ERR_TLS_INVALID_CONTEXT", 0);
  return c;
}

static int context_gc(lua_State *L) {
  struct net_tls_context *c = lua_touserdata(L, 1);
  SSL_CTX_free(c->ctx);
  c->ctx = NULL;
  return 0;
}

static int core_new(lua_State *L) {
  struct net_tls_context *c = lua_newuserdatauv(L, sizeof *c, 0);
  c->ctx = NULL;
  luaL_setmetatable(L, NET_TLS_CONTEXT);
  ERR_clear_error();
  c->ctx = SSL_CTX_new(TLS_method());
  if (c->ctx == NULL || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) ||
      !SSL_CTX_set_max_proto_version(c->ctx, TLS1_3_VERSION))
    return net_tls_raise_error(L);
  return 1;
}

void net_tls_context_open(lua_State *L) {
  luaL_newmetatable(L, NET_TLS_CONTEXT);
  lua_pushcfunction(L, context_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, core_new);
  lua_setfield(L, -2, "new");
  lua_setfield(L, -2, "context");
}
