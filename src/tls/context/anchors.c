/* SPDX-License-Identifier: MIT
 *
 * anchors.c - whom a SecureContext trusts.
 *
 * Without 'ca' that is the default store: one a Lua state, made when it is first needed
 * and shared by reference, as it takes 30 ms and a megabyte, and a context 15 KiB. So it is
 * never changed: a context that is to have more, or lists of revoked certificates, gets a
 * copy; and where a program sets other defaults, that is another store, for the contexts
 * that are made from then on. */
#include "tls/context/anchors.h"

#include <lauxlib.h>
#include <openssl/pem.h>

#include "tls/base/bio.h"
#include "tls/base/draft.h"
#include "tls/base/error.h"
#include "tls/base/owner.h"
#include "tls/context/context.h"
#include "tls/context/store.h"

/* Registry: the stores, each in a userdata. */
static const char default_key; /* the one that a program has set */
static const char system_key;

/* --- the default store ------------------------------------------------------------ */

static void free_store(void *store) { X509_STORE_free(store); }

/* The store under that key; NULL if there is none yet. [-0, +0, -] */
static X509_STORE *kept_store(lua_State *L, const char *key) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  const struct net_tls_owner *owner = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return owner ? owner->what : NULL;
}

/* The system's, made if it is not there; NULL: no memory in libssl. [-0, +0, m] */
static X509_STORE *system_store(lua_State *L) {
  X509_STORE *store = kept_store(L, &system_key);
  if (store)
    return store;
  struct net_tls_owner *owner = net_tls_owner_push(L, free_store);
  owner->what = net_tls_store_system();
  if (owner->what == NULL) {
    lua_pop(L, 1);
    return NULL;
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &system_key);
  return kept_store(L, &system_key);
}

static X509_STORE *default_store(lua_State *L) {
  X509_STORE *store = kept_store(L, &default_key);
  return store ? store : system_store(L);
}

/* --- a context's own ----------------------------------------------------------------- */

/* A store that only this context has; NULL: no memory. */
static X509_STORE *own_store(struct net_tls_context *c) {
  X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
  if (!c->shares)
    return store;
  store = net_tls_store_copy(store);
  if (store) {
    SSL_CTX_set_cert_store(c->ctx, store);
    c->shares = 0;
  }
  return store;
}

int net_tls_anchors_add(struct net_tls_context *c, STACK_OF(X509) *certificates) {
  X509_STORE *store = own_store(c);
  for (int i = 0; store && i < sk_X509_num(certificates); i++) {
    X509 *certificate = sk_X509_value(certificates, i);
    if (!X509_STORE_add_cert(store, certificate) || !SSL_CTX_add_client_CA(c->ctx, certificate))
      return 0;
  }
  return store != NULL;
}

static int anchors_add_ca(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  ERR_clear_error();
  BIO *bio = net_tls_bio_over(pem, len);
  X509_STORE *store = own_store(c);
  int count = bio && store ? net_tls_store_read(store, bio, c->ctx) : -1;
  BIO_free(bio);
  if (count > 0)
    return 0;
  if (count == 0)
    ERR_put_error(ERR_LIB_PEM, 0, PEM_R_NO_START_LINE, __FILE__, __LINE__);
  net_tls_push_error(L);
  return 1;
}

static int anchors_use_default_ca(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  ERR_clear_error();
  X509_STORE *store = default_store(L);
  if (store == NULL) {
    net_tls_push_error(L);
    return 1;
  }
  SSL_CTX_set1_cert_store(c->ctx, store);
  c->shares = 1;
  return 0;
}

static int anchors_set_partial_chain(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  ERR_clear_error();
  X509_STORE *store = own_store(c);
  if (store && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN))
    return 0;
  net_tls_push_error(L);
  return 1;
}

/* Returns how many lists there were; -1 if something that begins as one is none. One that is
 * encrypted is: without a passphrase, "", OpenSSL would ask the terminal. */
static int read_lists(X509_STORE *store, BIO *bio) {
  X509_CRL *list;
  int count = 0;
  while ((list = PEM_read_bio_X509_CRL(bio, NULL, NULL, (void *)"")) != NULL) {
    int ok = X509_STORE_add_crl(store, list);
    X509_CRL_free(list);
    if (!ok)
      return -1;
    count++;
  }
  return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? count : -1;
}

static int anchors_add_crl(lua_State *L) {
  struct net_tls_context *c = net_tls_context_check(L, 1);
  size_t len;
  const char *pem = luaL_checklstring(L, 2, &len);
  ERR_clear_error();
  BIO *bio = net_tls_bio_over(pem, len);
  X509_STORE *store = own_store(c);
  int count = bio && store ? read_lists(store, bio) : -1;
  BIO_free(bio);
  ERR_clear_error();
  if (count > 0) {
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
  }
  lua_pushliteral(L, "Failed to parse CRL");
  return 1;
}

