/* SPDX-License-Identifier: MIT
 *
 * store.h - the system's certificates of authorities, and reading such. */
#ifndef NET_TLS_STORE_H
#define NET_TLS_STORE_H

#include "tls/base/openssl.h"

/* Reads certificates until none follows, and adds them to the store; 'names' gets those of
 * a server's authorities, for its clients, unless NULL. Returns how many; -1: something
 * that begins as one is none, or there is no memory, as libssl's queue says. One that is
 * in the store already counts. [-] */
int net_tls_store_read(X509_STORE *store, BIO *bio, SSL_CTX *names);
/* Has there been no memory for what net_tls_store_read returned, as libssl's queue says?
 * Empties that. [-] */
int net_tls_store_lacks_memory(int count);
/* A new store with the system's certificates: those of the files that the environment
 * names, SSL_CERT_FILE and SSL_CERT_DIR, or else where libssl was built to look, or else
 * where systems have them. May be empty. NULL: no memory, or no descriptor, as libssl's queue says. [-] */
X509_STORE *net_tls_store_system(void);
/* A copy, with the same certificates and lists. NULL: no memory. [-] */
X509_STORE *net_tls_store_copy(X509_STORE *from);

#endif
