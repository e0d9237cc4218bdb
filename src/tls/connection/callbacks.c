/* SPDX-License-Identifier: MIT
 *
 * callbacks.c - what OpenSSL calls amid a handshake or a read. See callbacks.h.
 *
 * None of it calls Lua, as an error there would be a longjmp through OpenSSL's frames: it
 * is noted, and told when the call is over. Where OpenSSL needs an answer that the program
 * has to give, the handshake is suspended in the client-hello callback. */
#include "tls/connection/callbacks.h"

#include <pthread.h>

static int ex_index = -1; /* of the process: where an SSL has its connection */

/* Made when it is first needed, in whichever thread that is; negative: no memory. */
static int make_index(void) {
  static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&making);
  if (ex_index < 0)
    ex_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  int index = ex_index;
  pthread_mutex_unlock(&making);
  return index;
}

struct net_tls *net_tls_callbacks_connection(const SSL *ssl) {
  return SSL_get_ex_data(ssl, ex_index);
}

int net_tls_callbacks_attach(struct net_tls *t) {
  int index = make_index();
  return index >= 0 && SSL_set_ex_data(t->ssl, index, t);
}

/* --- notes ------------------------------------------------------------------------------ */

/* Adds a note, which has the session from here on; returns 0 where there is no memory. */
static int add_note(struct net_tls *t, enum net_tls_news what, SSL_SESSION *session,
                    const void *bytes, size_t len) {
  struct net_tls_note *note = malloc(sizeof *note + len), **last = &t->notes;
  if (note == NULL) {
    SSL_SESSION_free(session);
    return 0;
  }
  *note = (struct net_tls_note){ .what = what, .session = session, .len = len };
  if (len > 0)
    memcpy(note->bytes, bytes, len);
  while (*last)
    last = &(*last)->next;
  *last = note;
  return 1;
}

/* A session that a later connection may resume. Returns whether it is kept. */
static int on_session(SSL *ssl, SSL_SESSION *session) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  if (t == NULL || (t->is_server && !t->stores))
    return 0;
  (void)add_note(t, t->is_server ? NET_TLS_NEW_SESSION : NET_TLS_SESSION, session, NULL, 0);
  return 1;
}

/* The session of a client's id, if the program has found one. */
static SSL_SESSION *on_lookup(SSL *ssl, const unsigned char *id, int len, int *copies) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  SSL_SESSION *found = t ? t->found : NULL;
  (void)id, (void)len;
  *copies = 0; /* it is OpenSSL's from here on */
  if (found)
    t->found = NULL;
  return found;
}

static void on_keys(const SSL *ssl, const char *line) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  if (t && t->logs_keys)
    (void)add_note(t, NET_TLS_KEYLOG, NULL, line, strlen(line));
}

/* --- what the client asks for --------------------------------------------------------------- */

/* The name in the server_name extension: a list of one, of which RFC 6066 says the rest. */
static size_t name_in(const unsigned char *ext, size_t len, const unsigned char **name) {
  enum { LIST = 2, TYPE = 1, LENGTH = 2, HEAD = LIST + TYPE + LENGTH };
  if (len <= HEAD || ext[LIST] != TLSEXT_NAMETYPE_host_name)
    return 0;
  size_t n = (size_t)ext[LIST + TYPE] << 8 | ext[LIST + TYPE + 1];
  *name = ext + HEAD;
  return n <= len - HEAD ? n : 0;
}

/* Will it be TLS 1.3? The server's part is its options; the client's a list, behind its length. */
static int is_13(SSL *ssl) {
  const unsigned char *ext = NULL;
  size_t len = 0;
  long most = SSL_get_max_proto_version(ssl);
  if ((most != 0 && most < TLS1_3_VERSION) || (SSL_get_options(ssl) & SSL_OP_NO_TLSv1_3) ||
      !SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &ext, &len))
    return 0;
  for (size_t i = 1; i + 1 < len; i += 2)
    if ((ext[i] << 8 | ext[i + 1]) == TLS1_3_VERSION)
      return 1;
  return 0;
}

