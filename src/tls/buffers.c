/* SPDX-License-Identifier: MIT
 *
 * buffers.c - the buffers in which a connection is amid a call of OpenSSL's, and the BIO
 * over them. See buffers.h.
 *
 * A memory BIO, one pair a connection, keeps the most that it ever held, which is 10 KiB for
 * an idle connection; and a BIO on the descriptor makes a system call for each record, or
 * for each part of one. Here a connection that is idle has no buffer, and what is read and
 * written in a turn is one recv and one send. */
#include "tls/buffers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct net_tls_buffers *net_tls_buffers_of(struct net_tls_shared *shared, unsigned depth) {
  if (depth >= NET_TLS_DEPTHS)
    return NULL;
  struct net_tls_buffers **set = &shared->sets[depth];
  if (*set == NULL && (*set = malloc(sizeof **set)) != NULL)
    (*set)->window_len = (*set)->out_len = 0;
  return *set;
}

static int buffers_read(BIO *bio, char *buf, int size) {
  struct net_tls_buffers *s = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (s == NULL || s->window_len == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t n = (size_t)size < s->window_len ? (size_t)size : s->window_len;
  memcpy(buf, s->window, n);
  s->window += n;
  s->window_len -= n;
  return (int)n;
}

static int buffers_write(BIO *bio, const char *bytes, int size) {
  struct net_tls_buffers *s = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (s == NULL || (size_t)size > NET_TLS_SENT - s->out_len) {
    BIO_set_retry_write(bio);
    return -1;
  }
  memcpy(s->out + s->out_len, bytes, (size_t)size);
  s->out_len += (size_t)size;
  return size;
}

static long buffers_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH; /* the end of the file it never tells: see flow.c */
}

static int buffers_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

static void make_method(BIO_METHOD **made) {
  if (*made || (*made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "net.tls")) == NULL)
    return;
  BIO_meth_set_read(*made, buffers_read);
  BIO_meth_set_write(*made, buffers_write);
  BIO_meth_set_ctrl(*made, buffers_ctrl);
  BIO_meth_set_create(*made, buffers_create);
}

/* One a process, made when it is first needed; in whichever thread that is. */
static BIO_METHOD *method(void) {
  static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
  static BIO_METHOD *made;
  pthread_mutex_lock(&making);
  make_method(&made);
  BIO_METHOD *m = made;
  pthread_mutex_unlock(&making);
  return m;
}

int net_tls_buffers_attach(SSL *ssl) {
  BIO_METHOD *m = method();
  BIO *bio = m ? BIO_new(m) : NULL;
  if (bio == NULL)
    return 0;
  SSL_set_bio(ssl, bio, bio);
  return 1;
}

void net_tls_buffers_use(SSL *ssl, struct net_tls_buffers *s) {
  BIO_set_data(SSL_get_rbio(ssl), s);
}
