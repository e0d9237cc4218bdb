/* SPDX-License-Identifier: MIT
 *
 * bare.c - the yardstick: the bench's servers on raw epoll, level-triggered.
 *
 *     bare SCENARIO ADDRESS          prints the port, then serves for ever
 *
 * SCENARIO: echo, four, sink, source; connect and hold are the same as echo.
 * ADDRESS: 0 for TCP on 127.0.0.1, or a Unix path. Compiled with -DWITH_LUA it is the second
 * yardstick, bare-lua. What it does with a descriptor that is ready: serve.h. */
#include <stdint.h>
#include <sys/epoll.h>

#define POLLER /* nothing: the descriptor is enough */
#include "serve.h"

static int ep;

static void drop(struct conn *c) {
  close(c->fd);
  free(c->held);
  free(c);
}

static void watch(struct conn *c, int writing) {
  struct epoll_event e = {.events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

static void accept_all(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = mode == SOURCE ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    c->fd = fd;
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
  }
}

int main(int argc, char **argv) {
  struct epoll_event events[64], e = {.events = EPOLLIN};
  int listener = start_serving(argc, argv);
  ep = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
  for (;;) {
    int n = epoll_wait(ep, events, 64, -1);
    for (int i = 0; i < n; i++)
      if (events[i].data.ptr == NULL)
        accept_all(listener);
      else if (events[i].events & EPOLLOUT)
        on_writable(events[i].data.ptr);
      else
        on_readable(events[i].data.ptr);
  }
}
