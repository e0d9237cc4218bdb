/* SPDX-License-Identifier: MIT
 *
 * certificate.c - LuaSec's certificates. See luasec.h.
 *
 * What OpenSSL writes goes through a draft, which is freed also where Lua raises. */
#include <lauxlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/base/bio.h"
#include "tls/base/draft.h"
#include "tls/luasec/luasec.h"
#include "tls/luasec/names.h"

static const char CLASS[] = "net.luasec.Certificate";

struct certificate {
  struct net_kept kept;
  X509 *x; /* owned */
  enum net_sec_encoding encoding;
};

static struct certificate *check(lua_State *L, int idx) {
  struct certificate *c = luaL_testudata(L, idx, CLASS);
  if (c == NULL || c->x == NULL)
    luaL_typeerror(L, idx, "SSL:Certificate");
  return c;
}

static void certificate_end(struct net_kept *kept) {
  struct certificate *c = (struct certificate *)kept;
  net_kept_drop(kept);
  X509_free(c->x);
  c->x = NULL;
}

/* The finalizer, of which a program may make use, too: of anything. */
static int on_gc(lua_State *L) {
  struct certificate *c = luaL_testudata(L, 1, CLASS);
  if (c)
    certificate_end(&c->kept);
  return 0;
}

static int on_tostring(lua_State *L) {
  lua_pushfstring(L, "X509 certificate: %p", lua_topointer(L, 1));
  return 1;
}

/* [certificate, a light userdata] -> its object */
static int wrap(lua_State *L) {
  struct certificate *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (struct certificate){ .encoding = NET_SEC_AI5 };
  luaL_setmetatable(L, CLASS);
  net_tls_net->keep(L, &c->kept, certificate_end);
  c->x = lua_touserdata(L, 1);
  return 1;
}

void net_sec_certificate_push(lua_State *L, X509 *x) {
  if (x == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_pushcfunction(L, wrap);
  lua_pushlightuserdata(L, x);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    return;
  X509_free(x);
  lua_error(L);
}

/* load(pem) -> certificate; nil if there is none in it. Nobody is asked for a passphrase. */
static int certificate_load(lua_State *L) {
  size_t len;
  const char *pem = luaL_checklstring(L, 1, &len);
  BIO *bio = net_tls_bio_over(pem, len);
  X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, (void *)"") : NULL;
  BIO_free(bio);
  ERR_clear_error();
  net_sec_certificate_push(L, x);
  return 1;
}

/* --- names ------------------------------------------------------------------------------- */

static int certificate_subject(lua_State *L) {
  struct certificate *c = check(L, 1);
  net_sec_push_name(L, X509_get_subject_name(c->x), c->encoding);
  return 1;
}

static int certificate_issuer(lua_State *L) {
  struct certificate *c = check(L, 1);
  net_sec_push_name(L, X509_get_issuer_name(c->x), c->encoding);
  return 1;
}

static int certificate_extensions(lua_State *L) {
  struct certificate *c = check(L, 1);
  net_sec_push_extensions(L, c->x, c->encoding);
  return 1;
}

/* cert:setencode("ai5"|"utf8") -> is it one of them? */
static int certificate_setencode(lua_State *L) {
  struct certificate *c = check(L, 1);
  const char *name = net_sec_text(L, 2);
  int is_utf8 = strcmp(name, "utf8") == 0, ok = is_utf8 || strcmp(name, "ai5") == 0;
  if (ok)
    c->encoding = is_utf8 ? NET_SEC_UTF8 : NET_SEC_AI5;
  lua_pushboolean(L, ok);
  return 1;
}

/* --- numbers and times ----------------------------------------------------------------- */

static int certificate_serial(lua_State *L) {
  struct certificate *c = check(L, 1);
  struct net_tls_draft *s = net_tls_draft_push(L);
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(c->x), NULL);
  char *text = number ? BN_bn2hex(number) : NULL;
  BN_free(number);
  if (text)
    net_tls_draft_hold_text(s, text);
  net_tls_draft_take(L, s, text != NULL && BIO_puts(s->out, text) >= 0);
  return 1;
}

static int push_time(lua_State *L, const ASN1_TIME *time) {
  struct net_tls_draft *s = net_tls_draft_push(L);
  net_tls_draft_take(L, s, ASN1_TIME_print(s->out, time));
  return 1;
}

static int certificate_notbefore(lua_State *L) {
  return push_time(L, X509_get0_notBefore(check(L, 1)->x));
}

static int certificate_notafter(lua_State *L) {
  return push_time(L, X509_get0_notAfter(check(L, 1)->x));
}

/* cert:validat(seconds) -> is it valid then? */
static int certificate_validat(lua_State *L) {
  struct certificate *c = check(L, 1);
  time_t at = (time_t)luaL_checkinteger(L, 2);
  int begun = X509_cmp_time(X509_get0_notBefore(c->x), &at) < 0;
  lua_pushboolean(L, begun && X509_cmp_time(X509_get0_notAfter(c->x), &at) >= 0);
  return 1;
}

/* --- what it is -------------------------------------------------------------------------- */

