/* SPDX-License-Identifier: MIT
 *
 * facts.c - what a connection knows of itself: versions, ciphers, sessions, certificates.
 *
 * For Lua, of the Connection; what an SSL says is inspect.c's. Each returns nothing once the
 * layer is closed, and the SSL gone. */
#include "tls/connection/facts.h"

#include <lauxlib.h>

#include "tls/base/openssl.h"
#include "tls/certificate/certificate.h"
#include "tls/connection/connection.h"
#include "tls/connection/inspect.h"
#include "tls/context/context.h"

#include <openssl/x509v3.h>

/* The SSL of the connection at index 1, or NULL. [-0, +0, e] */
static SSL *ssl_at(lua_State *L) { return net_tls_check(L, 1)->ssl; }

/* protocol() -> "TLSv1.3" */
static int connection_protocol(lua_State *L) {
  const SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  net_tls_inspect_protocol(L, ssl);
  return 1;
}

/* cipher() -> {name =, standardName =, version =} or nil */
static int connection_cipher(lua_State *L) {
  const SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  net_tls_inspect_cipher(L, ssl);
  return 1;
}

/* chosen() -> ALPN's name or false, the server's name or false */
static int connection_chosen(lua_State *L) {
  const SSL *ssl = ssl_at(L);
  const unsigned char *name = NULL;
  unsigned len = 0;
  if (ssl == NULL)
    return 0;
  SSL_get0_alpn_selected(ssl, &name, &len);
  if (len > 0)
    lua_pushlstring(L, (const char *)name, len);
  else
    lua_pushboolean(L, 0);
  const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (host)
    lua_pushstring(L, host);
  else
    lua_pushboolean(L, 0);
  return 2;
}

static int connection_reused(lua_State *L) {
  SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  lua_pushboolean(L, SSL_session_reused(ssl));
  return 1;
}

static int push_finished(lua_State *L, int of_peer) {
  const SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  net_tls_inspect_finished(L, ssl, of_peer);
  return 1;
}

static int connection_finished(lua_State *L) { return push_finished(L, 0); }

static int connection_peer_finished(lua_State *L) { return push_finished(L, 1); }

/* The session that a client was told of last, or that of the connection, or NULL. */
static SSL_SESSION *session_at(lua_State *L) {
  const struct net_tls *t = net_tls_check(L, 1);
  if (t->ssl == NULL)
    return NULL;
  return t->told ? t->told : SSL_get_session(t->ssl);
}

/* session() -> DER, or nil */
static int connection_session(lua_State *L) {
  SSL_SESSION *session = session_at(L);
  if (session == NULL)
    return 0;
  net_tls_inspect_session(L, session);
  return 1;
}

/* ticket() -> bytes, or nil */
static int connection_ticket(lua_State *L) {
  const SSL_SESSION *session = session_at(L);
  const unsigned char *ticket = NULL;
  size_t len = 0;
  if (session)
    SSL_SESSION_get0_ticket(session, &ticket, &len);
  if (ticket == NULL || len == 0)
    return 0;
  lua_pushlstring(L, (const char *)ticket, len);
  return 1;
}

/* certificate(mine, detailed) -> table, {} if there is none: the one that was sent, or the
 * peer's */
static int connection_certificate(lua_State *L) {
  const SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  if (lua_toboolean(L, 2))
    net_tls_inspect_certificate(L, ssl);
  else
    net_tls_inspect_peer_certificate(L, ssl, lua_toboolean(L, 3));
  return 1;
}

/* Pushes a certificate's DER, or nil. [-0, +1, m] */
static void push_der(lua_State *L, X509 *certificate) {
  int len = certificate ? i2d_X509(certificate, NULL) : 0;
  unsigned char *bytes = len > 0 ? lua_newuserdatauv(L, (size_t)len, 0) : NULL, *end = bytes;
  if (bytes == NULL) {
    lua_pushnil(L);
    return;
  }
  i2d_X509(certificate, &end);
  lua_pushlstring(L, (char *)bytes, (size_t)len);
  lua_remove(L, -2);
}

