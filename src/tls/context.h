/* SPDX-License-Identifier: MIT
 *
 * context.h - SecureContext: what connections share, certificates and keys, trust, versions
 * and ciphers. An SSL_CTX in a userdata. */
#ifndef NET_TLS_CONTEXT_H
#define NET_TLS_CONTEXT_H

#include <lua.h>

#include "tls/openssl.h"

#define NET_TLS_CONTEXT "net.tls.SecureContext" /* name of its metatable in the registry */

struct net_tls_context {
  SSL_CTX *ctx; /* owned; a connection takes a reference of its own (SSL_new does) */
};

/* The context at 'idx', or NULL. [-0, +0, m] */
struct net_tls_context *net_tls_context_test(lua_State *L, int idx);
/* The same; raises ERR_TLS_INVALID_CONTEXT where it is none. [-0, +0, e] */
struct net_tls_context *net_tls_context_check(lua_State *L, int idx);

/* Into the table of net.tls.core on the top: context.new() -> a context of TLS 1.2 and 1.3,
 * without certificates or anybody to trust. [-0, +0, e] */
void net_tls_context_open(lua_State *L);

#endif
