/* SPDX-License-Identifier: MIT
 *
 * credentials.c - certificates and keys of a SecureContext: PEM and PKCS #12.
 *
 * libssl reads them out of the Lua string itself, and wipes what it copied; a passphrase
 * is copied into a buffer of libssl's only. Nothing here keeps an object of libssl's while
 * it talks to Lua, which may raise. A context may have a certificate for each kind of key:
 * each key goes to the one of its kind. */
#include "tls/context/credentials.h"

#include <lauxlib.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "tls/base/bio.h"
#include "tls/base/error.h"
#include "tls/context/anchors.h"
#include "tls/context/context.h"

/* What set_key was given. 'text' is NULL if that was nothing. */
struct passphrase {
  const char *text;
  size_t len;
};

/* libssl's pem_password_cb. Without a passphrase it has the empty one, which is wrong: any
 * negative answer would read as if somebody had cancelled. */
static int on_passphrase(char *buf, int size, int writing, void *arg) {
  const struct passphrase *pass = arg;
  (void)writing;
  if (pass == NULL || pass->text == NULL)
    return 0;
  if (size < 0 || pass->len > (size_t)size)
    return -1;
  memcpy(buf, pass->text, pass->len);
  return (int)pass->len;
}

void net_tls_credentials_install(SSL_CTX *ctx) {
  SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
}

/* The certificates behind the leaf; ends well where no further one begins. */
static int read_chain(SSL_CTX *ctx, BIO *bio) {
  X509 *next;
  while ((next = PEM_read_bio_X509(bio, NULL, on_passphrase, NULL)) != NULL) {
    int ok = (int)SSL_CTX_add0_chain_cert(ctx, next);
    if (!ok) {
      X509_free(next);
      return 0;
    }
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return 0;
  ERR_clear_error();
  return 1;
}

/* SSL_CTX_use_certificate makes the leaf the one that the next calls are about. */
static int read_certificates(SSL_CTX *ctx, BIO *bio) {
  X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, on_passphrase, NULL) : NULL;
  int ok = leaf && SSL_CTX_use_certificate(ctx, leaf) && SSL_CTX_clear_chain_certs(ctx) &&
           read_chain(ctx, bio);
  X509_free(leaf);
  return ok;
}

static int credentials_set_cert(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  ERR_clear_error();
  BIO *bio = net_tls_bio_over(pem, len);
  int ok = read_certificates(ctx, bio);
  BIO_free(bio);
  if (ok)
    return 0;
  net_tls_push_error(L);
  return 1;
}

/* A key could not be read: OpenSSL 1.1.1 is to say why as 3 does, whose decoders look for more
 * than a PEM. */
static void no_key(void) {
#if OPENSSL_VERSION_NUMBER < 0x30000000L
  unsigned long code = ERR_peek_error();
  int reason = ERR_GET_LIB(code) == ERR_LIB_PEM ? ERR_GET_REASON(code) : 0;
  if (reason == PEM_R_NO_START_LINE || reason == PEM_R_BAD_END_LINE)
    code = NET_TLS_UNSUPPORTED;
  else if (reason == PEM_R_BAD_PASSWORD_READ)
    code = NET_TLS_CANCELLED;
  else
    return;
  ERR_clear_error();
  ERR_put_error(ERR_GET_LIB(code), 0, ERR_GET_REASON(code), "", 0);
#endif
}

static int credentials_set_key(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  struct passphrase pass;
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  pass.text = luaL_optlstring(L, 3, NULL, &pass.len);
  ERR_clear_error();
  BIO *bio = net_tls_bio_over(pem, len);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &pass) : NULL;
  int ok = key && SSL_CTX_use_PrivateKey(ctx, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
  if (key == NULL)
    no_key();
  if (ok) {
    ERR_clear_error(); /* decoders that were tried first have left their complaints */
    return 0;
  }
  net_tls_push_error(L);
  return 1;
}

