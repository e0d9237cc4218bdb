/* SPDX-License-Identifier: MIT
 *
 * configure.c - a SecureContext is made, and what every one has.
 *
 * The defaults are on the safe side: no renegotiation, no compression, a security level of
 * at least 2, whatever libssl was built with, and no cache of sessions inside of libssl,
 * which would be one more place where a session outlives its rights. Which versions and
 * ciphers there are is for who calls: the numbers come from Lua, where the names are.
 *
 * A password callback is set on every SSL_CTX before anything is read: without one libssl
 * asks the terminal, and a server hangs at its start. */
#include "tls/context/configure.h"

#include <lauxlib.h>
#include <string.h>

#include "tls/base/error.h"
#include "tls/context/anchors.h"
#include "tls/context/context.h"
#include "tls/context/credentials.h"
#include "tls/context/parameters.h"
#include "tls/context/tickets.h"
#include "tls/context/verify.h"

/* The lowest security level, see SSL_CTX_set_security_level(3): 112 bits, so no RSA below
 * 2048 bits and no SHA-1. */
enum { LEVEL = 2 };

/* From 3.2 on OpenSSL compresses certificates, if it was built with a library for that, unless it
 * is told not to: as in Node, which does so only where it is asked. */
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
#define NO_COMPRESSION                                                                             \
  (SSL_OP_NO_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |                                  \
   SSL_OP_NO_RX_CERTIFICATE_COMPRESSION)
#else
#define NO_COMPRESSION SSL_OP_NO_COMPRESSION
#endif

/* What is the same in all of them; 0 if libssl has no memory. */
static int configure_defaults(SSL_CTX *ctx) {
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | NO_COMPRESSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL |
                                        SSL_SESS_CACHE_NO_AUTO_CLEAR);
  if (SSL_CTX_get_security_level(ctx) < LEVEL)
    SSL_CTX_set_security_level(ctx, LEVEL);
  net_tls_credentials_install(ctx);
  net_tls_verify_install(ctx);
  return net_tls_tickets_install(ctx);
}

static const SSL_METHOD *configure_method(const char *side) {
  if (side && strcmp(side, "client") == 0)
    return TLS_client_method();
  return side && strcmp(side, "server") == 0 ? TLS_server_method() : TLS_method();
}

/* Sets the versions. Those that the program has not told are the narrower of ours and of those
 * that the system's openssl.cnf has set by now: who allows less there means all programs. */
static int set_versions(SSL_CTX *ctx, int min, int max, int is_min_told, int is_max_told) {
  int system_min = (int)SSL_CTX_get_min_proto_version(ctx);
  int system_max = (int)SSL_CTX_get_max_proto_version(ctx);
  if (!is_min_told && system_min > min)
    min = system_min;
  if (!is_max_told && system_max != 0 && system_max < max)
    max = system_max;
  return SSL_CTX_set_min_proto_version(ctx, min) && SSL_CTX_set_max_proto_version(ctx, max);
}

/* new(min, max, side, is_min_told, is_max_told) -> SecureContext, or nil and what is wrong
 * The versions are numbers of libssl's, 0 for its lowest; 'side' is "client" or "server"
 * if it is to serve on that side only. [-0, +(1|2), e] */
static int configure_new(lua_State *L) {
  int min = (int)luaL_checkinteger(L, 1), max = (int)luaL_checkinteger(L, 2);
  const char *side = luaL_optstring(L, 3, NULL);
  struct net_tls_context *c = net_tls_context_push(L);
  ERR_clear_error();
  c->ctx = SSL_CTX_new(configure_method(side));
  if (c->ctx && configure_defaults(c->ctx) &&
      set_versions(c->ctx, min, max, lua_toboolean(L, 4), lua_toboolean(L, 5)))
    return 1;
  lua_pushnil(L);
  net_tls_push_error(L);
  return 2;
}

/* is(v) -> whether it is a SecureContext, [-0, +1, -] */
static int configure_is(lua_State *L) {
  lua_pushboolean(L, net_tls_context_test(L, 1) != NULL);
  return 1;
}

/* set_min_version(context, version), [-0, +(0|1), e] */
static int configure_set_min_version(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  int version = (int)luaL_checkinteger(L, 2);
  ERR_clear_error();
  if (SSL_CTX_set_min_proto_version(c->ctx, version))
    return 0;
  net_tls_push_error(L);
  return 1;
}

/* set_options(context, bits): adds SSL_OP_* bits, [-0, +0, e] */
static int configure_set_options(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  SSL_CTX_set_options(c->ctx, (uint64_t)luaL_checkinteger(L, 2));
#else
  SSL_CTX_set_options(c->ctx, (unsigned long)luaL_checkinteger(L, 2));
#endif
  return 0;
}

/* set_session_id_context(context, bytes), [-0, +(0|1), e] */
static int configure_set_session_id_context(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  size_t len;
  const char *id = luaL_checklstring(L, 2, &len);
  ERR_clear_error();
  if (SSL_CTX_set_session_id_context(c->ctx, (const unsigned char *)id, (unsigned)len))
    return 0;
  net_tls_push_error(L);
  return 1;
}

/* set_session_timeout(context, seconds), [-0, +0, e] */
static int configure_set_session_timeout(lua_State *L) {
  SSL_CTX_set_timeout(net_tls_context_check(L, 1)->ctx, (long)luaL_checkinteger(L, 2));
  return 0;
}

static const luaL_Reg configure_functions[] = {
  { "new", configure_new },
  { "is", configure_is },
  { "set_min_version", configure_set_min_version },
  { "set_options", configure_set_options },
  { "set_session_id_context", configure_set_session_id_context },
  { "set_session_timeout", configure_set_session_timeout },
  { NULL, NULL }
};

void net_tls_configure_open(lua_State *L) {
  luaL_newlib(L, configure_functions);
  net_tls_credentials_open(L);
  net_tls_anchors_open(L);
  net_tls_parameters_open(L);
  net_tls_tickets_open(L);
  lua_setfield(L, -2, "context");
}
