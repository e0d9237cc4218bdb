/* SPDX-License-Identifier: MIT
 *
 * options.c - LuaSec's contexts: what is offered, what is asked for. See luasec.h. */
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>

#include "tls/luasec/luasec.h"

/* --- a word each ------------------------------------------------------------------------- */

struct word {
  const char *name;
  uint64_t bits;
};

/* The bits of all words from argument 2 on; 0: one is none, of which it has pushed nil and
 * 'text'. [-0, +(2|0), e] */
static int take_words(lua_State *L, const struct word *words, const char *text, uint64_t *bits) {
  *bits = 0;
  for (int i = 2; i <= lua_gettop(L); i++) {
    const char *name = net_sec_text(L, i);
    const struct word *w = words;
    while (w->name && strcmp(w->name, name) != 0)
      w++;
    if (w->name == NULL) {
      net_sec_no(L, text, name);
      return 0;
    }
    *bits |= w->bits;
  }
  return 1;
}

/* What OpenSSL 1.1.1 lacks, or a later one has dropped, is left out. */
static const struct word options[] = {
#ifdef SSL_OP_ALL
  { "all", (uint64_t)(SSL_OP_ALL) },
#endif
#ifdef SSL_OP_ALLOW_CLIENT_RENEGOTIATION
  { "allow_client_renegotiation", (uint64_t)(SSL_OP_ALLOW_CLIENT_RENEGOTIATION) },
#endif
#ifdef SSL_OP_ALLOW_NO_DHE_KEX
  { "allow_no_dhe_kex", (uint64_t)(SSL_OP_ALLOW_NO_DHE_KEX) },
#endif
#ifdef SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION
  { "allow_unsafe_legacy_renegotiation", (uint64_t)(SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION) },
#endif
#ifdef SSL_OP_CIPHER_SERVER_PREFERENCE
  { "cipher_server_preference", (uint64_t)(SSL_OP_CIPHER_SERVER_PREFERENCE) },
#endif
#ifdef SSL_OP_CISCO_ANYCONNECT
  { "cisco_anyconnect", (uint64_t)(SSL_OP_CISCO_ANYCONNECT) },
#endif
#ifdef SSL_OP_CLEANSE_PLAINTEXT
  { "cleanse_plaintext", (uint64_t)(SSL_OP_CLEANSE_PLAINTEXT) },
#endif
#ifdef SSL_OP_COOKIE_EXCHANGE
  { "cookie_exchange", (uint64_t)(SSL_OP_COOKIE_EXCHANGE) },
#endif
#ifdef SSL_OP_CRYPTOPRO_TLSEXT_BUG
  { "cryptopro_tlsext_bug", (uint64_t)(SSL_OP_CRYPTOPRO_TLSEXT_BUG) },
#endif
#ifdef SSL_OP_DISABLE_TLSEXT_CA_NAMES
  { "disable_tlsext_ca_names", (uint64_t)(SSL_OP_DISABLE_TLSEXT_CA_NAMES) },
#endif
#ifdef SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS
  { "dont_insert_empty_fragments", (uint64_t)(SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS) },
#endif
#ifdef SSL_OP_ENABLE_KTLS
  { "enable_ktls", (uint64_t)(SSL_OP_ENABLE_KTLS) },
#endif
#ifdef SSL_OP_ENABLE_MIDDLEBOX_COMPAT
  { "enable_middlebox_compat", (uint64_t)(SSL_OP_ENABLE_MIDDLEBOX_COMPAT) },
#endif
#ifdef SSL_OP_EPHEMERAL_RSA
  { "ephemeral_rsa", (uint64_t)(SSL_OP_EPHEMERAL_RSA) },
#endif
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
  { "ignore_unexpected_eof", (uint64_t)(SSL_OP_IGNORE_UNEXPECTED_EOF) },
#endif
#ifdef SSL_OP_LEGACY_SERVER_CONNECT
  { "legacy_server_connect", (uint64_t)(SSL_OP_LEGACY_SERVER_CONNECT) },
#endif
#ifdef SSL_OP_MICROSOFT_BIG_SSLV3_BUFFER
  { "microsoft_big_sslv3_buffer", (uint64_t)(SSL_OP_MICROSOFT_BIG_SSLV3_BUFFER) },
#endif
#ifdef SSL_OP_MICROSOFT_SESS_ID_BUG
  { "microsoft_sess_id_bug", (uint64_t)(SSL_OP_MICROSOFT_SESS_ID_BUG) },
#endif
#ifdef SSL_OP_MSIE_SSLV2_RSA_PADDING
  { "msie_sslv2_rsa_padding", (uint64_t)(SSL_OP_MSIE_SSLV2_RSA_PADDING) },
#endif
#ifdef SSL_OP_NETSCAPE_CA_DN_BUG
  { "netscape_ca_dn_bug", (uint64_t)(SSL_OP_NETSCAPE_CA_DN_BUG) },
#endif
#ifdef SSL_OP_NETSCAPE_CHALLENGE_BUG
  { "netscape_challenge_bug", (uint64_t)(SSL_OP_NETSCAPE_CHALLENGE_BUG) },
#endif
#ifdef SSL_OP_NETSCAPE_DEMO_CIPHER_CHANGE_BUG
  { "netscape_demo_cipher_change_bug", (uint64_t)(SSL_OP_NETSCAPE_DEMO_CIPHER_CHANGE_BUG) },
#endif
#ifdef SSL_OP_NETSCAPE_REUSE_CIPHER_CHANGE_BUG
  { "netscape_reuse_cipher_change_bug", (uint64_t)(SSL_OP_NETSCAPE_REUSE_CIPHER_CHANGE_BUG) },
#endif
#ifdef SSL_OP_NO_ANTI_REPLAY
  { "no_anti_replay", (uint64_t)(SSL_OP_NO_ANTI_REPLAY) },
#endif
#ifdef SSL_OP_NO_COMPRESSION
  { "no_compression", (uint64_t)(SSL_OP_NO_COMPRESSION) },
#endif
#ifdef SSL_OP_NO_DTLS_MASK
  { "no_dtls_mask", (uint64_t)(SSL_OP_NO_DTLS_MASK) },
#endif
#ifdef SSL_OP_NO_DTLSv1
  { "no_dtlsv1", (uint64_t)(SSL_OP_NO_DTLSv1) },
#endif
#ifdef SSL_OP_NO_DTLSv1_2
  { "no_dtlsv1_2", (uint64_t)(SSL_OP_NO_DTLSv1_2) },
#endif
#ifdef SSL_OP_NO_ENCRYPT_THEN_MAC
  { "no_encrypt_then_mac", (uint64_t)(SSL_OP_NO_ENCRYPT_THEN_MAC) },
#endif
#ifdef SSL_OP_NO_EXTENDED_MASTER_SECRET
  { "no_extended_master_secret", (uint64_t)(SSL_OP_NO_EXTENDED_MASTER_SECRET) },
#endif
#ifdef SSL_OP_NO_QUERY_MTU
  { "no_query_mtu", (uint64_t)(SSL_OP_NO_QUERY_MTU) },
#endif
#ifdef SSL_OP_NO_RENEGOTIATION
  { "no_renegotiation", (uint64_t)(SSL_OP_NO_RENEGOTIATION) },
#endif
#ifdef SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION
  { "no_session_resumption_on_renegotiation",
    (uint64_t)(SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION) },
#endif
#ifdef SSL_OP_NO_SSL_MASK
  { "no_ssl_mask", (uint64_t)(SSL_OP_NO_SSL_MASK) },
#endif
#ifdef SSL_OP_NO_SSLv2
  { "no_sslv2", (uint64_t)(SSL_OP_NO_SSLv2) },
#endif
#ifdef SSL_OP_NO_SSLv3
  { "no_sslv3", (uint64_t)(SSL_OP_NO_SSLv3) },
#endif
#ifdef SSL_OP_NO_TICKET
  { "no_ticket", (uint64_t)(SSL_OP_NO_TICKET) },
#endif
#ifdef SSL_OP_NO_TLSv1
  { "no_tlsv1", (uint64_t)(SSL_OP_NO_TLSv1) },
#endif
#ifdef SSL_OP_NO_TLSv1_1
  { "no_tlsv1_1", (uint64_t)(SSL_OP_NO_TLSv1_1) },
#endif
#ifdef SSL_OP_NO_TLSv1_2
  { "no_tlsv1_2", (uint64_t)(SSL_OP_NO_TLSv1_2) },
#endif
#ifdef SSL_OP_NO_TLSv1_3
  { "no_tlsv1_3", (uint64_t)(SSL_OP_NO_TLSv1_3) },
#endif
#ifdef SSL_OP_PKCS1_CHECK_1
  { "pkcs1_check_1", (uint64_t)(SSL_OP_PKCS1_CHECK_1) },
#endif
#ifdef SSL_OP_PKCS1_CHECK_2
  { "pkcs1_check_2", (uint64_t)(SSL_OP_PKCS1_CHECK_2) },
#endif
#ifdef SSL_OP_PRIORITIZE_CHACHA
  { "prioritize_chacha", (uint64_t)(SSL_OP_PRIORITIZE_CHACHA) },
#endif
#ifdef SSL_OP_SAFARI_ECDHE_ECDSA_BUG
  { "safari_ecdhe_ecdsa_bug", (uint64_t)(SSL_OP_SAFARI_ECDHE_ECDSA_BUG) },
#endif
#ifdef SSL_OP_SINGLE_DH_USE
  { "single_dh_use", (uint64_t)(SSL_OP_SINGLE_DH_USE) },
#endif
#ifdef SSL_OP_SINGLE_ECDH_USE
  { "single_ecdh_use", (uint64_t)(SSL_OP_SINGLE_ECDH_USE) },
#endif
#ifdef SSL_OP_SSLEAY_080_CLIENT_DH_BUG
  { "ssleay_080_client_dh_bug", (uint64_t)(SSL_OP_SSLEAY_080_CLIENT_DH_BUG) },
#endif
#ifdef SSL_OP_SSLREF2_REUSE_CERT_TYPE_BUG
  { "sslref2_reuse_cert_type_bug", (uint64_t)(SSL_OP_SSLREF2_REUSE_CERT_TYPE_BUG) },
#endif
#ifdef SSL_OP_TLSEXT_PADDING
  { "tlsext_padding", (uint64_t)(SSL_OP_TLSEXT_PADDING) },
#endif
#ifdef SSL_OP_TLS_BLOCK_PADDING_BUG
  { "tls_block_padding_bug", (uint64_t)(SSL_OP_TLS_BLOCK_PADDING_BUG) },
#endif
#ifdef SSL_OP_TLS_D5_BUG
  { "tls_d5_bug", (uint64_t)(SSL_OP_TLS_D5_BUG) },
#endif
#ifdef SSL_OP_TLS_ROLLBACK_BUG
  { "tls_rollback_bug", (uint64_t)(SSL_OP_TLS_ROLLBACK_BUG) },
#endif
  { NULL, 0 },
};

