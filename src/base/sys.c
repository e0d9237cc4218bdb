/* SPDX-License-Identifier: MIT
 *
 * sys.c - system calls as the rest of the core wants them; those that move bytes are
 * transfer.c.
 *
 * These two know which Unix it is: whatever differs between them is settled there by
 * #ifdef, or in platform.h, so that only errname.c has some, too. Every function
 * may be called from any thread. The only state is a bit for each descriptor of
 * ours, since every one is born, adopted and closed here: a number that a user
 * hands in may be one that an object has already, and both would close it. Bits
 * are of the process, as descriptors are; a set in each loop, as libuv's, would
 * not see those of another Lua state.
 *
 * EINTR never leaves these files. Calls that may block are retried; connect and
 * close are not, as both have done their work when they say so. */
#include "base/platform.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if !defined(TCP_KEEPIDLE) && defined(TCP_KEEPALIVE)
#define TCP_KEEPIDLE TCP_KEEPALIVE /* macOS */
#endif

/* FreeBSD's plain SO_REUSEPORT does not spread connections, and on macOS,
 * NetBSD and OpenBSD it lets strangers take a port over; as in libuv, only
 * the ones that balance count. */
#if defined(SO_REUSEPORT_LB)
#define NET_REUSEPORT SO_REUSEPORT_LB
#elif defined(SO_REUSEPORT) && (defined(__linux__) || defined(__DragonFly__))
#define NET_REUSEPORT SO_REUSEPORT
#endif

/* Descriptors; whether one with a higher number is ours is not known. */
enum { OWNED_MAX = 1 << 20, OWNED_BITS = CHAR_BIT * sizeof(unsigned) };

static atomic_uint owned[OWNED_MAX / OWNED_BITS]; /* 128 KiB, touched as far as needed */

static int result(int rc) { return rc < 0 ? -errno : 0; }

static int set_int(int fd, int level, int option, int value) {
  return result(setsockopt(fd, level, option, &value, sizeof value));
}

static int get_int(int fd, int level, int option, int *value) {
  socklen_t len = sizeof *value;
  return result(getsockopt(fd, level, option, value, &len));
}

/* The address family, AF_UNSPEC for what is no socket. Unlike SO_DOMAIN,
 * getsockname tells it everywhere. */
static int family_of(int fd) {
  struct sockaddr_storage sa;
  socklen_t len = sizeof sa;
  sa.ss_family = AF_UNSPEC;
  return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 ? sa.ss_family : AF_UNSPEC;
}

void net_sys_own(int fd) {
  if (fd >= 0 && fd < OWNED_MAX)
    atomic_fetch_or_explicit(&owned[fd / OWNED_BITS], 1u << fd % OWNED_BITS, memory_order_relaxed);
}

void net_sys_disown(int fd) {
  if (fd < OWNED_MAX)
    atomic_fetch_and_explicit(&owned[fd / OWNED_BITS], ~(1u << fd % OWNED_BITS),
                              memory_order_relaxed);
}

static int is_owned(int fd) {
  if (fd < 0 || fd >= OWNED_MAX)
    return 0;
  unsigned bits = atomic_load_explicit(&owned[fd / OWNED_BITS], memory_order_relaxed);
  return bits >> fd % OWNED_BITS & 1;
}

int net_sys_cloexec(int fd) {
  int flags = fcntl(fd, F_GETFD);
  return result(flags < 0 ? flags : fcntl(fd, F_SETFD, flags | FD_CLOEXEC));
}

int net_sys_adopt(int fd) {
  if (is_owned(fd))
    return -EEXIST;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
    return -errno;
  flags = fcntl(fd, F_GETFD);
  if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
    return -errno;
#ifdef SO_NOSIGPIPE
  (void)set_int(fd, SOL_SOCKET, SO_NOSIGPIPE, 1); /* fails on pipes: fine */
#endif
  net_sys_own(fd);
  return 0;
}

