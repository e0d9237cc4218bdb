/* SPDX-License-Identifier: MIT
 *
 * callbacks.c - what OpenSSL calls for LuaSec's connections: is a certificate good, which
 * context has a name, which protocol is taken, which DH parameters? See luasec.h.
 *
 * A raise is a longjmp, which must not go through OpenSSL's frames: Lua code is called
 * protected, and its error waits in the connection until OpenSSL's call is over. What calls
 * OpenSSL has the connection as its first argument, so it is at index 1 here. */
#include <lauxlib.h>
#include <string.h>

#include <openssl/dh.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls/base/bio.h"
#include "tls/luasec/luasec.h"

struct net_sec *net_sec_of(const SSL *ssl) {
  return SSL_get_app_data(ssl);
}

/* --- certificates ------------------------------------------------------------------------ */

static struct net_sec *connection_of(X509_STORE_CTX *x) {
  return net_sec_of(X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

static int ext_of(X509_STORE_CTX *x) {
  const SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
  const struct net_sec_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  return c ? c->ext : 0;
}

static int on_fault(int is_good, X509_STORE_CTX *x) {
  struct net_sec *e = connection_of(x);
  if (is_good || !(ext_of(x) & NET_SEC_CONTINUE))
    return is_good;
  if (e->fault_count < NET_SEC_FAULTS)
    e->faults[e->fault_count++] =
      (struct net_sec_fault){ X509_STORE_CTX_get_error_depth(x), X509_STORE_CTX_get_error(x) };
  return 1;
}

static int on_verify(X509_STORE_CTX *x, void *arg) {
  (void)arg;
  if (ext_of(x) & NET_SEC_AS_SERVER) {
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(x);
    (void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    (void)X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER);
  }
  return X509_verify_cert(x);
}

/* --- calling Lua ------------------------------------------------------------------------- */

/* Calls what is on the stack; 0: it has raised, which is told when OpenSSL's call is over.
 * [-nargs + 1, +nresults, -] */
static int call(struct net_sec *e, int nargs, int nresults) {
  if (lua_pcall(e->L, nargs, nresults, 0) == LUA_OK)
    return 1;
  e->raised = 1;
  lua_setiuservalue(e->L, 1, NET_SEC_ERROR);
  return 0;
}

/* --- names ------------------------------------------------------------------------------- */

/* [connection, names, name] -> its context, for good */
static int find_name(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 3));
  if (lua_rawget(L, 2) == LUA_TNIL)
    return 1;
  const struct net_sec_context *c = luaL_checkudata(L, -1, NET_SEC_CONTEXT_CLASS);
  if (c->ctx == NULL) /* since sni() */
    luaL_error(L, "the context of a name is closed");
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, NET_SEC_CONTEXT);
  return 1;
}

static int use_context_of(SSL *ssl, struct net_sec *e, const char *name) {
  lua_State *L = e->L;
  lua_pushcfunction(L, find_name);
  lua_pushvalue(L, 1);
  lua_getiuservalue(L, 1, NET_SEC_NAMES);
  lua_pushlightuserdata(L, (void *)name);
  if (!call(e, 3, 1))
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  const struct net_sec_context *c = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (c == NULL)
    return e->is_strict ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
  if (SSL_set_SSL_CTX(ssl, c->ctx) == NULL)
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* it is of the one before still, who may trust others */
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(c->ctx), SSL_CTX_get_verify_callback(c->ctx));
  return SSL_TLSEXT_ERR_OK;
}

static int on_name(SSL *ssl, int *alert, void *arg) {
  struct net_sec *e = net_sec_of(ssl);
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  (void)arg;
  if (name == NULL || e->L == NULL || !SSL_is_server(ssl))
    return SSL_TLSEXT_ERR_NOACK;
  int has_names = lua_getiuservalue(e->L, 1, NET_SEC_NAMES) == LUA_TTABLE;
  lua_pop(e->L, 1);
  if (!has_names)
    return SSL_TLSEXT_ERR_NOACK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return use_context_of(ssl, e, name);
}