/* options() -> name -> true */
static int sec_options(lua_State *L) {
  lua_createtable(L, 0, sizeof options / sizeof *options);
  for (const struct word *w = options; w->name; w++) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, w->name);
  }
  return 1;
}

/* setoptions(context, option...) */
static int sec_setoptions(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  uint64_t bits;
  if (!take_words(L, options, "invalid option (%s)", &bits))
    return 2;
  SSL_CTX_set_options(c->ctx, bits);
  return net_sec_yes(L);
}

/* setverify(context, word...): who is asked for a certificate, and what becomes of none */
static int sec_setverify(lua_State *L) {
  static const struct word words[] = {
    { "none", SSL_VERIFY_NONE },
    { "peer", SSL_VERIFY_PEER },
    { "client_once", SSL_VERIFY_CLIENT_ONCE },
    { "fail_if_no_peer_cert", SSL_VERIFY_FAIL_IF_NO_PEER_CERT },
    { NULL, 0 },
  };
  struct net_sec_context *c = net_sec_context_check(L, 1);
  uint64_t bits;
  if (!take_words(L, words, "invalid verify option (%s)", &bits))
    return 2;
  SSL_CTX_set_verify(c->ctx, (int)bits, SSL_CTX_get_verify_callback(c->ctx));
  return net_sec_yes(L);
}