int net_sys_unblock(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return -errno;
  return flags & O_NONBLOCK ? 0 : result(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

#ifndef HAVE_SOCK_FLAGS
/* Adopts what a system call just gave, or closes it. */
static int adopt_new(int fd) {
  int err = net_sys_adopt(fd);
  if (err < 0)
    net_sys_close(fd);
  return err;
}
#endif

int net_sys_socket(int family, int *fd) {
#ifdef HAVE_SOCK_FLAGS
  *fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  net_sys_own(*fd);
  return result(*fd);
#else
  *fd = socket(family, SOCK_STREAM, 0);
  return *fd < 0 ? -errno : adopt_new(*fd);
#endif
}

/* The bit goes first: another thread may be given the number at once. */
void net_sys_close(int fd) {
  if (fd < 0)
    return;
  net_sys_disown(fd);
  (void)close(fd);
}

int net_sys_dup(int fd, int *copy) {
  *copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  net_sys_own(*copy);
  return result(*copy);
}

int net_sys_pair(int ends[2]) {
#ifdef HAVE_SOCK_FLAGS
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
    return -errno;
  net_sys_own(ends[0]);
  net_sys_own(ends[1]);
  return 0;
#else
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
    return -errno;
  int err = adopt_new(ends[0]);
  if (err < 0) {
    (void)close(ends[1]);
    return err;
  }
  err = adopt_new(ends[1]);
  if (err < 0)
    net_sys_close(ends[0]);
  return err;
#endif
}

int net_sys_listens(int fd) {
  int listens = 0;
  return get_int(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens) == 0 && listens;
}

int net_sys_has_news(int fd) {
  struct pollfd p = { .fd = fd, .events = POLLIN };
  return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

int net_sys_is_hung_up(int fd) {
  struct pollfd p = { .fd = fd }; /* these two are told unasked */
  return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
}

int net_sys_access(int fd, int *flags) {
  *flags = fcntl(fd, F_GETFL);
  if (*flags < 0)
    return -errno;
  *flags &= O_ACCMODE | O_APPEND;
  return 0;
}

int net_sys_pidfd(pid_t pid, int *fd) {
#ifdef HAVE_PIDFD
  *fd = (int)syscall(SYS_pidfd_open, pid, 0);
  net_sys_own(*fd);
  return result(*fd);
#else
  (void)pid;
  *fd = -1;
  return -ENOTSUP;
#endif
}

int net_sys_set_blocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return result(flags < 0 ? flags : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK));
}

enum net_fd_kind net_sys_kind(int fd) {
  struct stat st;
  int type;
  if (fstat(fd, &st) < 0)
    return NET_FD_OTHER;
  if (S_ISFIFO(st.st_mode))
    return NET_FD_PIPE;
  if (get_int(fd, SOL_SOCKET, SO_TYPE, &type) < 0 || type != SOCK_STREAM)
    return NET_FD_OTHER;
  switch (family_of(fd)) {
    case AF_INET:
    case AF_INET6: return NET_FD_TCP;
    case AF_UNIX: return NET_FD_UNIX;
    default: return NET_FD_OTHER;
  }
}

const char *net_sys_fd_type(int fd) {
  static const char *const streams[] = { "TCP", "PIPE", "PIPE" };
  enum net_fd_kind kind = net_sys_kind(fd);
  struct stat st;
  if (kind != NET_FD_OTHER)
    return streams[kind];
  if (fstat(fd, &st) < 0)
    return "UNKNOWN";
  if (isatty(fd))
    return "TTY";
  if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
    return "FILE";
  return S_ISSOCK(st.st_mode) && family_of(fd) != AF_UNIX ? "UDP" : "UNKNOWN";
}

int net_sys_bind(int fd, const struct sockaddr *sa, socklen_t len) {
  return result(bind(fd, sa, len));
}

/* Only Linux gives the file the mode of the socket; elsewhere the mask is everybody's for a
 * moment. */
int net_sys_bind_private(int fd, const struct sockaddr *sa, socklen_t len) {
#if defined(__linux__) && !defined(NET_PORTABLE)
  return fchmod(fd, S_IRUSR | S_IWUSR) < 0 ? -errno : net_sys_bind(fd, sa, len);
#else
  mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
  int err = net_sys_bind(fd, sa, len);
  (void)umask(before);
  return err;
#endif
}

int net_sys_listen(int fd, int backlog) { return result(listen(fd, backlog)); }

int net_sys_accept(int fd, struct sockaddr_storage *peer, socklen_t *len, int *conn) {
  do {
    *len = sizeof *peer;
#ifdef HAVE_SOCK_FLAGS
    *conn = accept4(fd, (struct sockaddr *)peer, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    *conn = accept(fd, (struct sockaddr *)peer, len);
#endif
  } while (*conn < 0 && errno == EINTR);
#ifdef HAVE_SOCK_FLAGS
  net_sys_own(*conn);
  return result(*conn);
#else
  return *conn < 0 ? -errno : adopt_new(*conn);
#endif
}

int net_sys_connect(int fd, const struct sockaddr *sa, socklen_t len) {
  if (connect(fd, sa, len) == 0)
    return 0;
  /* connect(2): an interrupted attempt goes on by itself, a second call would
   * only say EALREADY. */
  return errno == EINTR ? -EINPROGRESS : -errno;
}

int net_sys_tell(const struct sockaddr *sa, socklen_t len, const void *bytes, size_t size) {
#ifdef HAVE_SOCK_FLAGS
  int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  int fd = socket(sa->sa_family, SOCK_DGRAM, 0);
#endif
  ssize_t sent;
  if (fd < 0)
    return -errno;
  do
    sent = sendto(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT, sa, len);
  while (sent < 0 && errno == EINTR);
  int err = sent < 0 ? -errno : 0;
  (void)close(fd);
  return err;
}

int net_sys_error(int fd) {
  int value = 0;
  int err = get_int(fd, SOL_SOCKET, SO_ERROR, &value);
  return err < 0 ? err : -value;
}

int net_sys_shutdown(int fd) {
  return shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN ? 0 : -errno;
}

int net_sys_linger_reset(int fd) {
  const struct linger now = { 1, 0 };
  return result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
}

int net_sys_sockname(int fd, struct sockaddr_storage *sa, socklen_t *len) {
  *len = sizeof *sa;
  return result(getsockname(fd, (struct sockaddr *)sa, len));
}

int net_sys_peername(int fd, struct sockaddr_storage *sa, socklen_t *len) {
  *len = sizeof *sa;
  return result(getpeername(fd, (struct sockaddr *)sa, len));
}

int net_sys_peer_uid(int fd, uid_t *uid) {
#ifdef SO_PEERCRED
#ifdef __OpenBSD__
  struct sockpeercred cred;
#else
  struct ucred cred;
#endif
  socklen_t len = sizeof cred;
  int err = result(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
  *uid = cred.uid;
  return err;
#elif defined(__sun)
  (void)fd, (void)uid;
  return -ENOTSUP;
#else
  gid_t gid;
  return result(getpeereid(fd, uid, &gid));
#endif
}

int net_sys_reuseaddr(int fd) { return set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1); }

int net_sys_reuseport(int fd) {
#ifdef NET_REUSEPORT
  return set_int(fd, SOL_SOCKET, NET_REUSEPORT, 1);
#else
  (void)fd;
  return -ENOTSUP;
#endif
}

int net_sys_v6only(int fd, int on) { return set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, on != 0); }

int net_sys_nodelay(int fd, int on) { return set_int(fd, IPPROTO_TCP, TCP_NODELAY, on != 0); }

/* The three times of an enabled keep-alive; systems without one of them keep
 * their own. */
static int keepalive_times(int fd, int idle, int interval, int count) {
  int err = 0;
#ifdef TCP_KEEPIDLE
  err = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
#endif
#ifdef TCP_KEEPINTVL
  if (err == 0 && interval != 0)
    err = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval);
#endif
#ifdef TCP_KEEPCNT
  if (err == 0 && count != 0)
    err = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, count);