/* Who has issued the certificate that is shown: one of its chain, or one that its context
 * trusts. NULL, or a reference. */
static X509 *issuer_of(SSL *ssl, X509 *certificate) {
  STACK_OF(X509) *chain = NULL;
  X509_STORE_CTX *search = X509_STORE_CTX_new();
  X509 *issuer = NULL;
  X509_STORE *trusted = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
  SSL_get0_chain_certs(ssl, &chain);
  for (int i = 0; issuer == NULL && i < sk_X509_num(chain); i++)
    if (X509_check_issued(sk_X509_value(chain, i), certificate) == X509_V_OK)
      issuer = sk_X509_value(chain, i);
  if (issuer)
    X509_up_ref(issuer);
  else if (search && X509_STORE_CTX_init(search, trusted, NULL, NULL))
    (void)X509_STORE_CTX_get1_issuer(&issuer, search, certificate);
  X509_STORE_CTX_free(search);
  ERR_clear_error();
  return issuer;
}

/* [C function] (issuer): for a protected call */
static int der_of(lua_State *L) {
  push_der(L, lua_touserdata(L, 1));
  return 1;
}

/* own() -> the DER of the certificate that is shown, that of who has issued it; or nil */
static int connection_own(lua_State *L) {
  SSL *ssl = ssl_at(L);
  X509 *certificate = ssl ? SSL_get_certificate(ssl) : NULL;
  push_der(L, certificate);
  lua_pushcfunction(L, der_of);
  X509 *issuer = certificate ? issuer_of(ssl, certificate) : NULL;
  lua_pushlightuserdata(L, issuer);
  int failed = lua_pcall(L, 1, 1, 0);
  X509_free(issuer);
  return failed ? lua_error(L) : 2;
}

/* ephemeral() -> {type =, name =, size =} or nil */
static int connection_ephemeral(lua_State *L) {
  SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  net_tls_inspect_ephemeral_key(L, ssl);
  return 1;
}

/* sigalgs() -> a list of names as "ECDSA+SHA256" */
static int connection_sigalgs(lua_State *L) {
  SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  net_tls_inspect_sigalgs(L, ssl);
  return 1;
}

/* export(length, label, context or nil) -> bytes */
static int connection_export(lua_State *L) {
  SSL *ssl = ssl_at(L);
  size_t size = (size_t)luaL_checkinteger(L, 2);
  luaL_checkstring(L, 3);
  luaL_optstring(L, 4, NULL);
  lua_settop(L, 4);
  if (ssl == NULL)
    return 0;
  net_tls_inspect_export(L, ssl, size, 3, 4);
  return 1;
}

/* fragment(size) -> whether that is a size of records */
static int connection_fragment(lua_State *L) {
  SSL *ssl = ssl_at(L);
  lua_pushboolean(L, ssl != NULL &&
                       SSL_set_max_send_fragment(ssl, (long)luaL_checkinteger(L, 2)) == 1);
  ERR_clear_error();
  return 1;
}

/* own_certificate(context) -> the table of the one that who has no connection yet will show */
static int core_own_certificate(lua_State *L) {
  X509 *own = SSL_CTX_get0_certificate(net_tls_context_check(L, 1)->ctx);
  if (own)
    net_tls_certificate_push(L, own);
  else
    lua_newtable(L);
  return 1;
}

void net_tls_facts_open(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "protocol", connection_protocol },
    { "cipher", connection_cipher },
    { "chosen", connection_chosen },
    { "reused", connection_reused },
    { "own", connection_own },
    { "finished", connection_finished },
    { "peer_finished", connection_peer_finished },
    { "session", connection_session },
    { "ticket", connection_ticket },
    { "certificate", connection_certificate },
    { "ephemeral", connection_ephemeral },
    { "sigalgs", connection_sigalgs },
    { "export", connection_export },
    { "fragment", connection_fragment },
    { NULL, NULL },
  };
  lua_getfield(L, -1, "Connection");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, core_own_certificate);
  lua_setfield(L, -2, "own_certificate");
}