/* What a PKCS #12 holds. */
struct pfx {
  EVP_PKEY *key;
  X509 *cert;
  STACK_OF(X509) *others; /* NULL if there are none */
};

/* One without a MAC is read as it is, by its passphrase, as OpenSSL 3.5 and Node do; older
 * versions refuse it, so it is given one. */
static int has_mac(PKCS12 *p12, const char *passphrase) {
  if (PKCS12_mac_present(p12) || passphrase == NULL || *passphrase == '\0')
    return 1;
  return PKCS12_set_mac(p12, passphrase, -1, NULL, 0, 1, NULL);
}

static int pfx_read(struct pfx *pfx, const char *bytes, size_t len, const char *passphrase) {
  BIO *bio = net_tls_bio_over(bytes, len);
  PKCS12 *p12 = bio ? d2i_PKCS12_bio(bio, NULL) : NULL;
  int ok = p12 && has_mac(p12, passphrase) &&
           PKCS12_parse(p12, passphrase, &pfx->key, &pfx->cert, &pfx->others);
  PKCS12_free(p12);
  BIO_free(bio);
  return ok;
}

static int pfx_use(struct net_tls_context *c, const struct pfx *pfx) {
  SSL_CTX *ctx = c->ctx;
  if (!SSL_CTX_use_certificate(ctx, pfx->cert) || !SSL_CTX_set1_chain(ctx, pfx->others) ||
      !SSL_CTX_use_PrivateKey(ctx, pfx->key))
    return 0;
  return sk_X509_num(pfx->others) <= 0 || net_tls_anchors_add(c, pfx->others);
}

static void pfx_free(struct pfx *pfx) {
  EVP_PKEY_free(pfx->key);
  X509_free(pfx->cert);
  sk_X509_pop_free(pfx->others, X509_free);
}

/* Pushes why, as Node does: no more than the reason, and a code if it has one. Of nothing at all
 * libssl says nothing. [-0, +(1|2), m] */
static int push_pfx_error(lua_State *L) {
  unsigned long code = ERR_get_error();
  const char *reason = ERR_reason_error_string(code);
  ERR_clear_error();
#ifdef ERR_R_UNSUPPORTED
  if (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED) {
    lua_pushliteral(L, "Unsupported PKCS12 PFX data");
    lua_pushliteral(L, "ERR_CRYPTO_UNSUPPORTED_OPERATION");
    return 2;
  }
#endif
  lua_pushstring(L, reason ? reason : "not enough data");
  return 1;
}

/* Pushes what is not in it. [-0, +2, m] */
static int push_lack(lua_State *L, const char *what) {
  ERR_clear_error();
  lua_pushfstring(L, "Unable to load %s from PFX data", what);
  lua_pushliteral(L, "ERR_CRYPTO_OPERATION_FAILED");
  return 2;
}

/* load_pfx(context, bytes [, passphrase]) -> what is wrong, and its code if it has one */
static int credentials_load_pfx(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  struct pfx pfx = { NULL, NULL, NULL };
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  const char *passphrase = luaL_optstring(L, 3, NULL);
  ERR_clear_error();
  int is_read = pfx_read(&pfx, bytes, len, passphrase);
  const char *lack = pfx.key == NULL ? "private key" : pfx.cert == NULL ? "certificate" : NULL;
  int ok = is_read && lack == NULL && pfx_use(c, &pfx);
  pfx_free(&pfx);
  if (is_read && lack)
    return push_lack(L, lack);
  if (!ok)
    return push_pfx_error(L);
  ERR_clear_error();
  return 0;
}

static const luaL_Reg credentials_functions[] = { { "set_cert", credentials_set_cert },
                                                  { "set_key", credentials_set_key },
                                                  { "load_pfx", credentials_load_pfx },
                                                  { NULL, NULL } };

void net_tls_credentials_open(lua_State *L) { luaL_setfuncs(L, credentials_functions, 0); }
