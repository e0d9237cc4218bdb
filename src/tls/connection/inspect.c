/* SPDX-License-Identifier: MIT
 *
 * inspect.c - what a connection is asked for. See inspect.h. */
#include "tls/connection/inspect.h"

#include <lauxlib.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "tls/base/error.h"
#include "tls/base/owner.h"
#include "tls/certificate/certificate.h"

static void set_string(lua_State *L, const char *field, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, field);
}

void net_tls_inspect_cipher(lua_State *L, const SSL *ssl) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  if (cipher == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 3);
  set_string(L, "name", SSL_CIPHER_get_name(cipher));
  set_string(L, "standardName", SSL_CIPHER_standard_name(cipher));
  set_string(L, "version", SSL_CIPHER_get_version(cipher));
}

/* Until they have agreed on one it is the highest: of a client that is to begin that which it
 * offers, as libssl says it a moment later. */
void net_tls_inspect_protocol(lua_State *L, const SSL *ssl) {
  long most = SSL_get_max_proto_version((SSL *)ssl); /* a macro that only reads */
  const char *name = SSL_get_version(ssl);
  if (!SSL_is_server(ssl) && SSL_in_before(ssl) && most != 0 && most < TLS1_3_VERSION)
    name = most == TLS1_2_VERSION ? "TLSv1.2" : most == TLS1_1_VERSION ? "TLSv1.1" : "TLSv1";
  lua_pushstring(L, name);
}

/* --- the ephemeral key ---------------------------------------------------------------------- */

/* The short name of the curve of a key; NULL if it has none. 'name' is where it may be put. */
static const char *curve_name(EVP_PKEY *key, char *name, size_t size) {
  if (EVP_PKEY_base_id(key) != EVP_PKEY_EC)
    return OBJ_nid2sn(EVP_PKEY_base_id(key));
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  return EVP_PKEY_get_group_name(key, name, size, NULL) ? name : NULL;
#else
  (void)name, (void)size;
  const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
  return ec ? OBJ_nid2sn(EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) : NULL;
#endif
}

/* Pushes the table of a group of which there is no key to be had, or of a kind without a
 * number: of ML-KEM's, and of a session of TLS 1.2 that was resumed. Empty where there was
 * no group, or libssl does not tell. */
static void push_group(lua_State *L, SSL *ssl) {
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
  const char *name = SSL_get0_group_name(ssl);
#else
  const char *name = NULL;
  (void)ssl;
#endif
  lua_createtable(L, 0, 2);
  if (name == NULL)
    return;
  set_string(L, "type", "TLSGroup");
  set_string(L, "name", name);
}

static void push_key(lua_State *L, SSL *ssl, EVP_PKEY *key) {
  enum { NAME_SIZE = 64 };
  char name[NAME_SIZE];
  int kind = EVP_PKEY_base_id(key);
  int is_curve = kind == EVP_PKEY_EC || kind == EVP_PKEY_X25519 || kind == EVP_PKEY_X448;
  if (!is_curve && kind != EVP_PKEY_DH) {
    push_group(L, ssl);
    return;
  }
  lua_createtable(L, 0, 3);
  set_string(L, "type", is_curve ? "ECDH" : "DH");
  if (is_curve)
    set_string(L, "name", curve_name(key, name, sizeof name));
  lua_pushinteger(L, EVP_PKEY_bits(key));
  lua_setfield(L, -2, "size");
}

static void free_key(void *key) { EVP_PKEY_free(key); }

void net_tls_inspect_ephemeral_key(lua_State *L, SSL *ssl) {
  if (SSL_is_server(ssl) || !SSL_is_init_finished(ssl)) {
    lua_pushnil(L);
    return;
  }
  struct net_tls_owner *owner = net_tls_owner_push(L, free_key);
  EVP_PKEY *key = NULL;
  ERR_clear_error();
  if (SSL_get_server_tmp_key(ssl, &key))
    push_key(L, ssl, owner->what = key);
  else
    push_group(L, ssl);
  ERR_clear_error();
  lua_remove(L, -2);
}