enum { CRL = 4, CRL_CHAIN = 8 }; /* beside NET_SEC_* */

/* setverifyext(context, word...): how it is judged */
static int sec_setverifyext(lua_State *L) {
  static const struct word words[] = {
    { "lsec_continue", NET_SEC_CONTINUE },
    { "lsec_ignore_purpose", NET_SEC_AS_SERVER },
    { "crl_check", CRL },
    { "crl_check_chain", CRL_CHAIN },
    { NULL, 0 },
  };
  struct net_sec_context *c = net_sec_context_check(L, 1);
  uint64_t bits;
  if (!take_words(L, words, "invalid verify option (%s)", &bits))
    return 2;
  c->ext = (int)bits & (NET_SEC_CONTINUE | NET_SEC_AS_SERVER);
  unsigned long flags = bits & CRL_CHAIN ? X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL
                        : bits & CRL     ? X509_V_FLAG_CRL_CHECK
                                         : 0;
  X509_STORE_set_flags(SSL_CTX_get_cert_store(c->ctx), flags);
  return net_sec_yes(L);
}

/* setdepth(context, n): certificates between the peer's and the root */
static int sec_setdepth(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  SSL_CTX_set_verify_depth(c->ctx, n > INT_MAX ? INT_MAX : n < -1 ? -1 : (int)n);
  return net_sec_yes(L);
}

