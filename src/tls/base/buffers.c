/* SPDX-License-Identifier: MIT
 *
 * buffers.c - the buffers in which a connection is amid a call of OpenSSL's, and the BIO
 * over them. See buffers.h.
 *
 * A memory BIO, one pair a connection, keeps the most that it ever held, which is 10 KiB for
 * an idle connection; and a BIO on the descriptor makes a system call for each record, or
 * for each part of one. Here a connection that is idle has no buffer, and what is read and
 * written in a turn is one recv and one send. */
#include "tls/base/buffers.h"

#include <stdlib.h>
#include <string.h>

#include "tls/base/bio.h"

/* Makes room for the sets of so many depths; returns 0 if there is no memory. */
static int make_room(struct net_tls_shared *shared, unsigned depths) {
  struct net_tls_buffers **sets = realloc(shared->sets, depths * sizeof *sets);
  if (sets == NULL)
    return 0;
  for (unsigned i = shared->depths; i < depths; i++)
    sets[i] = NULL;
  shared->sets = sets;
  shared->depths = depths;
  return 1;
}

struct net_tls_buffers *net_tls_buffers_of(struct net_tls_shared *shared, unsigned depth) {
  if (depth >= shared->depths && !make_room(shared, depth + 1))
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

int net_tls_buffers_attach(SSL *ssl) {
  static struct net_tls_bio kind = { "net.tls", buffers_read, buffers_write, buffers_ctrl, NULL };
  return net_tls_bio_attach(ssl, &kind, NULL);
}

void net_tls_buffers_use(SSL *ssl, struct net_tls_buffers *s) {
  BIO_set_data(SSL_get_rbio(ssl), s);
}
