/* SPDX-License-Identifier: MIT
 *
 * transport.c - what is under a stream when that is a descriptor. See transport.h.
 *
 * TCP and Unix sockets share their functions, and differ in what they can. A pipe has
 * no socket calls, and the kernel end of its writing is its close. What libev can poll
 * and is neither, a terminal, is taken for a pipe. */
#include "stream/transport.h"

#include <errno.h>

static ssize_t socket_read(struct net_handle *h, void *buf, size_t size) {
  return net_sys_recv(net_transport_fd(h), buf, size);
}

static ssize_t socket_send(struct net_handle *h, const void *bytes, size_t size) {
  return net_sys_send(net_transport_fd(h), bytes, size);
}

static ssize_t socket_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  return net_sys_sendv(net_transport_fd(h), iov, count, more);
}

static int socket_shutdown(struct net_handle *h) { return net_sys_shutdown(net_transport_fd(h)); }

static ssize_t pipe_read(struct net_handle *h, void *buf, size_t size) {
  return net_sys_read(net_transport_fd(h), buf, size);
}

static ssize_t pipe_send(struct net_handle *h, const void *bytes, size_t size) {
  struct iovec iov = { (void *)(uintptr_t)bytes, size };
  return net_sys_writev(net_transport_fd(h), &iov, 1);
}

static ssize_t pipe_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  (void)more;
  return net_sys_writev(net_transport_fd(h), iov, count);
}

static int pipe_shutdown(struct net_handle *h) {
  (void)h;
  return 0;
}

static void close_fd(struct net_handle *h) { net_sys_close(net_transport_fd(h)); }

static ssize_t none_read(struct net_handle *h, void *buf, size_t size) {
  (void)h, (void)buf, (void)size;
  return -EBADF;
}

static ssize_t none_send(struct net_handle *h, const void *bytes, size_t size) {
  (void)h, (void)bytes, (void)size;
  return -EBADF;
}

static ssize_t none_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  (void)h, (void)iov, (void)count, (void)more;
  return -EBADF;
}

static int none_shutdown(struct net_handle *h) {
  (void)h;
  return -EBADF;
}

static void none_close(struct net_handle *h) { (void)h; }

#define CAN_DESCRIPTOR (NET_CAN_SPLICE | NET_CAN_SENDFILE | NET_CAN_POLL)
#define CAN_TCP (NET_CAN_ADDRESS | NET_CAN_NODELAY | NET_CAN_KEEPALIVE | NET_CAN_RESET)

const struct net_transport net_transport_none = {
  .name = "none",
  .can = CAN_TCP,
  .read = none_read,
  .send = none_send,
  .writev = none_writev,
  .shutdown = none_shutdown,
  .close = none_close,
};

const struct net_transport net_transport_tcp = {
  .name = "tcp",
  .can = CAN_DESCRIPTOR | CAN_TCP,
  .read = socket_read,
  .send = socket_send,
  .writev = socket_writev,
  .shutdown = socket_shutdown,
  .close = close_fd,
};

const struct net_transport net_transport_unix = {
  .name = "unix",
  .can = CAN_DESCRIPTOR | NET_CAN_RIGHTS,
  .read = socket_read,
  .send = socket_send,
  .writev = socket_writev,
  .shutdown = socket_shutdown,
  .close = close_fd,
};

const struct net_transport net_transport_pipe = {
  .name = "pipe",
  .can = CAN_DESCRIPTOR,
  .read = pipe_read,
  .send = pipe_send,
  .writev = pipe_writev,
  .shutdown = pipe_shutdown,
  .close = close_fd,
};

const struct net_transport *net_transport_of(enum net_fd_kind kind) {
  return kind == NET_FD_TCP    ? &net_transport_tcp
         : kind == NET_FD_UNIX ? &net_transport_unix
                               : &net_transport_pipe;
}