/* --- signatures ------------------------------------------------------------------------------- */

static const char *signature_name(int nid) {
  switch (nid) {
    case EVP_PKEY_RSA: return "RSA";
    case EVP_PKEY_RSA_PSS: return "RSA-PSS";
    case EVP_PKEY_DSA: return "DSA";
    case EVP_PKEY_EC: return "ECDSA";
    case NID_ED25519: return "Ed25519";
    case NID_ED448: return "Ed448";
    default: return OBJ_nid2sn(nid) ? OBJ_nid2sn(nid) : "UNDEF";
  }
}

void net_tls_inspect_sigalgs(lua_State *L, SSL *ssl) {
  int count = SSL_get_shared_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    int signature, hash;
    SSL_get_shared_sigalgs(ssl, i, &signature, &hash, NULL, NULL, NULL);
    const char *name = OBJ_nid2sn(hash);
    lua_pushfstring(L, "%s+%s", signature_name(signature), name ? name : "UNDEF");
    lua_rawseti(L, -2, i + 1);
  }
}

/* --- the handshake ------------------------------------------------------------------------------ */

void net_tls_inspect_finished(lua_State *L, const SSL *ssl, int of_peer) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  size_t len = of_peer ? SSL_get_peer_finished(ssl, bytes, sizeof bytes)
                       : SSL_get_finished(ssl, bytes, sizeof bytes);
  if (len == 0)
    lua_pushnil(L);
  else
    lua_pushlstring(L, (const char *)bytes, len);
}

void net_tls_inspect_certificate(lua_State *L, const SSL *ssl) {
  X509 *own = SSL_get_certificate(ssl);
  if (own)
    net_tls_certificate_push(L, own);
  else
    lua_newtable(L);
}

X509 *net_tls_inspect_peer(const SSL *ssl) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  return SSL_get0_peer_certificate(ssl);
#else
  X509 *peer = SSL_get_peer_certificate(ssl);
  X509_free(peer); /* the session has it, too */
  return peer;
#endif
}

void net_tls_inspect_peer_certificate(lua_State *L, const SSL *ssl, int detailed) {
  X509 *peer = net_tls_inspect_peer(ssl);
  if (peer == NULL)
    lua_newtable(L);
  else if (detailed)
    net_tls_certificate_push_chain(L, peer, SSL_get_peer_cert_chain(ssl), SSL_get_SSL_CTX(ssl));
  else
    net_tls_certificate_push(L, peer);
}

void net_tls_inspect_export(lua_State *L, SSL *ssl, size_t length, int label, int context) {
  size_t label_len, context_len = 0;
  const char *label_text = lua_tolstring(L, label, &label_len);
  const char *bytes = lua_isnoneornil(L, context) ? NULL : lua_tolstring(L, context, &context_len);
  unsigned char *out = lua_newuserdatauv(L, length > 0 ? length : 1, 0);
  ERR_clear_error();
  if (SSL_export_keying_material(ssl, out, length, label_text, label_len,
                                 (const unsigned char *)bytes, context_len, bytes != NULL) <= 0)
    net_tls_raise_error(L);
  lua_pushlstring(L, (const char *)out, length);
  OPENSSL_cleanse(out, length);
  lua_remove(L, -2);
}

void net_tls_inspect_session(lua_State *L, SSL_SESSION *session) {
  int len = i2d_SSL_SESSION(session, NULL);
  if (len <= 0) {
    lua_pushnil(L);
    return;
  }
  unsigned char *bytes = lua_newuserdatauv(L, (size_t)len, 0), *end = bytes;
  i2d_SSL_SESSION(session, &end);
  lua_pushlstring(L, (char *)bytes, (size_t)len);
  OPENSSL_cleanse(bytes, (size_t)len); /* the master key is in it */
  lua_remove(L, -2);
}
