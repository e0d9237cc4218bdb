/* SPDX-License-Identifier: MIT
 *
 * tickets.c - how session tickets are encrypted.
 *
 * The keys hang on the SSL_CTX, and are wiped and freed with it. A connection that is given
 * another context for the name its client asks for (SSL_set_SSL_CTX) keeps those of the
 * first: its tickets are for the whole server, whose keys a program sets. The first
 * context cannot go away before the connection: libssl keeps it as that of its sessions. */
#include "tls/context/tickets.h"

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/core_names.h>
#include <openssl/params.h>
#endif
#include <pthread.h>
#include <string.h>

#include "tls/context/context.h"

enum { PART = 16 };

struct keys {
  unsigned char name[PART], hmac[PART], aes[PART];
};

/* Where the keys are in an SSL_CTX and in an SSL; -1 before the first is made. */
static int in_context = -1, in_ssl = -1;

/* AES-128-CBC, as it is found once: OpenSSL 3 would look for it for each ticket. It stays. */
static const EVP_CIPHER *aes;

static const EVP_CIPHER *find_aes(void) {
  const EVP_CIPHER *found = NULL;
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  found = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
#endif
  return found ? found : EVP_aes_128_cbc();
}

static void keys_free(void *parent, void *keys, CRYPTO_EX_DATA *ad, int idx, long argl,
                      void *argp) {
  (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
  OPENSSL_clear_free(keys, sizeof(struct keys));
}

/* Made when they are first needed, in whichever thread that is. */
static int indices(void) {
  static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&making);
  if (in_context < 0)
    in_context = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, keys_free);
  if (in_ssl < 0)
    in_ssl = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  if (aes == NULL)
    aes = find_aes();
  int ok = in_context >= 0 && in_ssl >= 0;
  pthread_mutex_unlock(&making);
  return ok;
}

/* HMAC-SHA256 with the key, in the form that this libssl wants it in. */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
typedef EVP_MAC_CTX hmac_ctx;
static int hmac_start(hmac_ctx *mac, struct keys *keys) {
  char sha[] = "SHA256";
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, keys->hmac, sizeof keys->hmac),
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha, 0), OSSL_PARAM_construct_end()
  };
  return EVP_MAC_CTX_set_params(mac, params);
}
#else
typedef HMAC_CTX hmac_ctx;
static int hmac_start(hmac_ctx *mac, struct keys *keys) {
  return HMAC_Init_ex(mac, keys->hmac, sizeof keys->hmac, EVP_sha256(), NULL);
}
#endif

/* libssl's callback: a ticket is made, or one has come. 1: go on; 0: not of these keys, and
 * the handshake is a full one; negative: it fails. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     hmac_ctx *mac, int encrypt) {
  struct keys *keys = SSL_get_ex_data(ssl, in_ssl);
  if (keys == NULL)
    keys = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), in_context);
  if (keys == NULL)
    return encrypt ? -1 : 0;
  if (encrypt) {
    memcpy(name, keys->name, PART);
    if (RAND_bytes(iv, PART) <= 0 || EVP_EncryptInit_ex(cipher, aes, NULL, keys->aes, iv) <= 0)
      return -1;
    return hmac_start(mac, keys) ? 1 : -1;
  }
  if (CRYPTO_memcmp(name, keys->name, PART) != 0)
    return 0;
  if (EVP_DecryptInit_ex(cipher, aes, NULL, keys->aes, iv) <= 0)
    return -1;
  return hmac_start(mac, keys) ? 1 : -1;
}

int net_tls_tickets_install(SSL_CTX *ctx) {
  struct keys *keys = indices() ? OPENSSL_malloc(sizeof *keys) : NULL;
  if (keys == NULL)
    return 0;
  if (RAND_bytes((unsigned char *)keys, sizeof *keys) <= 0 ||
      !SSL_CTX_set_ex_data(ctx, in_context, keys)) {
    OPENSSL_clear_free(keys, sizeof *keys);
    return 0;
  }
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  return (int)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
#else
  return (int)SSL_CTX_set_tlsext_ticket_key_cb(ctx, on_ticket);
#endif
}

int net_tls_tickets_bind(SSL *ssl, SSL_CTX *ctx) {
  if (SSL_get_ex_data(ssl, in_ssl))
    return 1;
  return SSL_set_ex_data(ssl, in_ssl, SSL_CTX_get_ex_data(ctx, in_context));
}

/* ticket_keys(context) -> 48 bytes, [-0, +1, e] */
static int tickets_keys(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  const char *keys = (const char *)SSL_CTX_get_ex_data(ctx, in_context);
  lua_pushlstring(L, keys, NET_TLS_TICKET_KEYS);
  return 1;
}

/* set_ticket_keys(context, 48 bytes): also for the connections that it has. [-0, +0, e] */
static int tickets_set_keys(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  size_t len;
  const char *keys = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len == NET_TLS_TICKET_KEYS, 2, "48 bytes expected");
  memcpy(SSL_CTX_get_ex_data(ctx, in_context), keys, len);
  return 0;
}

static const luaL_Reg tickets_functions[] = { { "ticket_keys", tickets_keys },
                                              { "set_ticket_keys", tickets_set_keys },
                                              { NULL, NULL } };

void net_tls_tickets_open(lua_State *L) { luaL_setfuncs(L, tickets_functions, 0); }
