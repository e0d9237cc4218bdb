/* SPDX-License-Identifier: MIT
 *
 * transfer.c - system calls that move bytes, and descriptors along with them. See sys.h.
 *
 * Refused: an ignored SIGPIPE for the whole process, which would reach into the host
 * program and into the children it starts. MSG_NOSIGNAL covers the sockets, and for pipes
 * and splice, which have no such flag, the signal is blocked in this thread for the length
 * of the call. */
#include "base/platform.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(HAVE_SENDFILE)
#include <sys/sendfile.h>
#endif

/* The bytes that a call has moved, or its failure. */
static ssize_t moved(ssize_t n) { return n < 0 ? -errno : n; }

ssize_t net_sys_recv(int fd, void *buf, size_t size) {
  ssize_t got;
  do
    got = recv(fd, buf, size, 0);
  while (got < 0 && errno == EINTR);
  return moved(got);
}

ssize_t net_sys_peek(int fd, void *buf, size_t size) {
  ssize_t got;
  do
    got = recv(fd, buf, size, MSG_PEEK);
  while (got < 0 && errno == EINTR);
  return moved(got);
}

ssize_t net_sys_read(int fd, void *buf, size_t size) {
  ssize_t got;
  do
    got = read(fd, buf, size);
  while (got < 0 && errno == EINTR);
  return moved(got);
}

/* One sendmsg(2), or send(2), which spares the kernel a copy of the vector. */
static ssize_t socket_write(int fd, struct iovec *iov, int count, int more) {
  struct msghdr msg;
  int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  if (count == 1)
    return send(fd, iov->iov_base, iov->iov_len, flags);
  memset(&msg, 0, sizeof msg);
  msg.msg_iov = iov;
  msg.msg_iovlen = count;
  return sendmsg(fd, &msg, flags);
}

/* Takes one pending SIGPIPE, if there is one, away from this thread. */
static void swallow_sigpipe(const sigset_t *sigpipe) {
#if defined(__APPLE__) || defined(__OpenBSD__) /* no sigtimedwait */
  sigset_t pending;
  int signo;
  if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE))
    (void)sigwait(sigpipe, &signo);
#else
  const struct timespec now = { 0, 0 };
  while (sigtimedwait(sigpipe, NULL, &now) < 0 && errno == EINTR)
    continue;
#endif
}

/* What has to be undone after a call that may raise SIGPIPE. */
struct sigpipe_guard {
  sigset_t sigpipe, before;
  int theirs; /* one was waiting before us: it is the host's and stays */
};

/* Blocks the signal in this thread, as pipes and splice know no MSG_NOSIGNAL. */
static int sigpipe_block(struct sigpipe_guard *g) {
  sigset_t pending;
  sigemptyset(&g->sigpipe);
  sigaddset(&g->sigpipe, SIGPIPE);
  int err = pthread_sigmask(SIG_BLOCK, &g->sigpipe, &g->before);
  g->theirs = err == 0 && sigismember(&g->before, SIGPIPE) && sigpending(&pending) == 0 &&
              sigismember(&pending, SIGPIPE);
  return -err;
}

/* After the guarded call, which put 'put' of 'size' bytes, or failed. One that sends
 * piece by piece may have met the signal at a later piece, and yet answers how much
 * went before. Keeps errno. */
static void sigpipe_restore(const struct sigpipe_guard *g, ssize_t put, size_t size) {
  int saved = errno, met = put < 0 ? saved == EPIPE : (size_t)put < size;
  if (met && !g->theirs)
    swallow_sigpipe(&g->sigpipe);
  (void)pthread_sigmask(SIG_SETMASK, &g->before, NULL);
  errno = saved;
}

/* writev(2) on a pipe, without a SIGPIPE for anybody. */
static ssize_t pipe_write(int fd, struct iovec *iov, int count) {
  struct sigpipe_guard guard;
  if ((errno = -sigpipe_block(&guard)) != 0)
    return -1;
  ssize_t put = writev(fd, iov, count);
  sigpipe_restore(&guard, put, 0); /* a pipe looks for its readers once */
  return put;
}

