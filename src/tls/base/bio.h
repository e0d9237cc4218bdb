/* SPDX-License-Identifier: MIT
 *
 * bio.h - BIOs, by which OpenSSL reads and writes: of kinds of ours, and over bytes. */
#ifndef NET_TLS_BIO_H
#define NET_TLS_BIO_H

#include <stddef.h>

#include "tls/base/openssl.h"

/* A kind of them: static, with the functions that OpenSSL calls. BIO_get_data is what each
 * was given. */
struct net_tls_bio {
  const char *name;
  int (*read)(BIO *bio, char *buf, int size);
  int (*write)(BIO *bio, const char *bytes, int size);
  long (*ctrl)(BIO *bio, int command, long number, void *pointer);
  BIO_METHOD *made; /* one a process, made when it is first needed */
};

/* Gives a new SSL a BIO of that kind, with 'data'; returns 0 if there is no memory. [-] */
int net_tls_bio_attach(SSL *ssl, struct net_tls_bio *kind, void *data);
/* The bytes of a Lua string, for libssl to read there; NULL: no memory, or 2 GiB. [-] */
BIO *net_tls_bio_over(const char *bytes, size_t len);

#endif
