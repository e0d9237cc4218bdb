/* SPDX-License-Identifier: MIT
 *
 * load.c - the bench's load generator: drives a server and checks every byte.
 *
 *     load SCENARIO ADDRESS CONNECTIONS SIZE DEPTH SECONDS
 *
 * ADDRESS is a port on 127.0.0.1 or a Unix path. One epoll loop, all sockets
 * non-blocking. Scenarios:
 *
 *     echo     each connection keeps DEPTH messages of SIZE bytes in flight
 *     sink     each connection sends without end; the server reads
 *     source   the server sends without end; each connection reads
 *     connect  CONNECTIONS at a time: connect, send one byte, get it back, close
 *
 * What is sent is a stream whose every byte is a function of its position, so
 * that a lost, doubled or swapped byte is seen wherever it happens. Prints one
 * line of JSON: units of work done, bytes, seconds, latency in us, own CPU in s. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 65521         /* bytes; prime, so that no buffer size divides it */
#define MAX_IO (256 * 1024)  /* bytes in one read or write */
#define BUCKETS 4096         /* latency histogram: 1/32 octave each */

struct conn {
  int fd;
  uint64_t sent, got; /* bytes */
  uint64_t *started;  /* ns, by message number modulo depth */
  uint32_t events;
};

static unsigned char pattern[PERIOD + MAX_IO];
static unsigned char inbuf[MAX_IO];
static struct conn *conns;
static int ep, n_conns, depth;
static size_t size;
static const char *scenario;
static struct sockaddr_storage target;
static socklen_t target_len;
static uint64_t done, bytes, deadline;
static uint64_t histogram[BUCKETS];

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void corrupt(const struct conn *c, size_t at) {
  fprintf(stderr, "load: byte %llu is wrong\n", (unsigned long long)(c->got + at));
  exit(3);
}

/* Index of a latency's bucket: octave and 32 steps within it. */
static int bucket(uint64_t ns) {
  int octave = 63 - __builtin_clzll(ns | 32);
  return octave * 32 + (int)((ns >> (octave - 5)) & 31);
}

static double percentile(double p) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < BUCKETS; i++)
    total += histogram[i];
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram[i];
    if (total && (double)seen >= p * (double)total)
      return (double)((uint64_t)(32 + i % 32) << (i / 32 - 5)) / 1000.0;
  }
  return 0;
}

static void watch(struct conn *c, uint32_t events, int op) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (op == EPOLL_CTL_MOD && c->events == events)
    return;
  c->events = events;
  if (epoll_ctl(ep, op, c->fd, &e) < 0)
    die("epoll_ctl");
}

/* Connects from 127.0.0.2 to 127.0.0.251 in turn, or TIME_WAIT would use up the
 * ports of one address. */
static void spread(int fd) {
  static uint32_t turn;
  int one = 1;
  struct sockaddr_in from = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % 250);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
    die("bind");
}

static void dial(struct conn *c) {
  int one = 1;
  c->fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0)
    die("socket");
  if (target.ss_family == AF_INET) {
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    spread(c->fd);
  }
  if (connect(c->fd, (struct sockaddr *)&target, target_len) < 0 && errno != EINPROGRESS)
    die("connect");
  c->sent = c->got = 0;
  watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

/* Sends up to 'want' bytes of the stream; returns what the kernel took. */
static size_t put(struct conn *c, size_t want) {
  if (want > MAX_IO)
    want = MAX_IO;
  ssize_t n = send(c->fd, pattern + c->sent % PERIOD, want, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN)
    die("send");
  if (n < 0)
    return 0;
  c->sent += (size_t)n;
  return (size_t)n;
}

/* Reads and checks; returns the number of bytes, 0 when dry or ended. */
static size_t get(struct conn *c) {
  ssize_t n = recv(c->fd, inbuf, sizeof inbuf, 0);
  if (n < 0 && errno != EAGAIN)
    die("recv");
  if (n <= 0)
    return 0;
  if (memcmp(inbuf, pattern + c->got % PERIOD, (size_t)n) != 0)
    corrupt(c, 0);
  c->got += (size_t)n;
  bytes += (uint64_t)n;
  return (size_t)n;
}

