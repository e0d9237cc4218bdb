/* SPDX-License-Identifier: MIT
 *
 * bare.c - the yardstick: the bench's servers in C, on raw epoll.
 *
 *     bare SCENARIO ADDRESS          prints the port, then serves for ever
 *
 * Written as one would by hand for speed: level-triggered, non-blocking, one
 * read and one write per message, one shared buffer, no queue unless the kernel
 * refuses. SCENARIO: echo, sink, source, connect (the same as echo). ADDRESS: 0 for TCP on 127.0.0.1, or a
 * Unix path. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER 65536  /* bytes */
#define PERIOD 65521  /* bytes; as load.c has it */

struct conn {
  int fd;
  char *held;        /* what the kernel refused; owned */
  size_t from, to;   /* bytes [from, to) of it are unsent */
  uint64_t sent;     /* source: position in the stream */
};

static char buffer[BUFFER];
static char pattern[PERIOD + BUFFER];
static int ep, listener;
static enum { ECHO, SINK, SOURCE } mode;

static void drop(struct conn *c) {
  close(c->fd);
  free(c->held);
  free(c);
}

static void watch(struct conn *c, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

static void keep(struct conn *c, const char *data, size_t n) {
  if (c->held == NULL)
    c->held = malloc(BUFFER);
  memcpy(c->held, data, n);
  c->from = 0;
  c->to = n;
  watch(c, EPOLLOUT);
}

static void echo(struct conn *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN)
      drop(c);
    return;
  }
  ssize_t put = send(c->fd, buffer, (size_t)n, MSG_NOSIGNAL);
  if (put < 0)
    put = 0;
  if (put < n)
    keep(c, buffer + put, (size_t)(n - put));
}

static void flush(struct conn *c) {
  ssize_t put = send(c->fd, c->held + c->from, c->to - c->from, MSG_NOSIGNAL);
  if (put > 0)
    c->from += (size_t)put;
  if (c->from == c->to)
    watch(c, EPOLLIN);
}

static void sink(struct conn *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN))
    drop(c);
}

static void source(struct conn *c) {
  ssize_t n = send(c->fd, pattern + c->sent % PERIOD, BUFFER, MSG_NOSIGNAL);
  if (n > 0)
    c->sent += (uint64_t)n;
  else if (n < 0 && errno != EAGAIN)
    drop(c);
}

static void serve(struct conn *c, uint32_t events) {
  if (mode == SOURCE)
    source(c);
  else if (mode == SINK)
    sink(c);
  else if (events & EPOLLOUT)
    flush(c);
  else
    echo(c);
}

static void accept_all(void) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = mode == SOURCE ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    c->fd = fd;
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
  }
}

static void listen_on(const char *address) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  socklen_t len = sizeof in;
  int path = strchr(address, '/') != NULL;
  strncpy(un.sun_path, address, sizeof un.sun_path - 1);
  listener = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, path ? (void *)&un : (void *)&in, path ? sizeof un : sizeof in) < 0 ||
      listen(listener, 511) < 0) {
    perror("bare");
    exit(1);
  }
  getsockname(listener, (struct sockaddr *)&in, &len);
  printf("%d\n", path ? 0 : ntohs(in.sin_port));
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct epoll_event events[64], e = {.events = EPOLLIN};
  if (argc != 3)
    return fprintf(stderr, "usage: bare SCENARIO ADDRESS\n"), 2;
  mode = strcmp(argv[1], "sink") == 0 ? SINK : strcmp(argv[1], "source") == 0 ? SOURCE : ECHO;
  for (size_t i = 0; i < sizeof pattern; i++)
    pattern[i] = (char)((i % PERIOD) * 2654435761u >> 13);
  ep = epoll_create1(EPOLL_CLOEXEC);
  listen_on(argv[2]);
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
  for (;;) {
    int n = epoll_wait(ep, events, 64, -1);
    for (int i = 0; i < n; i++)
      if (events[i].data.ptr == NULL)
        accept_all();
      else
        serve(events[i].data.ptr, events[i].events);
  }
}
