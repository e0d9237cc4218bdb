/* SPDX-License-Identifier: MIT
 *
 * become.c - of which context a connection is, and whose certificates it shows. */
#include "tls/connection/become.h"

#include <lauxlib.h>
#include <openssl/evp.h>
#include <string.h>

#include "tls/connection/callbacks.h"
#include "tls/connection/connection.h"
#include "tls/context/context.h"
#include "tls/context/tickets.h"

/* --- ciphers ----------------------------------------------------------------------------- */

static int is_13(const SSL_CIPHER *cipher) {
  return SSL_CIPHER_get_protocol_id(cipher) >> 8 == 0x13;
}

/* The names of TLS 1.3's among them, or of the others, as OpenSSL has such lists; what has no room
 * in 'list' is left out, and there is none that long. */
static void names_of(const STACK_OF(SSL_CIPHER) *all, int of_13, char *list, size_t size) {
  size_t len = 0;
  list[0] = '\0';
  for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
    const SSL_CIPHER *one = sk_SSL_CIPHER_value(all, i);
    const char *name = SSL_CIPHER_get_name(one);
    size_t more = strlen(name);
    if (is_13(one) != of_13 || len + more + 2 > size)
      continue;
    if (len > 0)
      list[len++] = ':';
    memcpy(list + len, name, more + 1);
    len += more;
  }
}

static int are_same(const STACK_OF(SSL_CIPHER) *a, const STACK_OF(SSL_CIPHER) *b) {
  int n = sk_SSL_CIPHER_num(a), i = 0;
  if (n != sk_SSL_CIPHER_num(b))
    return 0;
  while (i < n && sk_SSL_CIPHER_value(a, i) == sk_SSL_CIPHER_value(b, i))
    i++;
  return i >= n;
}

/* Gives the SSL these ciphers for its own, where those that it would use are others. */
static int keep_ciphers(SSL *ssl, const STACK_OF(SSL_CIPHER) *ciphers) {
  enum { ROOM = 8192 };
  char list[ROOM];
  if (are_same(ciphers, SSL_get_ciphers(ssl)))
    return 1;
  names_of(ciphers, 1, list, sizeof list);
  if (!SSL_set_ciphersuites(ssl, list))
    return 0;
  names_of(ciphers, 0, list, sizeof list);
  return list[0] == '\0' || SSL_set_cipher_list(ssl, list);
}

/* --- contexts ---------------------------------------------------------------------------- */

/* Has the SSL be of that context, for its certificates and whom it trusts. Versions, ciphers and
 * options stay what they were, as in Node: those of the server, which may be narrower. */
static int become(SSL *ssl, SSL_CTX *ctx) {
  SSL_CTX *before = SSL_get_SSL_CTX(ssl);
  SSL_CTX_up_ref(before);
  int ok = SSL_set_SSL_CTX(ssl, ctx) != NULL && keep_ciphers(ssl, SSL_CTX_get_ciphers(before));
  SSL_CTX_free(before);
  return ok;
}

/* Its sessions are those of this string, of any length: OpenSSL's id has at most 32 bytes. */
static int set_sessions(SSL *ssl, const char *of, size_t len) {
  unsigned char id[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  return EVP_Digest(of, len, id, &n, EVP_sha256(), NULL) && SSL_set_session_id_context(ssl, id, n);
}

/* context(context [, sessions]): from now on it is of that one; a session is resumed only
 * where that string is the one of its beginning */
static int connection_context(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  struct net_tls_context *c = net_tls_context_check(L, 2);
  size_t len = 0;
  const char *sessions = luaL_optlstring(L, 3, NULL, &len);
  ERR_clear_error();
  net_tls_callbacks_install(c->ctx);
  if (!net_tls_tickets_bind(t->ssl, SSL_get_SSL_CTX(t->ssl)) || !become(t->ssl, c->ctx) ||
      (sessions && !set_sessions(t->ssl, sessions, len)))
    return net_tls_raise_error(L);
  if (t->asks_status)
    net_tls_callbacks_ask_status(t);
  if (t->logs_keys)
    net_tls_callbacks_log_keys(t->ssl);
  return 0;
}

/* tickets(context): its tickets are made with the keys of that one, whichever it is of */
static int connection_tickets(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  SSL_CTX *ctx = net_tls_context_check(L, 2)->ctx;
  ERR_clear_error();
  if (!net_tls_tickets_bind(t->ssl, ctx))
    return net_tls_raise_error(L);
  SSL_CTX_up_ref(ctx);
  SSL_CTX_free(t->tickets);
  t->tickets = ctx;
  return 0;
}

/* --- certificates -------------------------------------------------------------------------- */

/* Has the SSL show the certificates of a context, and nothing else: 0 where OpenSSL refuses one.
 * Of each, a context has a key of its kind; which is its current one stays as it was. */
static int show_certificates(SSL *ssl, SSL_CTX *ctx) {
  X509 *current = SSL_CTX_get0_certificate(ctx);
  int is_good = 1;
  SSL_certs_clear(ssl);
  for (long which = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(ctx, which);
       which = SSL_CERT_SET_NEXT) {
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_get0_chain_certs(ctx, &chain);
    is_good &= SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(ctx),
                                    SSL_CTX_get0_privatekey(ctx), chain, 1);
  }
  if (current)
    (void)SSL_CTX_select_current_cert(ctx, current);
  return is_good;
}

/* Has a server trust whom a context trusts, and name them to its clients. */
static int trust_as(SSL *ssl, SSL_CTX *ctx) {
  STACK_OF(X509_NAME) *names = SSL_dup_CA_list(SSL_CTX_get_client_CA_list(ctx));
  if (names)
    SSL_set_client_CA_list(ssl, names);
  return SSL_set1_verify_cert_store(ssl, SSL_CTX_get_cert_store(ctx)) == 1;
}

/* credentials(context, sessions): shows its certificates; a server also trusts whom it trusts,
 * and resumes sessions of that string and of those alone. Versions, ciphers and all else stay,
 * and so does whom a client trusts. */
static int connection_credentials(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  SSL_CTX *ctx = net_tls_context_check(L, 2)->ctx;
  size_t len;
  const char *sessions = luaL_optlstring(L, 3, "", &len);
  ERR_clear_error();
  if (!show_certificates(t->ssl, ctx))
    return net_tls_raise_error(L);
  if (t->is_server && (!trust_as(t->ssl, ctx) || !set_sessions(t->ssl, sessions, len)))
    return net_tls_raise_error(L);
  return 0;
}

void net_tls_become_open(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "context", connection_context },
    { "tickets", connection_tickets },
    { "credentials", connection_credentials },
    { NULL, NULL },
  };
  lua_getfield(L, -1, "Connection");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
