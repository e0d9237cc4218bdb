/* SPDX-License-Identifier: MIT
 *
 * context.h - SecureContext: what connections are made of, an SSL_CTX as a Lua object.
 *
 * This is the object alone; configure.h has how one is made. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <lua.h>

#include "tls/base/net.h"
#include "tls/base/openssl.h"

#define NET_TLS_CONTEXT "net.tls.SecureContext" /* name of its metatable in the registry */

struct net_tls_context {
  struct net_kept kept;
  SSL_CTX *ctx; /* owned; a connection takes a reference of its own (SSL_new does) */
  int shares;   /* its store is the default one, which is not to be changed: see anchors.h */
};

/* The context at 'idx', NULL if it is none, or was never made. [-0, +0, m] */
struct net_tls_context *net_tls_context_test(lua_State *L, int idx);
/* The same; raises ERR_TLS_INVALID_CONTEXT where it is none. [-0, +0, e] */
struct net_tls_context *net_tls_context_check(lua_State *L, int idx);
/* Pushes one without an SSL_CTX, which it will own. [-0, +1, m] */
struct net_tls_context *net_tls_context_push(lua_State *L);

/* Makes the metatable. [-0, +0, m] */
void net_tls_context_open(lua_State *L);

#endif
