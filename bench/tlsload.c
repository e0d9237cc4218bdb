/* SPDX-License-Identifier: MIT
 *
 * tlsload.c - load.c over TLS: drives a server and checks every byte.
 *
 *     tlsload [OPTIONS] SCENARIO PORT
 *
 * One epoll loop, all sockets non-blocking, libssl on the descriptors. Scenarios:
 *
 *     handshake  CONNECTIONS at a time: connect, shake hands, close_notify both ways
 *     echo       each connection keeps a message of SIZE bytes in flight
 *     sink       each connection sends without end; the server reads
 *     source     the server sends without end; each connection reads
 *     hold       CONNECTIONS are opened and held, and the server's memory is read
 *
 *     -c N  connections      -w S  seconds to warm up    -p PID  the server
 *     -s N  bytes            -t S  seconds to measure    -i N    idle connections
 *     -V N  TLS 1.N: 3, 2    -n N  handshakes, or messages on each, in place of -t
 *     -r    resume: every handshake but the first; and it must be so, or must not
 *     -g N  source: asks an HTTP server for a body of N bytes, again and again
 *     -l S  seconds without a byte that are a failure (5)
 *
 * Server and certificate are not verified: that costs the client alone. All servers get the
 * same offer, one cipher of each version, so that they do the same work. Output and exit
 * codes are load.c's. */
#include <signal.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "client.h"
#include "pattern.h"

#define MAX_IO (256 * 1024) /* bytes in one read or write */
#define PATH "/stream"

struct conn {
  int fd;                   /* -1: done with */
  uint32_t events;          /* watched for */
  enum { SHAKES, OPEN, ENDS } state;
  SSL *ssl;
  uint64_t sent, got;       /* bytes */
  uint64_t started;         /* ns */
  uint64_t body;            /* of an answer: bytes that are still to come */
  int newlines;             /* of its head: how much of the empty line has come */
};

static int version = 3, resumes; /* TLS 1.N; are all handshakes but the first resumed? */
static size_t body;              /* of an HTTP server's answer; 0: it is none */

static unsigned char stream[PERIOD + MAX_IO]; /* what is sent, and must come */
static unsigned char inbuf[MAX_IO];
static struct conn *conns;
static int opened;
static SSL_CTX *ctx;
static SSL_SESSION *session; /* the one to resume */

static void die_tls(const char *what) {
  fprintf(stderr, "load: %s: ", what);
  ERR_print_errors_fp(stderr);
  fputc('\n', stderr);
  exit(2);
}

/* --- connections -------------------------------------------------------------- */

static int on_session(SSL *ssl, SSL_SESSION *s) {
  (void)ssl;
  if (session)
    return 0;
  session = s;
  return 1;
}

static int take_any(X509_STORE_CTX *chain, void *arg) {
  (void)chain, (void)arg;
  return 1;
}

static void make_context(void) {
  int only = version == 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
  ctx = SSL_CTX_new(TLS_client_method());
  if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, only) ||
      !SSL_CTX_set_max_proto_version(ctx, only) ||
      !SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") ||
      !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384"))
    die_tls("SSL_CTX");
  SSL_CTX_set_cert_verify_callback(ctx, take_any, NULL);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, 65536);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, on_session);
}

/* In TLS 1.3 libssl resumes a session once: so each connection has a copy. */
static void resume(SSL *ssl) {
  SSL_SESSION *copy = SSL_SESSION_dup(session);
  if (copy == NULL || !SSL_set_session(ssl, copy))
    die_tls("SSL_SESSION");
  SSL_SESSION_free(copy);
}

static SSL *make_ssl(int fd) {
  SSL *ssl = SSL_new(ctx);
  if (ssl == NULL || !SSL_set_fd(ssl, fd))
    die_tls("SSL");
  SSL_set_connect_state(ssl);
  if (resumes && session)
    resume(ssl);
  return ssl;
}

static void watch(struct conn *c, uint32_t events, int op) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (op == EPOLL_CTL_MOD && c->events == events)
    return;
  c->events = events;
  if (epoll_ctl(ep, op, c->fd, &e) < 0)
    die("epoll_ctl");
}

static void start(struct conn *c) {
  *c = (struct conn){.fd = dial(SOCK_NONBLOCK), .started = now_ns()};
  c->ssl = make_ssl(c->fd);
  watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
  live++;
}

static void stop(struct conn *c) {
  opened -= c->state == OPEN;
  SSL_free(c->ssl);
  close(c->fd);
  c->fd = -1;
  live--;
}

