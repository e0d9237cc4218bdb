/* SPDX-License-Identifier: MIT
 *
 * certificate.c - a certificate as a table, as Node's getPeerCertificate has it.
 *
 * What it does not have is left out. Each field is written by libssl into a draft
 * and pushed from there, so that nothing of libssl's is lost where Lua raises. */
#include "tls/certificate/certificate.h"

#include <lauxlib.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls/base/bio.h"
#include "tls/base/draft.h"
#include "tls/base/error.h"
#include "tls/certificate/names.h"
#include "tls/certificate/publickey.h"

enum { OID_SIZE = 256 };

/* --- subject, issuer --------------------------------------------------------------------- */

/* Appends the value on the top to the field 'key' of the table below it, or below what
 * that has: a second value of a key makes a list. [-1, +0, m] */
static void add_value(lua_State *L, const char *key) {
  int kind = lua_getfield(L, -2, key);
  if (kind == LUA_TNIL) {
    lua_pop(L, 1);
    lua_setfield(L, -2, key);
    return;
  }
  if (kind != LUA_TTABLE) {
    lua_createtable(L, 2, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, key);
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

/* Writes the value as UTF-8; -1 if it has no such form. */
static int write_utf8(BIO *out, const ASN1_STRING *value) {
  unsigned char *text = NULL;
  int len = ASN1_STRING_to_UTF8(&text, value);
  int ok = len <= 0 ? len : BIO_write(out, text, len) == len;
  OPENSSL_free(text);
  return ok < 0 ? -1 : 0;
}

/* Pushes {CN = "a", OU = {"b", "c"}}, without values that are no text. [-0, +1, e] */
static void push_name(lua_State *L, const X509_NAME *name, struct net_tls_draft *s) {
  lua_newtable(L);
  for (int i = 0; i < X509_NAME_entry_count(name); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
    int nid = OBJ_obj2nid(object);
    char oid[OID_SIZE];
    (void)OBJ_obj2txt(oid, sizeof oid, object, 1);
    if (write_utf8(s->out, X509_NAME_ENTRY_get_data(entry)) < 0)
      continue;
    net_tls_draft_take(L, s, 1);
    add_value(L, nid == NID_undef ? oid : OBJ_nid2sn(nid));
  }
}

/* --- extensions --------------------------------------------------------------------------- */

/* "DNS:a.com, IP Address:1.2.3.4". An extension without names, or one that cannot be read, is
 * a name that nobody has, and so no reason to go by the common name. */
static int write_altnames(BIO *out, const X509 *certificate) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  int ok = sk_GENERAL_NAME_num(names) > 0 || BIO_puts(out, "DNS:") > 0;
  for (int i = 0; ok && i < sk_GENERAL_NAME_num(names); i++)
    ok = (i == 0 || BIO_puts(out, ", ") > 0) &&
         net_tls_names_write(out, sk_GENERAL_NAME_value(names, i), 1);
  GENERAL_NAMES_free(names);
  return ok;
}

static void set_altnames(lua_State *L, const X509 *certificate, struct net_tls_draft *s) {
  if (X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0)
    return;
  net_tls_draft_take(L, s, write_altnames(s->out, certificate));
  lua_setfield(L, -2, "subjectaltname");
}

static void free_info(void *held) { AUTHORITY_INFO_ACCESS_free(held); }

static int write_access(BIO *out, const ACCESS_DESCRIPTION *access) {
  return i2a_ASN1_OBJECT(out, access->method) > 0 && BIO_puts(out, " - ") > 0 &&
         net_tls_names_write(out, access->location, 0);
}

/* Splits "OCSP - URI:http://a" on the top at the first colon, and puts it into the table
 * below: ["OCSP - URI"] = {"http://a"}. [-1, +0, m] */
static void add_access(lua_State *L) {
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  const char *colon = memchr(text, ':', len);
  if (colon) {
    lua_pushlstring(L, text, (size_t)(colon - text));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -4) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -6);
    }
    lua_pushlstring(L, colon + 1, len - (size_t)(colon + 1 - text));
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

static void set_info_access(lua_State *L, const X509 *certificate, struct net_tls_draft *s) {
  AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
  net_tls_draft_hold(s, info, free_info);
  if (sk_ACCESS_DESCRIPTION_num(info) <= 0)
    return;
  lua_newtable(L);
  for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(info); i++) {
    net_tls_draft_take(L, s, write_access(s->out, sk_ACCESS_DESCRIPTION_value(info, i)));
    add_access(L);
  }
  lua_setfield(L, -2, "infoAccess");
  net_tls_draft_hold(s, NULL, NULL);
}

static void free_usage(void *held) { EXTENDED_KEY_USAGE_free(held); }

static void set_usage(lua_State *L, const X509 *certificate, struct net_tls_draft *s) {
  EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
  if (usage == NULL)
    return;
  net_tls_draft_hold(s, usage, free_usage);
  lua_newtable(L);
  for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
    char oid[OID_SIZE];
    (void)OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usage, i), 1);
    lua_pushstring(L, oid);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "ext_key_usage");
  net_tls_draft_hold(s, NULL, NULL);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void set_time(lua_State *L, const char *field, const ASN1_TIME *time,
                     struct net_tls_draft *s) {
  if (!ASN1_TIME_print(s->out, time)) /* "Bad time value", as Node shows it */
    ERR_clear_error();
  net_tls_draft_take(L, s, 1);
  lua_setfield(L, -2, field);
}

