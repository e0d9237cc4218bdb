/* SPDX-License-Identifier: MIT
 *
 * facts.c - what a connection knows of itself: versions, ciphers, sessions, certificates.
 *
 * Each returns nothing once the layer is closed, and the SSL gone. */
#include "tls/facts.h"

#include <lauxlib.h>
#include <openssl/x509.h>

#include "tls/certificate.h"
#include "tls/connection.h"

/* The SSL of the connection at index 1, or NULL. [-0, +0, e] */
static SSL *ssl_at(lua_State *L) { return net_tls_check(L, 1)->ssl; }

/* protocol() -> "TLSv1.3" */
static int connection_protocol(lua_State *L) {
  const SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  lua_pushstring(L, SSL_get_version(ssl));
  return 1;
}

/* cipher() -> name, standard name, version */
static int connection_cipher(lua_State *L) {
  const SSL *ssl = ssl_at(L);
  const SSL_CIPHER *cipher = ssl ? SSL_get_current_cipher(ssl) : NULL;
  if (cipher == NULL)
    return 0;
  lua_pushstring(L, SSL_CIPHER_get_name(cipher));
  lua_pushstring(L, SSL_CIPHER_standard_name(cipher));
  lua_pushstring(L, SSL_CIPHER_get_version(cipher));
  return 3;
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
  lua_pushboolean(L, ssl != NULL && SSL_session_reused(ssl));
  return 1;
}

/* Pushes what 'get' gives of a connection, or nil. [-0, +1, m] */
static int push_finished(lua_State *L, size_t (*get)(const SSL *, void *, size_t)) {
  char bytes[EVP_MAX_MD_SIZE];
  const SSL *ssl = ssl_at(L);
  size_t len = ssl ? get(ssl, bytes, sizeof bytes) : 0;
  if (len == 0)
    return 0;
  lua_pushlstring(L, bytes, len);
  return 1;
}

static int connection_finished(lua_State *L) { return push_finished(L, SSL_get_finished); }

static int connection_peer_finished(lua_State *L) {
  return push_finished(L, SSL_get_peer_finished);
}

/* session() -> DER, or nil */
static int connection_session(lua_State *L) {
  SSL *ssl = ssl_at(L);
  SSL_SESSION *session = ssl ? SSL_get_session(ssl) : NULL;
  int len = session ? i2d_SSL_SESSION(session, NULL) : 0;
  if (len <= 0)
    return 0;
  unsigned char *bytes = lua_newuserdatauv(L, (size_t)len, 0), *end = bytes;
  i2d_SSL_SESSION(session, &end);
  lua_pushlstring(L, (char *)bytes, (size_t)len);
  return 1;
}

/* ticket() -> bytes, or nil */
static int connection_ticket(lua_State *L) {
  SSL *ssl = ssl_at(L);
  const SSL_SESSION *session = ssl ? SSL_get_session(ssl) : NULL;
  const unsigned char *ticket = NULL;
  size_t len = 0;
  if (session)
    SSL_SESSION_get0_ticket(session, &ticket, &len);
  if (ticket == NULL || len == 0)
    return 0;
  lua_pushlstring(L, (const char *)ticket, len);
  return 1;
}

/* certificate(mine, detailed) -> table, or nil: the peer's, or the one that was sent */
static int connection_certificate(lua_State *L) {
  SSL *ssl = ssl_at(L);
  if (ssl == NULL)
    return 0;
  int is_mine = lua_toboolean(L, 2), is_detailed = lua_toboolean(L, 3);
  X509 *certificate = is_mine ? SSL_get_certificate(ssl) : SSL_get_peer_certificate(ssl);
  if (certificate == NULL)
    return 0;
  if (!is_mine)
    X509_free(certificate); /* the SSL has it too, for as long as it lives */
  if (is_detailed)
    net_tls_certificate_push_chain(L, certificate, is_mine ? NULL : SSL_get_peer_cert_chain(ssl),
                                   SSL_get_SSL_CTX(ssl));
  else
    net_tls_certificate_push(L, certificate);
  return 1;
}

/* Pushes the kind of a key, its name if it has one, its bits. [-0, +3, m] */
static void push_key(lua_State *L, EVP_PKEY *key) {
  int id = EVP_PKEY_id(key);
  lua_pushstring(L, id == EVP_PKEY_DH ? "DH" : "ECDH");
  if (id == EVP_PKEY_DH) {
    lua_pushnil(L);
  } else {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    char name[64] = "";
    size_t len = 0;
    if (!EVP_PKEY_get_group_name(key, name, sizeof name, &len))
      (void)snprintf(name, sizeof name, "%s", OBJ_nid2sn(id));
    lua_pushstring(L, name);
#else
    lua_pushstring(L, OBJ_nid2sn(id));
#endif
  }
  lua_pushinteger(L, EVP_PKEY_bits(key));
}

/* ephemeral() -> kind, name or nil, bits; nil: none */
static int connection_ephemeral(lua_State *L) {
  SSL *ssl = ssl_at(L);
  EVP_PKEY *key = NULL;
  if (ssl == NULL || SSL_get_server_tmp_key(ssl, &key) != 1 || key == NULL)
    return 0;
  push_key(L, key);
  EVP_PKEY_free(key);
  return 3;
}

/* sigalgs() -> a list of names as "ECDSA+SHA256" */
static int connection_sigalgs(lua_State *L) {
  SSL *ssl = ssl_at(L);
  int count = ssl ? SSL_get_shared_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL) : 0;
  lua_createtable(L, count > 0 ? count : 0, 0);
  for (int i = 0; i < count; i++) {
    int sign = NID_undef, hash = NID_undef;
    SSL_get_shared_sigalgs(ssl, i, &sign, &hash, NULL, NULL, NULL);
    const char *kind = sign == EVP_PKEY_RSA       ? "RSA"
                       : sign == EVP_PKEY_RSA_PSS ? "RSA-PSS"
                       : sign == EVP_PKEY_DSA     ? "DSA"
                       : sign == EVP_PKEY_EC      ? "ECDSA"
                                                  : OBJ_nid2sn(sign);
    if (hash == NID_undef)
      lua_pushstring(L, kind);
    else
      lua_pushfstring(L, "%s+%s", kind, OBJ_nid2sn(hash));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* export(length, label, context or nil) -> bytes */
static int connection_export(lua_State *L) {
  SSL *ssl = ssl_at(L);
  size_t size = (size_t)luaL_checkinteger(L, 2), label_len, context_len = 0;
  const char *label = luaL_checklstring(L, 3, &label_len);
  const char *context = luaL_optlstring(L, 4, NULL, &context_len);
  unsigned char *bytes = lua_newuserdatauv(L, size > 0 ? size : 1, 0);
  if (ssl == NULL)
    return 0;
  ERR_clear_error();
  if (SSL_export_keying_material(ssl, bytes, size, label, label_len, (const unsigned char *)context,
                                 context_len, context != NULL) != 1)
    return net_tls_raise_error(L);
  lua_pushlstring(L, (char *)bytes, size);
  OPENSSL_cleanse(bytes, size);
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

void net_tls_facts_open(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "protocol", connection_protocol },       { "cipher", connection_cipher },
    { "chosen", connection_chosen },           { "reused", connection_reused },
    { "finished", connection_finished },       { "peer_finished", connection_peer_finished },
    { "session", connection_session },         { "ticket", connection_ticket },
    { "certificate", connection_certificate }, { "ephemeral", connection_ephemeral },
    { "sigalgs", connection_sigalgs },         { "export", connection_export },
    { "fragment", connection_fragment },       { NULL, NULL },
  };
  lua_getfield(L, -1, "Connection");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