/* What to wait for after a call that has done nothing; anything else is the server's fault. */
static uint32_t wanted(struct conn *c, const char *what) {
  int error = SSL_get_error(c->ssl, 0);
  if (error == SSL_ERROR_WANT_READ)
    return EPOLLIN;
  if (error == SSL_ERROR_WANT_WRITE)
    return EPOLLIN | EPOLLOUT;
  wrong("%s: %s after %llu bytes, %s", what,
        error == SSL_ERROR_ZERO_RETURN ? "the end" : ERR_reason_error_string(ERR_peek_error()),
        (unsigned long long)c->got, strerror(errno));
  return 0;
}

/* Sends up to 'n' bytes; how many were taken. */
static size_t put(struct conn *c, const void *from, size_t n) {
  size_t taken = 0;
  ERR_clear_error();
  if (SSL_write_ex(c->ssl, from, n, &taken) != 1)
    watch(c, wanted(c, "a write"), EPOLL_CTL_MOD);
  return taken;
}

/* Sends the next up to 'n' bytes of the stream. */
static size_t put_stream(struct conn *c, size_t n) {
  size_t taken = put(c, stream + c->sent % PERIOD, n < MAX_IO ? n : MAX_IO);
  c->sent += taken;
  return taken;
}

static void check(struct conn *c, const unsigned char *at, size_t n) {
  for (size_t part; n > 0; at += part, n -= part) {
    part = n < MAX_IO ? n : MAX_IO;
    if (memcmp(at, stream + c->got % PERIOD, part) != 0)
      wrong("a byte after the %lluth is wrong", (unsigned long long)c->got);
    c->got += part;
    bytes += part;
  }
}

/* Reads; how many bytes came, 0 when dry. */
static size_t get(struct conn *c) {
  size_t n = 0;
  ERR_clear_error();
  if (SSL_read_ex(c->ssl, inbuf, sizeof inbuf, &n) != 1)
    watch(c, wanted(c, "a read"), EPOLL_CTL_MOD);
  return n;
}

/* --- HTTP ----------------------------------------------------------------------- */

static void ask(struct conn *c) {
  static const char request[] = "GET " PATH " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  if (put(c, request, sizeof request - 1) != sizeof request - 1)
    wrong("no room for a request");
}

/* Goes past the head of an answer; returns how much of the 'n' bytes that was. */
static size_t skip_head(struct conn *c, const unsigned char *at, size_t n) {
  size_t i = 0;
  while (i < n && c->body == 0) {
    c->newlines = at[i] == '\n' ? c->newlines + 1 : at[i] == '\r' ? c->newlines : 0;
    i++;
    if (c->newlines == 2) {
      c->newlines = 0;
      c->body = body;
      ask(c); /* for the next one, meanwhile */
    }
  }
  return i;
}

/* Answers, of which each body is whole periods of the stream. */
static size_t take_answers(struct conn *c, const unsigned char *at, size_t n) {
  size_t total = 0;
  while (n > 0) {
    size_t part = skip_head(c, at, n);
    at += part, n -= part;
    part = n < c->body ? n : (size_t)c->body;
    check(c, at, part);
    c->body -= part;
    at += part, n -= part, total += part;
  }
  return total;
}

/* --- scenarios ---------------------------------------------------------------- */

/* The server answers our close_notify and our end with its own. */
static void on_ending(struct conn *c) {
  size_t n;
  ERR_clear_error();
  while (SSL_read_ex(c->ssl, inbuf, sizeof inbuf, &n) == 1) {}
  if (SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_READ)
    return;
  int is_handshake = *o.scenario == 'h';
  if (is_handshake) {
    note_latency(now_ns() - c->started);
    done++;
  }
  stop(c);
  if (is_handshake && !draining && (o.quota == 0 || done + (uint64_t)live < o.quota))
    start(c);
}

static void end(struct conn *c) {
  ERR_clear_error();
  SSL_shutdown(c->ssl);
  shutdown(c->fd, SHUT_WR);
  opened--;
  c->state = ENDS;
  watch(c, EPOLLIN, EPOLL_CTL_MOD);
  on_ending(c);
}

static void echo_next(struct conn *c) {
  if (c->got < c->sent)
    return;
  if (draining || (o.quota && c->got == o.quota * o.size)) {
    end(c);
    return;
  }
  c->started = now_ns();
  if (put_stream(c, o.size) != o.size)
    wrong("no room for a message");
}