/* --- protocols ----------------------------------------------------------------------------- */

struct offer {
  const unsigned char *names;
  unsigned len;
};

/* [function, offer] -> ours */
static int ask_protocols(lua_State *L) {
  const struct offer *offer = lua_touserdata(L, 2);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)offer->names, offer->len);
  lua_call(L, 1, 1);
  return 1;
}

/* One of 'offer', which stays where it is, that is in 'ours' too. */
static int choose(const char *ours, size_t len, const struct offer *offer,
                  const unsigned char **out, unsigned char *out_len) {
  unsigned char *found;
  if (SSL_select_next_proto(&found, out_len, (const unsigned char *)ours, (unsigned)len,
                            offer->names, offer->len) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  for (unsigned i = 0; i < offer->len; i += offer->names[i] + 1u) {
    if (offer->names[i] == *out_len && memcmp(offer->names + i + 1, found, *out_len) == 0) {
      *out = offer->names + i + 1;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_NOACK;
}

static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                        const unsigned char *in, unsigned in_len, void *arg) {
  struct net_sec *e = net_sec_of(ssl);
  struct offer offer = { in, in_len };
  lua_State *L = e->L;
  (void)arg;
  if (L == NULL)
    return SSL_TLSEXT_ERR_NOACK;
  lua_pushcfunction(L, ask_protocols);
  lua_getiuservalue(L, 1, NET_SEC_CONTEXT);
  int has_one = lua_getiuservalue(L, -1, NET_SEC_ON_ALPN) == LUA_TFUNCTION;
  lua_remove(L, -2);
  if (!has_one) {
    lua_pop(L, 2);
    return SSL_TLSEXT_ERR_NOACK;
  }
  lua_pushlightuserdata(L, &offer);
  if (!call(e, 2, 1))
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  size_t len = 0;
  const char *ours = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
  int answer = ours ? choose(ours, len, &offer, out, out_len) : SSL_TLSEXT_ERR_NOACK;
  lua_pop(L, 1);
  return answer;
}

/* --- Diffie-Hellman ---------------------------------------------------------------------- */

enum { DH_BITS = 1024 }; /* what OpenSSL asks LuaSec's function for, always */

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static int use_dh(SSL *ssl, BIO *pem) {
  EVP_PKEY *dh = PEM_read_bio_Parameters(pem, NULL);
  if (dh && SSL_set0_tmp_dh_pkey(ssl, dh))
    return 1;
  EVP_PKEY_free(dh);
  return 0;
}
#else
static int use_dh(SSL *ssl, BIO *pem) {
  DH *dh = PEM_read_bio_DHparams(pem, NULL, NULL, (void *)"");
  int ok = dh && SSL_set_tmp_dh(ssl, dh);
  DH_free(dh);
  return ok;
}
#endif

void net_sec_callbacks_dh(lua_State *L, struct net_sec *e) {
  lua_getiuservalue(L, 1, NET_SEC_CONTEXT);
  if (lua_getiuservalue(L, -1, NET_SEC_ON_DH) == LUA_TFUNCTION) {
    lua_pushboolean(L, 0);
    lua_pushinteger(L, DH_BITS);
    lua_call(L, 2, 1);
    size_t len = 0;
    const char *pem = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    BIO *bio = pem && e->ssl ? net_tls_bio_over(pem, len) : NULL;
    if (bio)
      (void)use_dh(e->ssl, bio); /* without them there are no DHE ciphers, as in LuaSec */
    BIO_free(bio);
    ERR_clear_error();
    lua_pop(L, 1);
  } else
    lua_pop(L, 1);
  lua_pop(L, 1);
}

int net_sec_callbacks_install(struct net_sec_context *c) {
  SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, on_fault);
  SSL_CTX_set_cert_verify_callback(c->ctx, on_verify, NULL);
  SSL_CTX_set_tlsext_servername_callback(c->ctx, on_name);
  SSL_CTX_set_alpn_select_cb(c->ctx, on_protocols, NULL);
  return SSL_CTX_set_app_data(c->ctx, c);
}
