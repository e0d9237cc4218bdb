/* SPDX-License-Identifier: MIT
 *
 * core.c - net.tls.core: the C half of net.tls, a library of its own beside net.core.
 *
 * It reaches the core by net_capi.h alone, and is the one part that knows OpenSSL. Programs
 * require("net.tls"). */
#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tls/base/error.h"
#include "tls/base/forks.h"
#include "tls/base/net.h"
#include "tls/base/openssl.h"
#include "tls/base/owner.h"
#include "tls/certificate/certificate.h"
#include "tls/certificate/identity.h"
#include "tls/connection/become.h"
#include "tls/connection/classes.h"
#include "tls/connection/connection.h"
#include "tls/connection/facts.h"
#include "tls/connection/psk.h"
#include "tls/connection/settings.h"
#include "tls/connection/trace.h"
#include "tls/connection/transport.h"
#include "tls/context/configure.h"
#include "tls/context/context.h"
#include "tls/luasec/luasec.h"

/* --- constants ------------------------------------------------------------------------- */

struct constant {
  const char *name;
  uint64_t value;
};

#define CONSTANT(name)                                                                             \
  { #name, (uint64_t)(name) }

static const struct constant constants[] = {
  CONSTANT(SSL_OP_ALL),
#ifdef SSL_OP_ALLOW_NO_DHE_KEX
  CONSTANT(SSL_OP_ALLOW_NO_DHE_KEX),
#endif
  CONSTANT(SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION),
  CONSTANT(SSL_OP_CIPHER_SERVER_PREFERENCE),
  CONSTANT(SSL_OP_CISCO_ANYCONNECT),
  CONSTANT(SSL_OP_COOKIE_EXCHANGE),
  CONSTANT(SSL_OP_CRYPTOPRO_TLSEXT_BUG),
  CONSTANT(SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS),
  CONSTANT(SSL_OP_LEGACY_SERVER_CONNECT),
  CONSTANT(SSL_OP_NO_COMPRESSION),
  CONSTANT(SSL_OP_NO_ENCRYPT_THEN_MAC),
  CONSTANT(SSL_OP_NO_QUERY_MTU),
  CONSTANT(SSL_OP_NO_RENEGOTIATION),
  CONSTANT(SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION),
  CONSTANT(SSL_OP_NO_SSLv2),
  CONSTANT(SSL_OP_NO_SSLv3),
  CONSTANT(SSL_OP_NO_TICKET),
  CONSTANT(SSL_OP_NO_TLSv1),
  CONSTANT(SSL_OP_NO_TLSv1_1),
  CONSTANT(SSL_OP_NO_TLSv1_2),
  CONSTANT(SSL_OP_NO_TLSv1_3),
  CONSTANT(SSL_OP_PRIORITIZE_CHACHA),
  CONSTANT(SSL_OP_TLS_ROLLBACK_BUG),
};

static void open_constants(lua_State *L) {
  lua_createtable(L, 0, sizeof constants / sizeof *constants);
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    lua_pushinteger(L, (lua_Integer)constants[i].value);
    lua_setfield(L, -2, constants[i].name);
  }
  lua_setfield(L, -2, "constants");
}

/* --- ciphers ---------------------------------------------------------------------------- */

static void free_ctx(void *ctx) { SSL_CTX_free(ctx); }

/* Pushes an owner of a context, NULL where there is no memory, and returns that. [-0, +1, m] */
static SSL_CTX *push_ctx(lua_State *L) {
  struct net_tls_owner *owner = net_tls_owner_push(L, free_ctx);
  ERR_clear_error();
  return owner->what = SSL_CTX_new(TLS_method());
}

/* ciphers() -> the names of all that OpenSSL has, as it spells and orders them */
static int core_ciphers(lua_State *L) {
  SSL_CTX *ctx = push_ctx(L);
  if (ctx == NULL || !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384:"
                                                    "TLS_CHACHA20_POLY1305_SHA256:"
                                                    "TLS_AES_128_GCM_SHA256:"
                                                    "TLS_AES_128_CCM_8_SHA256:"
                                                    "TLS_AES_128_CCM_SHA256"))
    return net_tls_raise_error(L);
  const STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
  int count = sk_SSL_CIPHER_num(list);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, SSL_CIPHER_get_name(sk_SSL_CIPHER_value(list, i)));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* --- opening ----------------------------------------------------------------------------- */

__attribute__((visibility("default"))) int luaopen_net_tls_core(lua_State *L);

/* What this turn has written is to leave before OpenSSL cleans up: functions of atexit(3)
 * run last in first out, and OpenSSL's own is registered by its initialisation. */
static void open_openssl(lua_State *L) {
  static atomic_flag is_open = ATOMIC_FLAG_INIT;
  if (!OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL))
    net_tls_raise_error(L);
  if (net_tls_forks_watch() != 0 ||
      (!atomic_flag_test_and_set(&is_open) && atexit(net_tls_net->exit_flush) != 0))
    net_tls_raise_memory(L);
}

static const char core_key; /* registry: the table, as long as the Lua state lives */

/* A program may require it again; its classes are there already, and have objects. */
int luaopen_net_tls_core(lua_State *L) {
  luaL_checkversion(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key) == LUA_TTABLE)
    return 1;
  lua_pop(L, 1);
  net_tls_net = net_capi_get(L);
  net_tls_error_open(L);
  open_openssl(L);
  lua_createtable(L, 0, 16);
  open_constants(L);
  net_tls_context_open(L);
  net_tls_configure_open(L);
  net_tls_certificate_open(L);
  net_tls_identity_open(L);
  net_tls_classes_open(L);
  net_tls_connection_open(L);
  net_tls_settings_open(L);
  net_tls_become_open(L);
  net_tls_facts_open(L);
  net_tls_psk_open(L);
  net_tls_trace_open(L);
  net_tls_transport_open(L);
  net_sec_open(L);
  lua_pushcfunction(L, core_ciphers);
  lua_setfield(L, -2, "ciphers");
  lua_pushstring(L, OpenSSL_version(OPENSSL_VERSION));
  lua_setfield(L, -2, "openssl");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
  return 1;
}
