/* SPDX-License-Identifier: MIT
 *
 * bio.c - BIOs, by which OpenSSL reads and writes. See bio.h. */
#include "tls/base/bio.h"

#include <limits.h>
#include <pthread.h>

static int on_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

static void make_method(struct net_tls_bio *kind) {
  if (kind->made || (kind->made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, kind->name)) == NULL)
    return;
  BIO_meth_set_read(kind->made, kind->read);
  BIO_meth_set_write(kind->made, kind->write);
  BIO_meth_set_ctrl(kind->made, kind->ctrl);
  BIO_meth_set_create(kind->made, on_create);
}

/* For all Lua states of the process, of which each may be in a thread of its own. */
static BIO_METHOD *method_of(struct net_tls_bio *kind) {
  static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&making);
  make_method(kind);
  BIO_METHOD *method = kind->made;
  pthread_mutex_unlock(&making);
  return method;
}

int net_tls_bio_attach(SSL *ssl, struct net_tls_bio *kind, void *data) {
  BIO_METHOD *method = method_of(kind);
  BIO *bio = method ? BIO_new(method) : NULL;
  if (bio == NULL)
    return 0;
  BIO_set_data(bio, data);
  SSL_set_bio(ssl, bio, bio);
  return 1;
}

BIO *net_tls_bio_over(const char *bytes, size_t len) {
  return len <= INT_MAX ? BIO_new_mem_buf(bytes, (int)len) : NULL;
}
