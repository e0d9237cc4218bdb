/* SPDX-License-Identifier: MIT
 *
 * parameters.c - ciphers, signatures and groups of a SecureContext.
 *
 * The lists are libssl's own grammar, and what is wrong with one is for it to say. */
#include "tls/context/parameters.h"

#include <lauxlib.h>
#include <openssl/dh.h>
#include <openssl/pem.h>
#include <string.h>

#include "tls/base/bio.h"
#include "tls/base/error.h"
#include "tls/context/context.h"

/* Pushes libssl's error if 'ok' is 0; returns how many values that are. */
static int answer(lua_State *L, int ok) {
  if (ok)
    return 0;
  net_tls_push_error(L);
  return 1;
}

static int parameters_set_ciphers(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  const char *list = luaL_checkstring(L, 2);
  ERR_clear_error();
  int ok = SSL_CTX_set_cipher_list(ctx, list);
  if (ok || *list != '\0')
    return answer(L, ok);
  ERR_clear_error(); /* none was what was asked for */
  return 0;
}

static int parameters_set_suites(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  const char *list = luaL_checkstring(L, 2);
  ERR_clear_error();
  return answer(L, SSL_CTX_set_ciphersuites(ctx, list));
}

/* libssl says nothing of what is wrong with these two. */
static int refuse(lua_State *L, const char *message) {
  ERR_clear_error();
  lua_pushstring(L, message);
  return 1;
}

static int parameters_set_sigalgs(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  const char *list = luaL_checkstring(L, 2);
  if (SSL_CTX_set1_sigalgs_list(ctx, list))
    return 0;
  return refuse(L, "Failed to set signature algorithms");
}

static int parameters_set_groups(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  const char *list = luaL_checkstring(L, 2);
  if (SSL_CTX_set1_groups_list(ctx, list))
    return 0;
  return refuse(L, "Failed to set ECDH curve");
}

/* --- Diffie-Hellman ----------------------------------------------------------------- */

enum { DH_LEAST = 1024 }; /* bits */

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
typedef EVP_PKEY dh_params;
static dh_params *dh_decode(const unsigned char *der, long len) {
  return d2i_KeyParams(EVP_PKEY_DH, NULL, &der, len);
}
static int dh_bits(dh_params *dh) { return EVP_PKEY_bits(dh); }
static void dh_free(dh_params *dh) { EVP_PKEY_free(dh); }
/* The context takes it. */
static int dh_use(SSL_CTX *ctx, dh_params *dh) {
  if (SSL_CTX_set0_tmp_dh_pkey(ctx, dh))
    return 1;
  EVP_PKEY_free(dh);
  return 0;
}
#else
typedef DH dh_params;
static dh_params *dh_decode(const unsigned char *der, long len) {
  return d2i_DHparams(NULL, &der, len);
}
static int dh_bits(dh_params *dh) { return DH_bits(dh); }
static void dh_free(dh_params *dh) { DH_free(dh); }
static int dh_use(SSL_CTX *ctx, dh_params *dh) {
  int ok = (int)SSL_CTX_set_tmp_dh(ctx, dh);
  DH_free(dh);
  return ok;
}
#endif

/* The first "DH PARAMETERS" of a PEM, whatever stands before it; NULL: none, as libssl's
 * queue says. */
static dh_params *dh_read(BIO *bio) {
  dh_params *dh = NULL;
  char *name, *header;
  unsigned char *der;
  long len;
  int found = 0;
  while (!found && PEM_read_bio(bio, &name, &header, &der, &len)) {
    found = strcmp(name, PEM_STRING_DHPARAMS) == 0;
    if (found)
      dh = dh_decode(der, len);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
  }
  return dh;
}

static int set_dh_params(lua_State *L, SSL_CTX *ctx, dh_params *dh) {
  int bits = dh_bits(dh);
  if (bits < DH_LEAST)
    dh_free(dh);
  else if (!dh_use(ctx, dh))
    return refuse(L, "Error setting temp DH parameter");
  lua_pushinteger(L, bits);
  return 1;
}

static int parameters_set_dh(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  size_t len;
  const char *pem = luaL_optlstring(L, 2, NULL, &len);
  ERR_clear_error();
  if (pem == NULL)
    return answer(L, (int)SSL_CTX_set_dh_auto(ctx, 1));
  BIO *bio = net_tls_bio_over(pem, len);
  dh_params *dh = bio ? dh_read(bio) : NULL;
  BIO_free(bio);
  return dh ? set_dh_params(L, ctx, dh) : answer(L, 0);
}

static const luaL_Reg parameters_functions[] = {
  { "set_ciphers", parameters_set_ciphers }, { "set_suites", parameters_set_suites },
  { "set_sigalgs", parameters_set_sigalgs }, { "set_groups", parameters_set_groups },
  { "set_dh", parameters_set_dh },           { NULL, NULL }
};

void net_tls_parameters_open(lua_State *L) { luaL_setfuncs(L, parameters_functions, 0); }
