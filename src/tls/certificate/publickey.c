/* SPDX-License-Identifier: MIT
 *
 * publickey.c - what a certificate's table says of its key.
 *
 * Read out of the certificate's own bytes: the calls that take a key apart are others in
 * OpenSSL 3 than in 1.1.1, and what is wanted are those bytes. */
#include "tls/certificate/publickey.h"

#include <lauxlib.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/x509.h>

/* The key's algorithm and bytes, of the certificate. */
struct parts {
  ASN1_OBJECT *algorithm;
  const unsigned char *key;
  int len;
  X509_ALGOR *parameters;
};

/* --- RSA ------------------------------------------------------------------------------ */

static void free_sequence(void *held) {
  sk_ASN1_TYPE_pop_free((ASN1_SEQUENCE_ANY *)held, ASN1_TYPE_free);
}

/* An integer of a key, as Node prints it; 0: no memory. */
static int write_integer(BIO *out, const ASN1_INTEGER *integer, int is_exponent) {
  BIGNUM *n = ASN1_INTEGER_to_BN(integer, NULL);
  char *hex = n && !is_exponent ? BN_bn2hex(n) : NULL;
  int ok;
  if (is_exponent)
    ok = n && BIO_printf(out, "0x%llX", (unsigned long long)BN_get_word(n)) > 0;
  else
    ok = hex && BIO_puts(out, hex) > 0;
  OPENSSL_free(hex);
  BN_free(n);
  return ok;
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } */
static void set_integers(lua_State *L, const struct parts *p, struct net_tls_draft *s) {
  static const char *const names[] = { "modulus", "exponent" };
  const unsigned char *at = p->key;
  ASN1_SEQUENCE_ANY *sequence = d2i_ASN1_SEQUENCE_ANY(NULL, &at, p->len);
  net_tls_draft_hold(s, sequence, free_sequence);
  for (int i = 0; i < 2 && i < sk_ASN1_TYPE_num(sequence); i++) {
    const ASN1_TYPE *value = sk_ASN1_TYPE_value(sequence, i);
    if (value->type != V_ASN1_INTEGER)
      break;
    net_tls_draft_take(L, s, write_integer(s->out, value->value.integer, i == 1));
    lua_setfield(L, -2, names[i]);
  }
  net_tls_draft_hold(s, NULL, NULL);
}

/* The key as SubjectPublicKeyInfo, as of RSA also where the certificate says RSA-PSS. */
static int write_rsa(BIO *out, const struct parts *p, int is_pss) {
  X509_PUBKEY *info = X509_PUBKEY_new();
  unsigned char *copy = OPENSSL_memdup(p->key, (size_t)p->len), *der = NULL;
  int ok = info && copy &&
           X509_PUBKEY_set0_param(info, OBJ_nid2obj(NID_rsaEncryption),
                                  is_pss ? V_ASN1_UNDEF : V_ASN1_NULL, NULL, copy, p->len);
  if (!ok)
    OPENSSL_free(copy);
  int len = ok ? i2d_X509_PUBKEY(info, &der) : -1;
  ok = len > 0 && BIO_write(out, der, len) == len;
  OPENSSL_free(der);
  X509_PUBKEY_free(info);
  return ok;
}

static void set_rsa(lua_State *L, const struct parts *p, int is_pss, struct net_tls_draft *s) {
  set_integers(L, p, s);
  net_tls_draft_take(L, s, write_rsa(s->out, p, is_pss));
  lua_setfield(L, -2, "pubkey");
}

/* --- curves -------------------------------------------------------------------------------- */

static void set_curve(lua_State *L, const struct parts *p) {
  const void *value;
  int type;
  lua_pushlstring(L, (const char *)p->key, (size_t)p->len);
  lua_setfield(L, -2, "pubkey");
  X509_ALGOR_get0(NULL, &type, &value, p->parameters);
  if (type != V_ASN1_OBJECT)
    return; /* a curve that has no name */
  int nid = OBJ_obj2nid(value);
  lua_pushstring(L, nid == NID_undef ? NULL : OBJ_nid2sn(nid));
  lua_setfield(L, -2, "asn1Curve");
  lua_pushstring(L, EC_curve_nid2nist(nid));
  lua_setfield(L, -2, "nistCurve");
}

void net_tls_publickey_set(lua_State *L, X509 *certificate, struct net_tls_draft *s) {
  struct parts p;
  EVP_PKEY *key = X509_get0_pubkey(certificate);
  int kind = key ? EVP_PKEY_base_id(key) : NID_undef;
  int is_rsa = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS;
  ERR_clear_error();
  if ((!is_rsa && kind != EVP_PKEY_EC) ||
      !X509_PUBKEY_get0_param(&p.algorithm, &p.key, &p.len, &p.parameters,
                              X509_get_X509_PUBKEY(certificate)))
    return;
  lua_pushinteger(L, EVP_PKEY_bits(key));
  lua_setfield(L, -2, "bits");
  if (is_rsa)
    set_rsa(L, &p, kind == EVP_PKEY_RSA_PSS, s);
  else
    set_curve(L, &p);
}