/* "AA:BB" */
static void set_fingerprint(lua_State *L, const char *field, const X509 *certificate,
                            const EVP_MD *digest, struct net_tls_draft *s) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  int ok = X509_digest(certificate, digest, bytes, &len);
  for (unsigned i = 0; ok && i < len; i++)
    ok = BIO_printf(s->out, i ? ":%02X" : "%02X", bytes[i]) > 0;
  net_tls_draft_take(L, s, ok);
  lua_setfield(L, -2, field);
}

static int write_serial(BIO *out, const X509 *certificate) {
  BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  char *hex = n ? BN_bn2hex(n) : NULL;
  int ok = hex && BIO_puts(out, hex) > 0;
  OPENSSL_free(hex);
  BN_free(n);
  return ok;
}

static void set_fields(lua_State *L, X509 *certificate, struct net_tls_draft *s) {
  push_name(L, X509_get_subject_name(certificate), s);
  lua_setfield(L, -2, "subject");
  push_name(L, X509_get_issuer_name(certificate), s);
  lua_setfield(L, -2, "issuer");
  set_altnames(L, certificate, s);
  set_info_access(L, certificate, s);
  lua_pushboolean(L, X509_check_ca(certificate) == 1);
  lua_setfield(L, -2, "ca");
  net_tls_publickey_set(L, certificate, s);
  set_time(L, "valid_from", X509_get0_notBefore(certificate), s);
  set_time(L, "valid_to", X509_get0_notAfter(certificate), s);
  set_fingerprint(L, "fingerprint", certificate, EVP_sha1(), s);
  set_fingerprint(L, "fingerprint256", certificate, EVP_sha256(), s);
  set_fingerprint(L, "fingerprint512", certificate, EVP_sha512(), s);
  set_usage(L, certificate, s);
  net_tls_draft_take(L, s, write_serial(s->out, certificate));
  lua_setfield(L, -2, "serialNumber");
  net_tls_draft_take(L, s, i2d_X509_bio(s->out, certificate));
  lua_setfield(L, -2, "raw");
}

void net_tls_certificate_push(lua_State *L, X509 *certificate) {
  enum { FIELDS = 20, SLOTS = 16 };
  luaL_checkstack(L, SLOTS, "no room for a certificate");
  struct net_tls_draft *s = net_tls_draft_push(L);
  lua_createtable(L, 0, FIELDS);
  set_fields(L, certificate, s);
  lua_remove(L, -2);
  ERR_clear_error(); /* extensions that are none have left their complaints */
}

/* --- the chain ---------------------------------------------------------------------------------- */

static int is_issued(X509 *issuer, X509 *certificate) {
  return X509_check_issued(issuer, certificate) == X509_V_OK;
}

/* Of what the peer sent. */
static X509 *issuer_sent(X509 *certificate, STACK_OF(X509) *chain) {
  for (int i = 0; i < sk_X509_num(chain); i++) {
    X509 *other = sk_X509_value(chain, i);
    if (X509_cmp(other, certificate) != 0 && is_issued(other, certificate))
      return other;
  }
  return NULL;
}

/* Of those that are trusted. The store has it, so it is borrowed as well. */
static X509 *issuer_trusted(X509 *certificate, SSL_CTX *ctx) {
  X509_STORE_CTX *look = X509_STORE_CTX_new();
  X509 *issuer = NULL;
  if (look && X509_STORE_CTX_init(look, SSL_CTX_get_cert_store(ctx), NULL, NULL) &&
      X509_STORE_CTX_get1_issuer(&issuer, look, certificate) == 1)
    X509_free(issuer);
  else
    issuer = NULL;
  X509_STORE_CTX_free(look);
  ERR_clear_error();
  return issuer;
}

/* Sets the field of the table on the top, whose certificate is signed by itself. */
static void set_own_issuer(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "issuerCertificate");
}

void net_tls_certificate_push_chain(lua_State *L, X509 *certificate, STACK_OF(X509) *chain,
                                    SSL_CTX *ctx) {
  enum { LONGEST = 100 }; /* certificates; two may have issued each other */
  net_tls_certificate_push(L, certificate);
  lua_pushvalue(L, -1); /* the innermost so far */
  for (int i = 1; i < LONGEST && !is_issued(certificate, certificate); i++) {
    X509 *issuer = issuer_sent(certificate, chain);
    if (issuer == NULL)
      issuer = issuer_trusted(certificate, ctx);
    if (issuer == NULL)
      break;
    net_tls_certificate_push(L, issuer);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "issuerCertificate");
    lua_remove(L, -2);
    certificate = issuer;
  }
  if (is_issued(certificate, certificate))
    set_own_issuer(L);
  lua_pop(L, 1);
}

/* --- for Lua --------------------------------------------------------------------------------- */

static void free_x509(void *held) { X509_free(held); }

/* certificate(pem) -> table, or nil and libssl's error: for the specs, and for who has one
 * that no connection told of. [-0, +(1|2), e] */
static int core_certificate(lua_State *L) {
  size_t len;
  const char *pem = luaL_checklstring(L, 1, &len);
  struct net_tls_draft *s = net_tls_draft_push(L);
  BIO *bio = net_tls_bio_over(pem, len);
  X509 *certificate = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, (void *)"") : NULL;
  BIO_free(bio);
  net_tls_draft_hold(s, certificate, free_x509);
  if (certificate) {
    net_tls_certificate_push(L, certificate);
    return 1;
  }
  lua_pushnil(L);
  net_tls_push_error(L);
  return 2;
}

void net_tls_certificate_open(lua_State *L) {
  lua_pushcfunction(L, core_certificate);
  lua_setfield(L, -2, "certificate");
}
