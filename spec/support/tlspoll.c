/* SPDX-License-Identifier: MIT
 *
 * tlspoll.c - a library for LD_PRELOAD, for tls_poll_spec.lua: looks at all connections of
 * OpenSSL's whenever the process is about to wait.
 *
 * By then none has a byte that was decrypted and nobody has had, since no poll would tell of it;
 * OpenSSL's error queue is empty, as it is before each call, since what is left over would be
 * taken for an error of another connection; and none has a BIO in memory, which keeps the most
 * that it ever held. Each fault is a line on stderr; at the end one tells how often it was looked.
 *
 * After each wait it leaves an error in the queue itself, as another library of the process might. */
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>

/* Modules are built with nothing to be seen but what they say; these are to be found first. */
#pragma GCC visibility push(default)

enum { MOST = 1024 };

static SSL *all[MOST];
static int count, most;
static long polls, calls;

/* The function of that name behind ours. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { OURS = 77 }; /* a reason of nobody's */

static void look(const char *when, int may_be_ours) {
  unsigned long code = ERR_peek_error();
  int is_ours = ERR_GET_LIB(code) == ERR_LIB_USER && ERR_GET_REASON(code) == OURS;
  if (code != 0 && !(may_be_ours && is_ours))
    fprintf(stderr, "%s there is an error: %s\n", when, is_ours ? "ours" : ERR_reason_error_string(code));
}

static void look_at(const SSL *ssl) {
  const BIO *bios[] = { SSL_get_rbio(ssl), SSL_get_wbio(ssl) };
  if (SSL_pending(ssl) > 0)
    fprintf(stderr, "a poll, and %d bytes are pending\n", SSL_pending(ssl));
  for (int i = 0; i < 2; i++)
    if (bios[i] && BIO_method_type(bios[i]) == BIO_TYPE_MEM)
      fprintf(stderr, "a poll, and a BIO in memory\n");
}

int epoll_wait(int fd, struct epoll_event *events, int room, int timeout) {
  polls++;
  look("before a poll", 1);
  for (int i = 0; i < count; i++)
    look_at(all[i]);
  int found = NEXT(epoll_wait)(fd, events, room, timeout);
  ERR_clear_error();
  ERR_put_error(ERR_LIB_USER, 0, OURS, "", 0);
  return found;
}

SSL *SSL_new(SSL_CTX *ctx) {
  SSL *ssl = NEXT(SSL_new)(ctx);
  if (ssl && count < MOST)
    all[count++] = ssl;
  most = count > most ? count : most;
  return ssl;
}

void SSL_free(SSL *ssl) {
  for (int i = 0; i < count; i++)
    if (all[i] == ssl) {
      all[i] = all[--count];
      break;
    }
  NEXT(SSL_free)(ssl);
}

static void called(const char *when) {
  calls++;
  look(when, 0);
}

int SSL_do_handshake(SSL *ssl) {
  called("before SSL_do_handshake");
  return NEXT(SSL_do_handshake)(ssl);
}

int SSL_read_ex(SSL *ssl, void *buf, size_t size, size_t *got) {
  called("before SSL_read_ex");
  return NEXT(SSL_read_ex)(ssl, buf, size, got);
}

int SSL_write_ex(SSL *ssl, const void *buf, size_t size, size_t *done) {
  called("before SSL_write_ex");
  return NEXT(SSL_write_ex)(ssl, buf, size, done);
}

int SSL_shutdown(SSL *ssl) {
  called("before SSL_shutdown");
  return NEXT(SSL_shutdown)(ssl);
}

__attribute__((destructor)) static void tell(void) {
  if (most > 0)
    fprintf(stderr, "%ld polls, %ld calls, %d at once\n", polls, calls, most);
}