/* Past it both calls fail; a short write is allowed. */
static int at_most_iov_max(int count) { return count > IOV_MAX ? IOV_MAX : count; }

ssize_t net_sys_sendv(int fd, struct iovec *iov, int count, int more) {
  ssize_t put;
  do
    put = socket_write(fd, iov, at_most_iov_max(count), more);
  while (put < 0 && errno == EINTR);
  return moved(put);
}

ssize_t net_sys_writev(int fd, struct iovec *iov, int count) {
  ssize_t put;
  do
    put = pipe_write(fd, iov, at_most_iov_max(count));
  while (put < 0 && errno == EINTR);
  return moved(put);
}

ssize_t net_sys_send(int fd, const void *bytes, size_t size) {
  ssize_t put;
  do
    put = send(fd, bytes, size, MSG_NOSIGNAL);
  while (put < 0 && errno == EINTR);
  return moved(put);
}

/* Room for what the kernel tells of beside the bytes, laid out as it wants that. */
union rights {
  char bytes[CMSG_SPACE(NET_RIGHTS_MAX * sizeof(int))];
  struct cmsghdr align;
};

#ifdef MSG_CMSG_CLOEXEC
#define RECV_RIGHTS MSG_CMSG_CLOEXEC
#else
#define RECV_RIGHTS 0
#endif

/* Takes what a message has brought; returns how many. */
static int take_rights(struct msghdr *msg, int fds[NET_RIGHTS_MAX]) {
  int count = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
      continue;
    size_t size = c->cmsg_len - CMSG_LEN(0), room = (NET_RIGHTS_MAX - (size_t)count) * sizeof *fds;
    size = size > room ? room : size; /* the buffer has no room for more */
    memcpy(fds + count, CMSG_DATA(c), size);
    count += (int)(size / sizeof *fds);
  }
  for (int i = 0; i < count; i++) {
#ifndef MSG_CMSG_CLOEXEC
    (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
#endif
    net_sys_own(fds[i]);
  }
  return count;
}

ssize_t net_sys_recv_rights(int fd, void *buf, size_t size, int fds[NET_RIGHTS_MAX], int *count) {
  union rights rights;
  struct iovec iov = { buf, size };
  struct msghdr msg = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = rights.bytes,
                        .msg_controllen = sizeof rights.bytes };
  ssize_t got;
  *count = 0;
  do
    got = recvmsg(fd, &msg, RECV_RIGHTS);
  while (got < 0 && errno == EINTR);
  if (got >= 0)
    *count = take_rights(&msg, fds);
  return moved(got);
}

ssize_t net_sys_send_rights(int fd, const void *bytes, size_t size, const int *fds, int count) {
  union rights rights;
  size_t len = (size_t)count * sizeof *fds;
  struct iovec iov = { (void *)(uintptr_t)bytes, size };
  struct msghdr msg = {
    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = CMSG_SPACE(len)
  };
  ssize_t put;
  memset(&rights, 0, sizeof rights);
  struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(c), fds, len);
  do
    put = sendmsg(fd, &msg, MSG_NOSIGNAL);
  while (put < 0 && errno == EINTR);
  return moved(put);
}

#ifdef HAVE_SENDFILE

/* -ENOTSUP for all ways to say: not here, not with such a descriptor, or (EPERM)
 * not in this sandbox. */
static int refusal(int err) {
  return err == EINVAL || err == ENOSYS || err == EPERM ? -ENOTSUP : -err;
}

#endif

#ifdef HAVE_SPLICE

int net_sys_pipe(size_t size, struct net_pipe *pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
    return -errno;
  *pipe = (struct net_pipe){ ends[0], ends[1], 0 };
  net_sys_own(pipe->reading);
  net_sys_own(pipe->writing);
  (void)fcntl(pipe->writing, F_SETPIPE_SZ, (int)size); /* refused past the user's share: fine */
  return 0;
}

