/* SPDX-License-Identifier: MIT
 *
 * client.h - what load.c and tlsload.c share: an address, sockets that connect to it, how a
 * run fails, and what it cost the server meanwhile. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"
#include "proc.h"

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

#endif
