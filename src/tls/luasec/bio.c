/* SPDX-License-Identifier: MIT
 *
 * bio.c - the BIO between OpenSSL and the descriptor of one of LuaSec's connections. See
 * luasec.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tls/base/bio.h"
#include "tls/luasec/luasec.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* the core has told the socket not to raise SIGPIPE */
#endif

static ssize_t read_fd(int fd, void *buf, size_t size) {
  ssize_t n;
  do
    n = recv(fd, buf, size, 0);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static ssize_t write_fd(int fd, const void *bytes, size_t size) {
  ssize_t n;
  do
    n = send(fd, bytes, size, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static int is_later(ssize_t err) { return err == -EAGAIN || err == -EWOULDBLOCK; }

/* Reads as much as there is into the buffer that OpenSSL takes from. */
static void refill(BIO *bio, struct net_sec *e) {
  ssize_t n = e->may_read ? read_fd(e->fd, e->buffers->in, sizeof e->buffers->in) : -EAGAIN;
  if (n > 0) {
    e->win = e->buffers->in;
    e->win_len = (size_t)n;
  } else if (n == 0)
    e->at_end = 1;
  else if (is_later(n))
    BIO_set_retry_read(bio);
  else
    e->refused = (int)n;
}

static int on_read(BIO *bio, char *buf, int size) {
  struct net_sec *e = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (e->win_len == 0)
    refill(bio, e);
  if (e->win_len == 0)
    return e->at_end ? 0 : -1;
  size_t n = (size_t)size < e->win_len ? (size_t)size : e->win_len;
  memcpy(buf, e->win, n);
  e->win += n;
  e->win_len -= n;
  return (int)n;
}

static int on_write(BIO *bio, const char *bytes, int size) {
  struct net_sec *e = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  ssize_t n = write_fd(e->fd, bytes, (size_t)size);
  if (is_later(n))
    BIO_set_retry_write(bio);
  else if (n < 0)
    e->refused = (int)n;
  return n < 0 ? -1 : (int)n;
}

static long on_ctrl(BIO *bio, int command, long number, void *pointer) {
  const struct net_sec *e = BIO_get_data(bio);
  (void)number, (void)pointer;
  if (command == BIO_CTRL_EOF)
    return e->at_end;
  return command == BIO_CTRL_FLUSH;
}

/* Of a peer that sends faster than this reads: as much as that, no more. */
enum { UNREAD_READS = 64, UNREAD_SIZE = 4096 };

void net_sec_drop_unread(int fd) {
  char bytes[UNREAD_SIZE];
  for (int i = 0; i < UNREAD_READS && read_fd(fd, bytes, sizeof bytes) > 0; i++)
    continue;
}

int net_sec_bio_attach(SSL *ssl, struct net_sec *e) {
  static struct net_tls_bio kind = { "net.luasec", on_read, on_write, on_ctrl, NULL };
  return net_tls_bio_attach(ssl, &kind, e);
}