/* Keeps 'depth' messages in flight. */
static void echo_fill(struct conn *c) {
  uint64_t limit = (c->got / size + (uint64_t)depth) * size;
  while (c->sent < limit) {
    if (c->sent % size == 0 && depth == 1)
      c->started[0] = now_ns();
    else if (c->sent % size == 0)
      c->started[c->sent / size % (uint64_t)depth] = now_ns();
    /* all that is due leaves in one call, as a pipelining client's would */
    for (uint64_t at = c->sent / size + 1; at * size < limit; at++)
      c->started[at % (uint64_t)depth] = c->started[c->sent / size % (uint64_t)depth];
    if (put(c, (size_t)(limit - c->sent)) == 0)
      break;
  }
  watch(c, EPOLLIN | (c->sent < limit ? (uint32_t)EPOLLOUT : 0), EPOLL_CTL_MOD);
}

static void on_echo(struct conn *c) {
  uint64_t before = c->got / size;
  if (get(c)) {
    uint64_t t = now_ns();
    for (uint64_t i = before; i < c->got / size; i++)
      histogram[bucket(t - c->started[i % (uint64_t)depth])]++;
    done += c->got / size - before;
  }
  echo_fill(c);
}

static void on_sink(struct conn *c) {
  size_t n = put(c, MAX_IO);
  bytes += n;
  done += n;
}

static void on_source(struct conn *c) {
  watch(c, EPOLLIN, EPOLL_CTL_MOD);
  done += get(c);
}

static void on_connect(struct conn *c, uint32_t events) {
  if (c->sent == 0 && events & EPOLLOUT) {
    c->started[0] = now_ns();
    put(c, 1);
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
  } else if (get(c)) {
    histogram[bucket(now_ns() - c->started[0])]++;
    done++;
    close(c->fd);
    dial(c);
  }
}

static void dispatch(struct conn *c, uint32_t events) {
  switch (*scenario) {
    case 'e': on_echo(c); break;
    case 'c': on_connect(c, events); break;
    default: scenario[1] == 'i' ? on_sink(c) : on_source(c);
  }
}

static void parse_target(const char *text) {
  struct sockaddr_in *in = (struct sockaddr_in *)&target;
  struct sockaddr_un *un = (struct sockaddr_un *)&target;
  if (strchr(text, '/')) {
    un->sun_family = AF_UNIX;
    strncpy(un->sun_path, text, sizeof un->sun_path - 1);
    target_len = sizeof *un;
  } else {
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)atoi(text));
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target_len = sizeof *in;
  }
}

static void run(void) {
  struct epoll_event events[256];
  while (now_ns() < deadline) {
    int n = epoll_wait(ep, events, 256, 100);
    for (int i = 0; i < n; i++)
      dispatch(events[i].data.ptr, events[i].events);
  }
}

int main(int argc, char **argv) {
  if (argc != 7)
    return fprintf(stderr, "usage: load SCENARIO ADDRESS CONNECTIONS SIZE DEPTH SECONDS\n"), 2;
  scenario = argv[1];
  parse_target(argv[2]);
  n_conns = atoi(argv[3]);
  size = (size_t)atol(argv[4]);
  depth = atoi(argv[5]);
  for (size_t i = 0; i < sizeof pattern; i++)
    pattern[i] = (unsigned char)((i % PERIOD) * 2654435761u >> 13);
  ep = epoll_create1(EPOLL_CLOEXEC);
  conns = calloc((size_t)n_conns, sizeof *conns);
  for (int i = 0; i < n_conns; i++) {
    conns[i].started = calloc((size_t)depth, sizeof(uint64_t));
    dial(&conns[i]);
  }
  uint64_t start = now_ns();
  deadline = start + (uint64_t)(atof(argv[6]) * 1e9);
  run();
  struct rusage ru;
  getrusage(RUSAGE_SELF, &ru);
  printf("{\"done\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,"
         "\"cpu\":%.6f}\n",
         (unsigned long long)done, (unsigned long long)bytes, (double)(now_ns() - start) / 1e9,
         percentile(0.5), percentile(0.99), percentile(0.999),
         (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
             (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
  return 0;
}
