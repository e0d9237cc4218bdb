/* SPDX-License-Identifier: MIT
 *
 * tlsbare.c - a TLS server in C: libssl on raw epoll, and nothing else.
 *
 *     tlsbare handshake|echo|sink|source|hold 0 PEM
 *
 * What libssl costs by itself, the other servers pay too. The descriptor is libssl's own, with
 * its read-ahead; PEM is a file with a key and a certificate. Prints its port. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "pattern.h"

#define BUFFER 65536 /* bytes */
#define RECORD 16384

struct conn {
  SSL *ssl;
  size_t held;   /* echo: bytes that wait to be sent */
  uint64_t sent; /* source: position in the stream */
  char bytes[];  /* echo: those */
};

static char buffer[BUFFER], pattern[PERIOD + BUFFER];
static enum { ECHO, SINK, SOURCE } mode;
static int ep, listener;
static SSL_CTX *ctx;

static void watch(struct conn *c, int op, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  epoll_ctl(ep, op, c ? SSL_get_fd(c->ssl) : listener, &e);
}

static void drop(struct conn *c) {
  int fd = SSL_get_fd(c->ssl);
  SSL_shutdown(c->ssl);
  SSL_free(c->ssl);
  close(fd);
  free(c);
}

static void on_listener(void) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct conn *c = calloc(1, sizeof *c + (mode == ECHO ? RECORD : 0));
    c->ssl = SSL_new(ctx);
    SSL_set_fd(c->ssl, fd);
    SSL_set_accept_state(c->ssl);
    watch(c, EPOLL_CTL_ADD, EPOLLIN | (mode == SOURCE ? (uint32_t)EPOLLOUT : 0));
  }
}

/* Is the connection gone, after a call that has done nothing? */
static int is_over(struct conn *c) {
  int error = SSL_get_error(c->ssl, 0);
  return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
}

static int flush(struct conn *c) {
  size_t n = 0;
  if (c->held > 0 && SSL_write_ex(c->ssl, c->bytes, c->held, &n) != 1)
    return is_over(c) ? -1 : (watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT), 0);
  c->held = 0;
  return 1;
}

static int on_read(struct conn *c) {
  size_t n;
  for (;;) {
    if (mode == ECHO && flush(c) <= 0)
      return c->held > 0 ? 0 : -1;
    if (SSL_read_ex(c->ssl, mode == ECHO ? c->bytes : buffer, mode == ECHO ? RECORD : BUFFER, &n) != 1)
      return is_over(c) ? -1 : 0;
    c->held = mode == ECHO ? n : 0;
  }
}

static int on_write(struct conn *c) {
  size_t n;
  if (SSL_write_ex(c->ssl, pattern + c->sent % PERIOD, BUFFER, &n) != 1)
    return is_over(c) ? -1 : 0;
  c->sent += n;
  return 0;
}

static void on_event(struct conn *c) {
  ERR_clear_error();
  if (!SSL_is_init_finished(c->ssl) && SSL_do_handshake(c->ssl) != 1) {
    if (is_over(c))
      drop(c);
    return;
  }
  if ((mode == SOURCE ? on_write(c) : on_read(c)) < 0)
    drop(c);
}

static void listen_now(void) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof in;
  int one = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (void *)&in, len) < 0 || listen(listener, 511) < 0)
    perror("listen"), exit(1);
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  getsockname(listener, (void *)&in, &len);
  printf("%d\n", ntohs(in.sin_port));
  fflush(stdout);
}

static void make_context(const char *pem) {
  ctx = SSL_CTX_new(TLS_server_method());
  if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, pem) != 1 ||
      SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    exit(1);
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
}

int main(int argc, char **argv) {
  struct epoll_event events[256];
  struct rlimit files;
  if (argc != 4)
    return fprintf(stderr, "usage: %s handshake|echo|sink|source|hold 0 PEM\n", *argv), 2;
  mode = argv[1][0] == 'e' ? ECHO : argv[1][1] == 'o' && argv[1][0] == 's' ? SOURCE : SINK;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  fill_pattern(pattern, sizeof pattern);
  make_context(argv[3]);
  ep = epoll_create1(EPOLL_CLOEXEC);
  listen_now();
  watch(NULL, EPOLL_CTL_ADD, EPOLLIN);
  for (;;) {
    int n = epoll_wait(ep, events, 256, -1);
    for (int i = 0; i < n; i++)
      if (events[i].data.ptr)
        on_event(events[i].data.ptr);
      else
        on_listener();
  }
}
