/* SPDX-License-Identifier: MIT
 *
 * callbacks.h - what OpenSSL calls amid a handshake or a read. */
#ifndef NET_TLS_CALLBACKS_H
#define NET_TLS_CALLBACKS_H

#include "tls/connection/connection.h"

/* Has the connections of a context come here. */
void net_tls_callbacks_install(SSL_CTX *ctx);
/* Has the SSL of a connection know it; 0 if there is no memory. */
int net_tls_callbacks_attach(struct net_tls *t);
/* The connection whose SSL that is, or NULL. */
struct net_tls *net_tls_callbacks_connection(const SSL *ssl);
/* From now on the keys of this context's connections are noted, where somebody listens. */
void net_tls_callbacks_log_keys(SSL *ssl);

/* A server's connection stops where its certificate is chosen, if the client wants to have
 * the status of that; once more to be said when the SSL has another context. */
void net_tls_callbacks_ask_status(struct net_tls *t);

#endif
