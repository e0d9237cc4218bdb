/* SPDX-License-Identifier: MIT
 *
 * serve.h - the bench's servers in C, but for the poller: bare.c and libev.c
 * bring that, as watch() and drop().
 *
 * Written as one would by hand for speed: non-blocking, one read and one write
 * per message, one shared buffer, no queue unless the kernel refuses. With
 * WITH_LUA each piece that was read, or is to be written, goes through one Lua
 * string and one protected call of a Lua function: the least that a library for
 * Lua can cost. That is the yardstick's second row.
 *
 * A peer that has gone is dropped wherever that shows, be it in a write: to wait
 * for EPOLLOUT then would spin for ever, on the account of the next measurement. */
#ifndef BENCH_SERVE_H
#define BENCH_SERVE_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "pattern.h"

#define BUFFER 65536 /* bytes */

struct conn {
  POLLER               /* what the poller needs; first */
  int fd;
  char *held;          /* what the kernel refused; owned */
  size_t from, to;     /* bytes [from, to) of it are unsent */
  uint64_t sent;       /* source: position in the stream */
};

static char buffer[BUFFER];
static char pattern[PERIOD + BUFFER];
static char four[64];
static enum { ECHO, FOUR, SINK, SOURCE } mode;

static void watch(struct conn *c, int writing); /* for reading, or for writing */
static void drop(struct conn *c);               /* close and free */

#ifdef WITH_LUA
#include <lauxlib.h>
#include <lualib.h>

static lua_State *L;

static void open_lua(void) {
  L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_dostring(L, "return function(chunk) return chunk end") != LUA_OK)
    exit(1);
}

/* The bytes, after they were a Lua listener's. They live until the next call. */
static const char *through_lua(const char *data, size_t n) {
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  lua_pushlstring(L, data, n);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK)
    exit(1);
  return lua_tostring(L, -1);
}
#else
static void open_lua(void) {}
static const char *through_lua(const char *data, size_t n) { return (void)n, data; }
#endif

/* Keeps what the kernel did not take, until it can. */
static void keep(struct conn *c, const char *data, size_t n) {
  if (c->held == NULL)
    c->held = malloc(BUFFER);
  memcpy(c->held, data, n);
  c->from = 0;
  c->to = n;
  watch(c, 1);
}

static void answer(struct conn *c, const char *data, size_t n) {
  ssize_t put = send(c->fd, data, n, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN)
    drop(c);
  else if (put < (ssize_t)n)
    keep(c, data + (put < 0 ? 0 : put), n - (size_t)(put < 0 ? 0 : put));
}

/* Four pieces in one system call; so small that the kernel takes all or nothing. */
static void answer_four(struct conn *c) {
  struct iovec iov[4];
  for (int i = 0; i < 4; i++)
    iov[i] = (struct iovec){four + i * 16, 16};
  ssize_t put = writev(c->fd, iov, 4);
  if (put < 0 && errno != EAGAIN)
    drop(c);
  else if (put < 0)
    keep(c, four, sizeof four);
}

static void on_readable(struct conn *c) {
  ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) {
    drop(c);
  } else if (n > 0) {
    const char *data = through_lua(buffer, (size_t)n);
    if (mode == ECHO)
      answer(c, data, (size_t)n);
    else if (mode == FOUR)
      answer_four(c);
  }
}

static void on_writable(struct conn *c) {
  if (mode == SOURCE) {
    const char *data = through_lua(pattern + c->sent % PERIOD, BUFFER);
    ssize_t n = send(c->fd, data, BUFFER, MSG_NOSIGNAL);
    if (n > 0)
      c->sent += (uint64_t)n;
    else if (n < 0 && errno != EAGAIN)
      drop(c);
    return;
  }
  ssize_t put = send(c->fd, c->held + c->from, c->to - c->from, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN) {
    drop(c);
    return;
  }
  c->from += (size_t)(put < 0 ? 0 : put);
  if (c->from == c->to)
    watch(c, 0);
}

/* Accepted sockets have TCP_NODELAY from the listener. */
static int listen_on(const char *address) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  socklen_t len = sizeof in;
  int one = 1, path = strchr(address, '/') != NULL;
  strncpy(un.sun_path, address, sizeof un.sun_path - 1);
  int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(fd, path ? (void *)&un : (void *)&in, path ? sizeof un : sizeof in) < 0 ||
      listen(fd, 511) < 0) {
    perror(address);
    exit(1);
  }
  if (!path)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  getsockname(fd, (struct sockaddr *)&in, &len);
  printf("%d\n", path ? 0 : ntohs(in.sin_port));
  fflush(stdout);
  return fd;
}

/* Sets 'mode', and listens: the listening descriptor. */
static int start_serving(int argc, char **argv) {
  struct rlimit files;
  if (argc != 3) {
    fprintf(stderr, "usage: %s echo|four|sink|source|connect|hold ADDRESS\n", *argv);
    exit(2);
  }
  mode = strcmp(argv[1], "sink") == 0     ? SINK
         : strcmp(argv[1], "source") == 0 ? SOURCE
         : strcmp(argv[1], "four") == 0   ? FOUR
                                          : ECHO;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (mode == SOURCE)
    fill_pattern(pattern, sizeof pattern);
  fill_four(four, sizeof four);
  open_lua();
  return listen_on(argv[2]);
}

#endif