static int certificate_pem(lua_State *L) {
  struct certificate *c = check(L, 1);
  struct net_tls_draft *s = net_tls_draft_push(L);
  net_tls_draft_take(L, s, PEM_write_bio_X509(s->out, c->x));
  return 1;
}

static const EVP_MD *digest_named(const char *name) {
  return strcmp(name, "sha1") == 0     ? EVP_sha1()
         : strcmp(name, "sha256") == 0 ? EVP_sha256()
         : strcmp(name, "sha512") == 0 ? EVP_sha512()
                                       : NULL;
}

/* cert:digest([algorithm]) -> in hexadecimal; "sha1" if it is left out */
static int certificate_digest(lua_State *L) {
  struct certificate *c = check(L, 1);
  const char *name = luaL_optstring(L, 2, "sha1");
  const EVP_MD *md = digest_named(name);
  unsigned char bytes[EVP_MAX_MD_SIZE];
  char text[2 * EVP_MAX_MD_SIZE];
  unsigned len = 0;
  if (md == NULL)
    return net_sec_no(L, "digest algorithm not supported (%s)", name);
  ERR_clear_error();
  if (!X509_digest(c->x, md, bytes, &len))
    return net_sec_refuse(L, "error processing the certificate (%s)");
  for (unsigned i = 0; i < len; i++) {
    text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
    text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
  }
  lua_pushlstring(L, text, (size_t)len * 2);
  return 1;
}

static int certificate_getsignaturename(lua_State *L) {
  const char *name = OBJ_nid2sn(X509_get_signature_nid(check(L, 1)->x));
  lua_pushstring(L, name);
  return 1;
}

static const char *kind_of(const EVP_PKEY *key) {
  switch (EVP_PKEY_base_id(key)) {
    case EVP_PKEY_RSA: return "RSA";
    case EVP_PKEY_DSA: return "DSA";
    case EVP_PKEY_DH: return "DH";
    case EVP_PKEY_EC: return "EC";
    default: return "Unknown";
  }
}

/* cert:pubkey() -> PEM, kind, bits */
static int certificate_pubkey(lua_State *L) {
  EVP_PKEY *key = X509_get0_pubkey(check(L, 1)->x);
  struct net_tls_draft *s = net_tls_draft_push(L);
  if (key == NULL) {
    ERR_clear_error();
    return 0;
  }
  net_tls_draft_take(L, s, PEM_write_bio_PUBKEY(s->out, key));
  lua_pushstring(L, kind_of(key));
  lua_pushinteger(L, EVP_PKEY_bits(key));
  return 3;
}

/* --- who has issued what ----------------------------------------------------------------- */

struct issuing {
  X509_STORE *store;
  STACK_OF(X509) *between;
  X509_STORE_CTX *x;
};

static void issuing_free(struct issuing *i) {
  X509_STORE_CTX_free(i->x);
  sk_X509_free(i->between);
  X509_STORE_free(i->store);
}

/* Is all there? Certificates from index 3 on are those in between. */
static int issuing_begin(lua_State *L, struct issuing *i, X509 *root, X509 *leaf) {
  int ok = i->store && i->between && i->x && X509_STORE_add_cert(i->store, root);
  for (int at = 3; ok && at <= lua_gettop(L); at++) {
    const struct certificate *c = lua_touserdata(L, at);
    ok = sk_X509_push(i->between, c->x) > 0;
  }
  return ok && X509_STORE_CTX_init(i->x, i->store, leaf, i->between);
}

/* cert:issued(other, between...) -> true; nil and a word if it has not issued the other */
static int certificate_issued(lua_State *L) {
  X509 *root = check(L, 1)->x, *leaf = check(L, 2)->x;
  for (int at = 3; at <= lua_gettop(L); at++)
    check(L, at);
  struct issuing i = { X509_STORE_new(), sk_X509_new_null(), X509_STORE_CTX_new() };
  int is_ready = issuing_begin(L, &i, root, leaf);
  int code = X509_V_ERR_OUT_OF_MEM;
  if (is_ready)
    code = X509_verify_cert(i.x) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(i.x);
  issuing_free(&i);
  if (code == X509_V_OK)
    return net_sec_yes(L);
  return net_sec_no(L, "%s", X509_verify_cert_error_string(code));
}

/* --- opening ------------------------------------------------------------------------------ */

static const luaL_Reg methods[] = {
  { "digest", certificate_digest },
  { "extensions", certificate_extensions },
  { "getsignaturename", certificate_getsignaturename },
  { "issued", certificate_issued },
  { "issuer", certificate_issuer },
  { "notafter", certificate_notafter },
  { "notbefore", certificate_notbefore },
  { "pem", certificate_pem },
  { "pubkey", certificate_pubkey },
  { "serial", certificate_serial },
  { "setencode", certificate_setencode },
  { "subject", certificate_subject },
  { "validat", certificate_validat },
  { NULL, NULL },
};

void net_sec_certificate_open(lua_State *L) {
  net_sec_class_push(L, CLASS, "SSL:Certificate", on_gc, on_tostring);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  net_kept_guard(L);
  lua_pop(L, 1);
  lua_pushcfunction(L, certificate_load);
  lua_setfield(L, -2, "load");
}