static ssize_t splice_some(int from, int to, size_t size) {
  ssize_t n;
  do
    n = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t net_sys_splice_in(int fd, int pipe, size_t size) {
  ssize_t got = splice_some(fd, pipe, size);
  return got < 0 ? refusal(errno) : got;
}

ssize_t net_sys_splice_out(int pipe, int fd, size_t size) {
  struct sigpipe_guard guard;
  int err = sigpipe_block(&guard);
  if (err < 0)
    return err;
  ssize_t put = splice_some(pipe, fd, size);
  sigpipe_restore(&guard, put, size);
  return moved(put);
}

#else

int net_sys_pipe(size_t size, struct net_pipe *pipe) {
  (void)size, (void)pipe;
  return -ENOTSUP;
}

ssize_t net_sys_splice_in(int fd, int pipe, size_t size) {
  (void)fd, (void)pipe, (void)size;
  return -ENOTSUP;
}

ssize_t net_sys_splice_out(int pipe, int fd, size_t size) {
  (void)pipe, (void)fd, (void)size;
  return -ENOTSUP;
}

#endif

void net_sys_pipe_close(struct net_pipe *pipe) {
  net_sys_close(pipe->reading);
  net_sys_close(pipe->writing);
  *pipe = NET_NO_PIPE;
}

int net_sys_open(const char *path, int *fd) {
  do
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  while (*fd < 0 && errno == EINTR);
  net_sys_own(*fd);
  return *fd < 0 ? -errno : 0;
}

int net_sys_file_size(int fd, uint64_t *size) {
  struct stat st;
  if (fstat(fd, &st) < 0)
    return -errno;
  *size = (uint64_t)st.st_size;
  if (S_ISREG(st.st_mode))
    return 0;
  return S_ISDIR(st.st_mode) ? -EISDIR : -ESPIPE;
}

ssize_t net_sys_pread(int fd, void *buf, size_t size, uint64_t offset) {
  ssize_t got;
  do
    got = pread(fd, buf, size, (off_t)offset);
  while (got < 0 && errno == EINTR);
  return moved(got);
}

/* Of a Unix socket: how much of what it has sent is with the kernel, in units of its own. */
static int unread(int fd) {
#ifdef TIOCOUTQ
  int amount;
  return ioctl(fd, TIOCOUTQ, &amount) < 0 ? -errno : amount;
#else
  (void)fd;
  return -ENOTSUP;
#endif
}

/* Some systems have the call, and answer 0 whatever was read: asked of two sockets of ours. */
static int tells_unread(void) {
  int ends[2];
  int err = net_sys_pair(ends);
  if (err < 0)
    return err;
  int amount = net_sys_send(ends[0], "", 1) == 1 ? unread(ends[0]) : 0;
  net_sys_close(ends[0]);
  net_sys_close(ends[1]);
  return amount == 0 ? -ENOTSUP : amount;
}

int net_sys_is_read(int fd) {
  int amount = unread(fd);
  if (amount != 0)
    return amount < 0 ? amount : 0;
  int tells = tells_unread();
  return tells < 0 ? tells : 1;
}

#ifdef HAVE_SENDFILE

ssize_t net_sys_sendfile(int fd, int file, uint64_t offset, size_t size) {
  struct sigpipe_guard guard;
  off_t from = (off_t)offset;
  ssize_t put;
  int err = sigpipe_block(&guard);
  if (err < 0)
    return err;
  do
    put = sendfile(fd, file, &from, size);
  while (put < 0 && errno == EINTR);
  sigpipe_restore(&guard, put, size);
  return put < 0 ? refusal(errno) : put;
}

#else

ssize_t net_sys_sendfile(int fd, int file, uint64_t offset, size_t size) {
  (void)fd, (void)file, (void)offset, (void)size;
  return -ENOTSUP;
}

#endif