/* --- ciphers and curves ------------------------------------------------------------------ */

/* setcipher(context, list): of TLS 1.2 and before */
static int sec_setcipher(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *list = net_sec_text(L, 2);
  ERR_clear_error();
  return net_sec_answer(L, SSL_CTX_set_cipher_list(c->ctx, list), "error setting cipher list (%s)");
}

/* setciphersuites(context, list): of TLS 1.3 */
static int sec_setciphersuites(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *list = net_sec_text(L, 2);
  ERR_clear_error();
  return net_sec_answer(L, SSL_CTX_set_ciphersuites(c->ctx, list),
                        "error setting cipher list (%s)");
}

/* Those that are not in OpenSSL's list of curves, or have another name there. */
static const struct {
  const char *name;
  int nid;
} more_curves[] = {
  { "P-256", NID_X9_62_prime256v1 }, { "P-384", NID_secp384r1 }, { "P-521", NID_secp521r1 },
  { "X25519", NID_X25519 },          { "X448", NID_X448 },
};

enum { MORE_CURVES = sizeof more_curves / sizeof *more_curves };

/* curves() -> name -> true */
static int sec_curves(lua_State *L) {
  size_t count = EC_get_builtin_curves(NULL, 0);
  EC_builtin_curve *list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
  count = EC_get_builtin_curves(list, count);
  lua_createtable(L, 0, (int)count + MORE_CURVES);
  for (size_t i = 0; i < count; i++) {
    const char *name = OBJ_nid2sn(list[i].nid);
    if (name) {
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, name);
    }
  }
  for (int i = 0; i < MORE_CURVES; i++) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, more_curves[i].name);
  }
  return 1;
}

static int curve_named(const char *name) {
  for (int i = 0; i < MORE_CURVES; i++) {
    if (strcmp(more_curves[i].name, name) == 0)
      return more_curves[i].nid;
  }
  return OBJ_sn2nid(name);
}

/* setcurve(context, name): the only one */
static int sec_setcurve(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *name = net_sec_text(L, 2);
  int nid = curve_named(name);
  if (nid == NID_undef || !SSL_CTX_set1_groups(c->ctx, &nid, 1))
    return net_sec_no(L, "elliptic curve '%s' not supported", name);
  return net_sec_yes(L);
}

/* setcurveslist(context, "A:B") */
static int sec_setcurveslist(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *list = net_sec_text(L, 2);
  if (!SSL_CTX_set1_groups_list(c->ctx, list))
    return net_sec_no(L, "unknown elliptic curve in \"%s\"", list);
  return net_sec_yes(L);
}

void net_sec_options_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "options", sec_options },
    { "setoptions", sec_setoptions },
    { "setverify", sec_setverify },
    { "setverifyext", sec_setverifyext },
    { "setdepth", sec_setdepth },
    { "setcipher", sec_setcipher },
    { "curves", sec_curves },
    { "setciphersuites", sec_setciphersuites },
    { "setcurve", sec_setcurve },
    { "setcurveslist", sec_setcurveslist },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
}
