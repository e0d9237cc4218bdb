/* SPDX-License-Identifier: MIT
 *
 * bytes.h - bytes on the heap that go in at the end and out at the front. */
#ifndef NET_TLS_BYTES_H
#define NET_TLS_BYTES_H

#include <stdlib.h>
#include <string.h>

#include "tls/base/openssl.h"

struct net_tls_bytes {
  unsigned char *base; /* owned; NULL while empty */
  size_t at, len, room;
};

static inline const unsigned char *net_tls_bytes_first(const struct net_tls_bytes *b) {
  return b->base + b->at;
}

/* Frees them; what was plain text is not left in memory. */
static inline void net_tls_bytes_free(struct net_tls_bytes *b, int secret) {
  if (b->base && secret)
    OPENSSL_cleanse(b->base, b->room);
  free(b->base);
  memset(b, 0, sizeof *b);
}

/* Appends; returns 0 where there is no memory, with nothing changed. */
static inline int net_tls_bytes_add(struct net_tls_bytes *b, const void *bytes, size_t n) {
  if (b->at + b->len + n > b->room) {
    unsigned char *base = malloc(b->len + n);
    if (base == NULL)
      return 0;
    if (b->len > 0)
      memcpy(base, b->base + b->at, b->len);
    free(b->base);
    b->base = base;
    b->room = b->len + n;
    b->at = 0;
  }
  if (n > 0)
    memcpy(b->base + b->at + b->len, bytes, n);
  b->len += n;
  return 1;
}

/* Takes 'n' of them off the front. */
static inline void net_tls_bytes_drop(struct net_tls_bytes *b, size_t n, int secret) {
  b->at += n;
  b->len -= n;
  if (b->len == 0)
    net_tls_bytes_free(b, secret);
}

#endif