/* Keeps all of them; the names of ALPN's list begin behind its length. */
static struct net_tls_hello *read_hello(SSL *ssl) {
  const unsigned char *ext = NULL, *name = NULL, *alpn = NULL, *id = NULL;
  size_t len = 0, name_len = 0, alpn_len = 0, id_len;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &len))
    name_len = name_in(ext, len, &name);
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &alpn,
                                &alpn_len))
    alpn_len = alpn_len > 2 ? alpn_len - 2 : 0;
  id_len = SSL_client_hello_get0_session_id(ssl, &id);
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &ext, &len) && len > 0)
    id_len = 0;
  struct net_tls_hello *h = calloc(1, sizeof *h + name_len + alpn_len + id_len);
  if (h == NULL)
    return NULL;
  if (name_len > 0)
    h->name = memcpy(h->bytes, name, name_len);
  if (alpn_len > 0)
    h->alpn = memcpy(h->bytes + name_len, alpn + 2, alpn_len);
  if (id_len > 0)
    h->id = memcpy(h->bytes + name_len + alpn_len, id, id_len);
  h->is_13 = is_13(ssl);
  h->id_len = id_len;
  h->name_len = name_len;
  h->alpn_len = alpn_len;
  return h;
}

/* Where the program has a say the handshake stops here, and goes on when that is said. */
static int on_hello(SSL *ssl, int *alert, void *arg) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  (void)arg;
  if (t == NULL || !t->asks)
    return SSL_CLIENT_HELLO_SUCCESS;
  if (t->hello == NULL && (t->hello = read_hello(ssl)) == NULL) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_RETRY;
}

static int on_name(SSL *ssl, int *alert, void *arg) {
  (void)alert, (void)arg;
  return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
                                                            : SSL_TLSEXT_ERR_NOACK;
}

/* The first of ours that the client knows too; nothing in common ends the handshake. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                   const unsigned char *theirs, unsigned theirs_len, void *arg) {
  const struct net_tls *t = net_tls_callbacks_connection(ssl);
  unsigned char *chosen = NULL;
  (void)arg;
  if (t == NULL || t->alpn == NULL)
    return SSL_TLSEXT_ERR_NOACK;
  if (t->alpn_len == 0)
    return SSL_TLSEXT_ERR_ALERT_FATAL; /* the program has refused all of them */
  if (SSL_select_next_proto(&chosen, len, t->alpn, t->alpn_len, theirs, theirs_len) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/* --- the word of an authority ------------------------------------------------------------------ */

/* A server's certificate is about to be chosen, of a handshake that resumes none: if the
 * client wants to have its status the handshake stops here, and goes on when Lua has it. */
static int on_certificate(SSL *ssl, void *arg) {
  const struct net_tls *t = net_tls_callbacks_connection(ssl);
  (void)arg;
  int asks = t && t->asks_status && SSL_get_tlsext_status_type(ssl) == TLSEXT_STATUSTYPE_ocsp;
  return asks ? -1 : 1;
}

/* A client's: what has come, or that nothing has. It has to be heard: who wants it may refuse
 * the server for it. */
static int hear_status(struct net_tls *t) {
  const unsigned char *bytes = NULL;
  long len = SSL_get_tlsext_status_ocsp_resp(t->ssl, &bytes);
  return add_note(t, NET_TLS_STATUS, NULL, bytes, bytes && len > 0 ? (size_t)len : 0) ? 1 : -1;
}

/* A server's: what Lua has. */
static int send_status(struct net_tls *t) {
  if (t->status.len == 0)
    return SSL_TLSEXT_ERR_NOACK;
  unsigned char *copy = OPENSSL_memdup(net_tls_bytes_first(&t->status), t->status.len);
  if (copy == NULL)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  SSL_set_tlsext_status_ocsp_resp(t->ssl, copy, (long)t->status.len); /* it is OpenSSL's */
  net_tls_bytes_free(&t->status, 0);
  return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *arg) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  (void)arg;
  if (t == NULL)
    return SSL_is_server(ssl) ? SSL_TLSEXT_ERR_NOACK : 1;
  return t->is_server ? send_status(t) : hear_status(t);
}

/* --- installing -------------------------------------------------------------------------------- */

void net_tls_callbacks_log_keys(SSL *ssl) {
  SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), on_keys);
}

void net_tls_callbacks_ask_status(struct net_tls *t) {
  t->asks_status = 1;
  SSL_set_cert_cb(t->ssl, on_certificate, NULL);
}

void net_tls_callbacks_install(SSL_CTX *ctx) {
  SSL_CTX_sess_set_new_cb(ctx, on_session);
  SSL_CTX_sess_set_get_cb(ctx, on_lookup);
  SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
  SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
  SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
  SSL_CTX_set_tlsext_status_cb(ctx, on_status);
}