static void on_open(struct conn *c) {
  c->state = OPEN;
  opened++;
  watch(c, EPOLLIN | (o.scenario[1] == 'i' ? (uint32_t)EPOLLOUT : 0), EPOLL_CTL_MOD);
  switch (*o.scenario) {
    case 'h':
      if (SSL_session_reused(c->ssl) != resumes)
        wrong("the session was %sresumed", resumes ? "not " : "");
      end(c);
      break;
    case 'e': echo_next(c); break;
    default:
      if (body)
        ask(c);
  }
}

static void on_shake(struct conn *c) {
  ERR_clear_error();
  if (SSL_do_handshake(c->ssl) == 1)
    on_open(c);
  else
    watch(c, wanted(c, "a handshake"), EPOLL_CTL_MOD);
}

static void on_echo(struct conn *c) {
  for (size_t n; (n = get(c)) > 0;) {
    check(c, inbuf, n);
    if (c->got > c->sent)
      wrong("more came back than was sent");
    if (c->got < c->sent)
      continue;
    note_latency(now_ns() - c->started);
    done++;
    echo_next(c);
    if (c->fd < 0 || c->state != OPEN)
      return;
  }
}

static void on_sink(struct conn *c) {
  size_t n = 0;
  if (draining)
    end(c);
  else
    n = put_stream(c, MAX_IO);
  bytes += n;
  done += n;
}

static void on_source(struct conn *c) {
  size_t n = get(c);
  if (body) {
    n = take_answers(c, inbuf, n);
  } else
    check(c, inbuf, n);
  done += n;
  if (draining)
    stop(c);
}

static void dispatch(void *conn, uint32_t events) {
  struct conn *c = conn;
  (void)events;
  if (c->state == SHAKES)
    on_shake(c);
  else if (c->state == ENDS)
    on_ending(c);
  else if (*o.scenario == 'e')
    on_echo(c);
  else if (o.scenario[1] == 'i')
    on_sink(c);
  else
    on_source(c);
}

/* --- the run ------------------------------------------------------------------ */

/* Has what is in flight come back. */
static void drain(void) {
  for (int i = 0; i < o.connections; i++)
    if (conns[i].fd >= 0 && conns[i].state == OPEN && *o.scenario == 's')
      watch(&conns[i], EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

/* Starts all, and measures. */
static void run(void) {
  for (int i = 0; i < o.connections; i++)
    start(&conns[i]);
  while (!o.quota && *o.scenario != 'h' && opened < live)
    turn();
  measure();
}

/* A connection that is made in one go, and stays blocking. */
static SSL *connect_now(void) {
  SSL *ssl = make_ssl(dial(0));
  if (SSL_do_handshake(ssl) != 1)
    die_tls("a handshake");
  return ssl;
}

static void leave(SSL *ssl) {
  int fd = SSL_get_fd(ssl);
  SSL_shutdown(ssl);
  shutdown(fd, SHUT_WR);
  SSL_shutdown(ssl); /* and tickets come, before the end */
  SSL_free(ssl);
  close(fd);
}

/* Memory of those who are connected, and have said nothing. */
static void hold(void) {
  SSL **idle = calloc((size_t)o.idle + 1, sizeof(SSL *));
  long long before = settled_rss();
  for (int i = 0; i < o.idle; i++)
    idle[i] = connect_now();
  printf("{\"done\":%d,\"before\":%lld,\"rss\":%lld}\n", o.idle, before, settled_rss());
  for (int i = 0; i < o.idle; i++)
    leave(idle[i]);
}

/* The first connection brings the session that the others resume. */
static void find_session(void) {
  leave(connect_now());
  if (session == NULL)
    wrong("the server gives no sessions");
}

static int parse(int argc, char **argv) {
  for (int opt; (opt = getopt(argc, argv, "c:s:w:t:n:p:i:l:V:rg:")) != -1;)
    switch (opt) {
      case 'V': version = atoi(optarg); break;
      case 'r': resumes = 1; break;
      case 'g': body = (size_t)atol(optarg); break;
      default:
        if (!take_option(opt))
          return 0;
    }
  return o.size <= 16384 && body % PERIOD == 0 && take_words(argc, argv);
}

int main(int argc, char **argv) {
  if (!parse(argc, argv))
    return fprintf(stderr, "usage: tlsload [-cN -sN -wS -tS -nN -pPID -iN -lS -VN -r -gN] SCENARIO PORT\n"), 2;
  allow_files();
  signal(SIGPIPE, SIG_IGN);
  fill_pattern(stream, sizeof stream);
  make_context();
  if (*o.scenario == 'h' && o.scenario[1] == 'o')
    return hold(), 0;
  if (resumes)
    find_session();
  ep = epoll_create1(EPOLL_CLOEXEC);
  conns = calloc((size_t)o.connections, sizeof *conns);
  run();
  return 0;
}
