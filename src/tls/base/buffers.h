/* SPDX-License-Identifier: MIT
 *
 * buffers.h - the buffers in which a connection is amid a call of OpenSSL's, and the BIO
 * over them. */
#ifndef NET_TLS_BUFFERS_H
#define NET_TLS_BUFFERS_H

#include <stddef.h>

#include "tls/base/openssl.h"
#include "tls/base/shared.h"

enum {
  NET_TLS_RECORD = 16384,           /* plain bytes of the largest record */
  NET_TLS_RECORD_MAX = 16384 + 512, /* and what it can become */
  /* What one read below may bring. With a part of a record that OpenSSL has kept from the
   * last one its plain text fits 64 KiB, what a stream reads at once, so that nothing is
   * left behind. */
  NET_TLS_WINDOW = 48000,
  NET_TLS_PLAIN = 65536,
  NET_TLS_SENT = 262144
};

/* One set a depth of layers, as a layer over another is amid its call while that is in one
 * of its own. Empty when the call of the transport that took it returns. */
struct net_tls_buffers {
  const unsigned char *window; /* ciphertext to be read: 'in', or bytes of a connection's */
  size_t window_len;
  size_t offered; /* how much of the connection's the window was; 0: it is 'in' */
  size_t out_len;
  unsigned char in[NET_TLS_WINDOW];
  unsigned char plain[NET_TLS_PLAIN];
  unsigned char out[NET_TLS_SENT]; /* ciphertext to be sent */
};

/* The set of that depth, counted from 0; NULL if there is no memory. */
struct net_tls_buffers *net_tls_buffers_of(struct net_tls_shared *shared, unsigned depth);
/* Has 'ssl' read and write the set, from now on until the call is over; NULL: none. */
void net_tls_buffers_use(SSL *ssl, struct net_tls_buffers *s);
/* Gives a new SSL its BIO; returns 0 if there is no memory. */
int net_tls_buffers_attach(SSL *ssl);
/* Is there room for another record? */
static inline int net_tls_buffers_have_room(const struct net_tls_buffers *s) {
  return s->out_len + NET_TLS_RECORD_MAX <= NET_TLS_SENT;
}

#endif
