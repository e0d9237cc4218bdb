/* SPDX-License-Identifier: MIT
 *
 * context.c - SecureContext, the object. See context.h.
 *
 * It is freed by the collector: connections hold references of their own to the SSL_CTX. */
#include "tls/context/context.h"

#include <lauxlib.h>

#include "tls/base/net.h"

struct net_tls_context *net_tls_context_test(lua_State *L, int idx) {
  struct net_tls_context *c = luaL_testudata(L, idx, NET_TLS_CONTEXT);
  return c && c->ctx ? c : NULL;
}

struct net_tls_context *net_tls_context_check(lua_State *L, int idx) {
  struct net_tls_context *c = net_tls_context_test(L, idx);
  if (c == NULL)
    net_tls_raise(L, "ERR_TLS_INVALID_CONTEXT", 0);
  return c;
}

static void context_end(struct net_kept *kept) {
  struct net_tls_context *c = (struct net_tls_context *)kept;
  net_kept_drop(kept);
  SSL_CTX_free(c->ctx);
  c->ctx = NULL;
}

struct net_tls_context *net_tls_context_push(lua_State *L) {
  struct net_tls_context *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (struct net_tls_context){ .ctx = NULL };
  luaL_setmetatable(L, NET_TLS_CONTEXT);
  net_tls_net->keep(L, &c->kept, context_end);
  return c;
}

static int context_gc(lua_State *L) {
  struct net_tls_context *c = luaL_testudata(L, 1, NET_TLS_CONTEXT);
  if (c == NULL) {
    lua_pushliteral(L, "SecureContext");
    return net_tls_raise(L, "ERR_INVALID_THIS", 1);
  }
  context_end(&c->kept);
  return 0;
}

void net_tls_context_open(lua_State *L) {
  luaL_newmetatable(L, NET_TLS_CONTEXT);
  lua_pushcfunction(L, context_gc);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "SecureContext");
  lua_setfield(L, -2, "__name"); /* so it is called in texts of errors */
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable"); /* its finalizer is nobody else's to call */
  lua_pop(L, 1);
}