/* --- whom it trusts ------------------------------------------------------------------ */

enum { SUM = 32 }; /* bytes of SHA-256 */

/* What is in the store joins 'sum', in whichever order it is there. */
static int add_object(unsigned char *sum, X509_OBJECT *object) {
  unsigned char one[EVP_MAX_MD_SIZE];
  X509 *certificate = X509_OBJECT_get0_X509(object);
  X509_CRL *list = X509_OBJECT_get0_X509_CRL(object);
  if (certificate ? !X509_digest(certificate, EVP_sha256(), one, NULL)
                  : !list || !X509_CRL_digest(list, EVP_sha256(), one, NULL))
    return 0;
  for (int i = 0; i < SUM; i++)
    sum[i] ^= one[i];
  return 1;
}

/* trust(context) -> bytes, the same for the same certificates, lists and flags. [-0, +1, e] */
static int anchors_trust(lua_State *L) {
  X509_STORE *store = SSL_CTX_get_cert_store(net_tls_context_check(L, 1)->ctx);
  const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
  unsigned char sum[SUM] = { 0 };
  ERR_clear_error();
  for (int i = 0; i < sk_X509_OBJECT_num(objects); i++)
    if (!add_object(sum, sk_X509_OBJECT_value(objects, i)))
      return net_tls_raise_error(L);
  lua_pushlstring(L, (const char *)sum, sizeof sum);
  lua_pushinteger(L, (lua_Integer)X509_VERIFY_PARAM_get_flags(X509_STORE_get0_param(store)));
  lua_concat(L, 2);
  return 1;
}

/* --- the defaults, for Lua ------------------------------------------------------------ */

/* What is in a store; raises if there was no memory for one. [-0, +0, e] */
static STACK_OF(X509_OBJECT) *check_objects(lua_State *L, X509_STORE *store) {
  if (store == NULL)
    net_tls_raise_error(L);
  return X509_STORE_get0_objects(store);
}

static int anchors_ca_count(lua_State *L) {
  ERR_clear_error();
  lua_pushinteger(L, sk_X509_OBJECT_num(check_objects(L, default_store(L))));
  return 1;
}

static int anchors_ca(lua_State *L) {
  int is_default = lua_toboolean(L, 1);
  ERR_clear_error();
  X509_STORE *store = is_default ? default_store(L) : system_store(L);
  STACK_OF(X509_OBJECT) *objects = check_objects(L, store);
  struct net_tls_draft *s = net_tls_draft_push(L);
  lua_newtable(L);
  for (int i = 0, n = 0; i < sk_X509_OBJECT_num(objects); i++) {
    X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (certificate == NULL)
      continue;
    net_tls_draft_take(L, s, PEM_write_bio_X509(s->out, certificate));
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Adds what can be read of the list of PEMs at 1; returns how many there are then; -1: there
 * is no memory. */
static int read_pems(lua_State *L, X509_STORE *store) {
  for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TSTRING; i++) {
    size_t len;
    const char *pem = lua_tolstring(L, -1, &len);
    BIO *bio = net_tls_bio_over(pem, len);
    int count = bio ? net_tls_store_read(store, bio, NULL) : -1;
    BIO_free(bio);
    lua_pop(L, 1);
    if (net_tls_store_lacks_memory(count))
      return -1;
  }
  lua_pop(L, 1);
  return sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
}

static int anchors_set_default_ca(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  struct net_tls_owner *owner = net_tls_owner_push(L, free_store);
  ERR_clear_error();
  owner->what = X509_STORE_new();
  if (owner->what == NULL)
    return net_tls_raise_error(L);
  int count = read_pems(L, owner->what);
  if (count < 0)
    return net_tls_raise_memory(L);
  if (count > 0 || lua_rawlen(L, 1) == 0)
    lua_rawsetp(L, LUA_REGISTRYINDEX, &default_key);
  lua_pushinteger(L, count);
  return 1;
}

static const luaL_Reg anchors_functions[] = { { "add_ca", anchors_add_ca },
                                              { "use_default_ca", anchors_use_default_ca },
                                              { "set_partial_chain", anchors_set_partial_chain },
                                              { "add_crl", anchors_add_crl },
                                              { "ca_count", anchors_ca_count },
                                              { "ca", anchors_ca },
                                              { "trust", anchors_trust },
                                              { "set_default_ca", anchors_set_default_ca },
                                              { NULL, NULL } };

void net_tls_anchors_open(lua_State *L) { luaL_setfuncs(L, anchors_functions, 0); }