#endif
  return err;
}

int net_sys_keepalive(int fd, int on, int idle, int interval, int count) {
  int err = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, on != 0);
  if (err < 0 || !on || idle == 0 || interval == 0 || count == 0)
    return err;
  return keepalive_times(fd, idle, interval, count);
}

int net_sys_set_tos(int fd, int tos) {
  int err;
  if (family_of(fd) != AF_INET6)
    return set_int(fd, IPPROTO_IP, IP_TOS, tos);
  err = set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
  if (err == 0) /* what an IPv4 peer of a dual-stack socket gets to see */
    (void)set_int(fd, IPPROTO_IP, IP_TOS, tos);
  return err;
}

int net_sys_get_tos(int fd, int *tos) {
  if (family_of(fd) == AF_INET6)
    return get_int(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
  return get_int(fd, IPPROTO_IP, IP_TOS, tos);
}

void net_sys_identify(const char *path, struct net_file_id *id) {
  struct stat st;
  id->device = id->inode = 0;
  if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
    return;
  id->device = (uint64_t)st.st_dev;
  id->inode = (uint64_t)st.st_ino;
}

void net_sys_unlink_same(const char *path, struct net_file_id *id) {
  struct net_file_id now;
  net_sys_identify(path, &now);
  if (id->inode != 0 && now.inode == id->inode && now.device == id->device)
    (void)unlink(path);
  id->inode = 0;
}

int net_sys_chmod(const char *path, mode_t mode) { return result(chmod(path, mode)); }

int net_sys_cwd(char *path, size_t size) { return getcwd(path, size) ? 0 : -errno; }

uint64_t net_sys_now_ms(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t); /* fails only for unknown clocks */
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
