/* SPDX-License-Identifier: MIT
 *
 * client.h - what load.c and tlsload.c share: options, an address, sockets that connect to it,
 * how a run goes, how it fails, and what it cost the server meanwhile. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"
#include "proc.h"

/* What both are told. */
static struct {
  const char *scenario;
  int connections, idle;
  size_t size;
  uint64_t quota;            /* messages on each connection, or handshakes; 0: by time */
  double warm, seconds, patience;
} o = {.connections = 1, .size = 64, .seconds = 1, .patience = 5};

struct snapshot {
  uint64_t at, done, bytes;  /* ns, units, bytes */
  long long server, own;     /* CPU time, ns */
  long long sleeps;
};

static struct sockaddr_storage target;
static socklen_t target_len;
static uint64_t done, bytes;  /* so far */
static int server_pid;        /* 0: none is told */
static int more[7], count;    /* pids of those that serve with it */
static int ep, live, draining; /* of how many connections 'ep' knows; are they to end? */

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(2);
}

/* The server is wrong. */
static void wrong(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(3);
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

/* A socket that is connected, or about to be; 'flags' for socket(2). */
static int dial(int flags) {
  int one = 1, fd = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0)
    die("socket");
  if (target.ss_family == AF_INET) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    spread(fd);
  }
  if (connect(fd, (struct sockaddr *)&target, target_len) < 0 && errno != EINPROGRESS)
    die("connect");
  return fd;
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

static void add_server(int pid) {
  if (server_pid == 0)
    server_pid = pid;
  else if (count < (int)(sizeof more / sizeof *more))
    more[count++] = pid;
}

/* CPU time of all that serve, ns. */
static long long served(void) {
  long long sum = server_pid ? proc_cpu(server_pid) : 0;
  for (int i = 0; i < count; i++)
    sum += proc_cpu(more[i]);
  return sum;
}

static struct snapshot look(void) {
  struct rusage ru;
  getrusage(RUSAGE_SELF, &ru);
  return (struct snapshot){
      .at = now_ns(), .done = done, .bytes = bytes,
      .server = served(),
      .sleeps = server_pid ? proc_sleeps(server_pid) : 0,
      .own = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000LL +
             (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000LL};
}

/* The line of JSON, of what lies between two of them. */
static void tell(struct snapshot a, struct snapshot b) {
  printf("{\"done\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f,"
         "\"p999\":%.1f,\"max\":%.1f,\"load_cpu\":%lld,\"server_cpu\":%lld,\"sleeps\":%lld,\"rss\":%lld}\n",
         (unsigned long long)(b.done - a.done), (unsigned long long)(b.bytes - a.bytes),
         (double)(b.at - a.at) / 1e9, percentile(0.5), percentile(0.99), percentile(0.999), percentile(1),
         b.own - a.own, b.server - a.server, b.sleeps - a.sleeps,
         server_pid ? proc_rss(server_pid) : 0);
}

/* Memory, when the server had time to settle. */
static long long settled_rss(void) {
  usleep(300000);
  return proc_rss(server_pid);
}

/* --- options ------------------------------------------------------------------- */

/* Takes an option that both have, with 'optarg'; 0: it is none. */
static int take_option(int opt) {
  switch (opt) {
    case 'c': o.connections = atoi(optarg); return 1;
    case 's': o.size = (size_t)atol(optarg); return 1;
    case 'w': o.warm = atof(optarg); return 1;
    case 't': o.seconds = atof(optarg); return 1;
    case 'n': o.quota = strtoull(optarg, NULL, 10); return 1;
    case 'p': add_server(atoi(optarg)); return 1;
    case 'l': o.patience = atof(optarg); return 1;
    case 'i': o.idle = atoi(optarg); return 1;
    default: return 0;
  }
}

/* Takes SCENARIO and the address behind the options; 0: they are not there. */
static int take_words(int argc, char **argv) {
  if (argc - optind != 2 || o.size == 0)
    return 0;
  o.scenario = argv[optind];
  parse_target(argv[optind + 1]);
  return 1;
}

/* As many descriptors as we may have. */
static void allow_files(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

/* --- the run ------------------------------------------------------------------ */

static void dispatch(void *conn, uint32_t events); /* of who includes this */
static void drain(void);                           /* has what is in flight come back */

static void turn(void) {
  static uint64_t progress;
  struct epoll_event events[256];
  int n = epoll_wait(ep, events, 256, 100);
  uint64_t t = now_ns();
  if (n > 0 || progress == 0)
    progress = t;
  if ((double)(t - progress) > o.patience * 1e9)
    wrong("nothing has come for %g s, bytes must be lost", o.patience);
  for (int i = 0; i < n; i++)
    dispatch(events[i].data.ptr, events[i].events);
}

static void run_until(uint64_t t) {
  while (live > 0 && now_ns() < t)
    turn();
}

/* From here on: warm up, measure, drain, tell. */
static void measure(void) {
  run_until(now_ns() + (uint64_t)(o.warm * 1e9));
  forget_latencies();
  struct snapshot a = look();
  run_until(o.quota ? UINT64_MAX : now_ns() + (uint64_t)(o.seconds * 1e9));
  struct snapshot b = look();
  draining = 1;
  drain();
  while (live > 0)
    turn();
  tell(a, b);
}

#endif
