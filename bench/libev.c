/* SPDX-License-Identifier: MIT
 *
 * libev.c - the bench's servers in C on libev: bare.c, with a library's poller.
 *
 *     libev SCENARIO ADDRESS         prints the port, then serves for ever
 *
 * The difference from bare.c is what libev itself costs, ours included. */
#include <ev.h>

#define POLLER ev_io io;
#include "serve.h"

static struct ev_loop *loop;

static void drop(struct conn *c) {
  ev_io_stop(loop, &c->io);
  close(c->fd);
  free(c->held);
  free(c);
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents) {
  (void)ev;
  if (revents & EV_WRITE)
    on_writable((struct conn *)w);
  else
    on_readable((struct conn *)w);
}

static void watch(struct conn *c, int writing) {
  ev_io_stop(loop, &c->io);
  ev_io_set(&c->io, c->fd, writing ? EV_WRITE : EV_READ);
  ev_io_start(loop, &c->io);
}

static void on_connection(struct ev_loop *ev, ev_io *w, int revents) {
  (void)ev, (void)revents;
  int fd;
  while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    ev_init(&c->io, on_io);
    watch(c, mode == SOURCE);
  }
}

int main(int argc, char **argv) {
  ev_io listener;
  int fd = start_serving(argc, argv);
  loop = ev_default_loop(EVFLAG_NOENV);
  ev_io_init(&listener, on_connection, fd, EV_READ);
  ev_io_start(loop, &listener);
  ev_run(loop, 0);
  return 0;
}
