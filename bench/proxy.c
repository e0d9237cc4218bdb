/* SPDX-License-Identifier: MIT
 *
 * proxy.c - the yardstick of proxies, in C on raw epoll.
 *
 *     proxy MODE ADDRESS BACKEND      prints the port, then serves for ever
 *
 * Connects to BACKEND for each client and passes bytes on, both ways. MODE:
 *
 *     copy     recv and send through one shared buffer, 64 KiB at a time
 *     splice   through a kernel pipe for each direction, so that no byte is copied
 *
 * ADDRESS and BACKEND are a port of 127.0.0.1 or a Unix path, ADDRESS 0 any free
 * port. As one would write it by hand: level-triggered, nothing queued unless the
 * kernel refuses, and then the sender is not read until that is gone. To measure it
 * let `bare echo` be the backend and `load echo` the client. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER 65536    /* bytes; of one recv */
#define PIPE (1 << 18)  /* bytes; of one splice: 64 KiB to 1 MiB cost the same */

/* One socket of a pair, and what it still has to send. */
struct side {
  int fd;
  struct side *peer;
  uint32_t events;
  size_t held;     /* bytes, in 'pipe' or at 'from' in 'data' */
  char *data;      /* copy: owned; NULL until needed */
  size_t from;
  int pipe[2];     /* splice: owned */
};

static char buffer[BUFFER];
static int ep, listener, splicing;
static struct sockaddr_storage backend;
static socklen_t backend_len;

static void watch(struct side *s, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = s};
  if (s->events != events)
    epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &e);
  s->events = events;
}

static void side_free(struct side *s) {
  close(s->fd);
  if (splicing) {
    close(s->pipe[0]);
    close(s->pipe[1]);
  }
  free(s->data);
}

/* Both sides go, and are freed when no event of this turn can name them. */
static struct side *dead[1024];
static int n_dead;

static void drop(struct side *s) {
  if (s->fd < 0)
    return;
  side_free(s);
  side_free(s->peer);
  s->fd = s->peer->fd = -1;
  dead[n_dead++] = s < s->peer ? s : s->peer; /* the two are one block */
}

static void bury(void) {
  while (n_dead > 0)
    free(dead[--n_dead]);
}

/* What 's' was refused goes on; its peer is read meanwhile, or not. */
static void settle(struct side *s) {
  watch(s, s->held ? s->events | (uint32_t)EPOLLOUT : s->events & ~(uint32_t)EPOLLOUT);
  watch(s->peer, s->held ? s->peer->events & ~(uint32_t)EPOLLIN
                         : s->peer->events | (uint32_t)EPOLLIN);
}

/* The next bytes of 'from' have come; returns what recv or splice did. */
static ssize_t take(struct side *from, struct side *to) {
  if (!splicing)
    return recv(from->fd, buffer, sizeof buffer, 0);
  return splice(from->fd, NULL, to->pipe[1], NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static void keep(struct side *s, const char *data, size_t n) {
  if (s->data == NULL)
    s->data = malloc(BUFFER);
  memcpy(s->data, data, n);
  s->from = 0;
  s->held = n;
}

/* Sends what take() has brought, 'n' bytes; 0, or -1 if the socket is done for. */
static int give(struct side *s, size_t n) {
  ssize_t put;
  if (splicing)
    put = splice(s->pipe[0], NULL, s->fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  else
    put = send(s->fd, buffer, n, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN)
    return -1;
  size_t gone = put < 0 ? 0 : (size_t)put;
  if (gone == n)
    return 0;
  if (splicing)
    s->held = n - gone;
  else
    keep(s, buffer + gone, n - gone);
  settle(s);
  return 0;
}

/* Sends what was refused before. */
static int flush(struct side *s) {
  ssize_t put;
  if (splicing)
    put = splice(s->pipe[0], NULL, s->fd, NULL, s->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  else
    put = send(s->fd, s->data + s->from, s->held, MSG_NOSIGNAL);
  if (put < 0)
    return errno == EAGAIN ? 0 : -1;
  s->from += (size_t)put;
  s->held -= (size_t)put;
  if (s->held == 0)
    settle(s);
  return 0;
}

static void serve(struct side *s, uint32_t events) {
  if (s->fd >= 0 && events & (EPOLLOUT | EPOLLERR) && s->held > 0 && flush(s) < 0)
    drop(s);
  if (s->fd < 0 || !(s->events & EPOLLIN) || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
    return;
  ssize_t n = take(s, s->peer);
  if (n > 0)
    n = give(s->peer, (size_t)n);
  else if (n == 0 || errno != EAGAIN)
    n = -1;
  if (n < 0)
    drop(s); /* half-open connections are of no use here */
}

static int dial(void) {
  int one = 1;
  int fd = socket(backend.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&backend, backend_len) < 0) {
    perror("proxy: connect");
    exit(1);
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void side_start(struct side *s, int fd, struct side *peer) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
  s->fd = fd;
  s->peer = peer;
  s->events = EPOLLIN;
  if (splicing) {
    if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
      perror("proxy: pipe2");
      exit(1);
    }
    fcntl(s->pipe[1], F_SETPIPE_SZ, PIPE);
  }
  epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static void accept_all(void) {
  int fd, one = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct side *pair = calloc(2, sizeof *pair);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    side_start(&pair[0], fd, &pair[1]);
    side_start(&pair[1], dial(), &pair[0]);
  }
}

static socklen_t parse(const char *text, struct sockaddr_storage *sa) {
  struct sockaddr_in *in = (struct sockaddr_in *)sa;
  struct sockaddr_un *un = (struct sockaddr_un *)sa;
  if (strchr(text, '/')) {
    un->sun_family = AF_UNIX;
    strncpy(un->sun_path, text, sizeof un->sun_path - 1);
    return sizeof *un;
  }
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t)atoi(text));
  in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return sizeof *in;
}

static void listen_on(const char *address) {
  struct sockaddr_storage sa = {0};
  socklen_t len = parse(address, &sa);
  listener = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&sa, len) < 0 || listen(listener, 511) < 0) {
    perror("proxy");
    exit(1);
  }
  getsockname(listener, (struct sockaddr *)&sa, &len);
  printf("%d\n", sa.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&sa)->sin_port) : 0);
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct epoll_event events[64], e = {.events = EPOLLIN};
  if (argc != 4)
    return fprintf(stderr, "usage: proxy copy|splice ADDRESS BACKEND\n"), 2;
  splicing = strcmp(argv[1], "splice") == 0;
  signal(SIGPIPE, SIG_IGN); /* splice knows no MSG_NOSIGNAL */
  backend_len = parse(argv[3], &backend);
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
    bury();
  }
}
