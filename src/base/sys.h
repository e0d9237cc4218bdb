/* SPDX-License-Identifier: MIT
 *
 * sys.h - system calls as the rest of the core wants them.
 *
 * Every call is EINTR-safe and returns 0 or -errno; results come back through
 * out-parameters, which are last. Descriptors are close-on-exec and
 * non-blocking from birth, and nothing here ever raises SIGPIPE. What moves bytes is
 * transfer.c, all else sys.c; the #ifdefs about the platform live there. No Lua in here. */
#ifndef NET_SYS_H
#define NET_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The kinds of descriptor a stream can sit on. */
enum net_fd_kind {
  NET_FD_TCP,  /* AF_INET or AF_INET6, SOCK_STREAM */
  NET_FD_UNIX, /* AF_UNIX, SOCK_STREAM */
  NET_FD_PIPE, /* FIFO or pipe(2): one direction, no socket calls */
  NET_FD_OTHER /* a file, a terminal, a datagram socket, not open at all */
};

/* Both ends of a kernel pipe that bytes are moved through. */
struct net_pipe {
  int reading, writing; /* owned; -1: none */
  size_t held;          /* bytes in it */
};
#define NET_NO_PIPE ((struct net_pipe){ -1, -1, 0 })

/* A new stream socket of 'family'. */
int net_sys_socket(int family, int *fd);
/* Closes; never retried, as the descriptor is gone even on EINTR. */
void net_sys_close(int fd);
/* Takes over a descriptor that came from outside: sets O_NONBLOCK and FD_CLOEXEC.
 * A failure leaves it open, and possibly with the first of the two set. -EEXIST:
 * it is ours already, as all are from here, net_sys_socket, net_sys_accept or
 * net_sys_dup to net_sys_close. */
int net_sys_adopt(int fd);
/* Sets FD_CLOEXEC alone. */
int net_sys_cloexec(int fd);
/* Sets O_NONBLOCK, for what came from another process. */
int net_sys_unblock(int fd);
/* It is ours from here on, if it is one; for transfer.c. */
void net_sys_own(int fd);
/* It is another's from here on, which does not close it by net_sys_close: the C library's. */
void net_sys_disown(int fd);
/* A duplicate, close-on-exec. */
int net_sys_dup(int fd, int *copy);
/* Both ends of a Unix stream socket. */
int net_sys_pair(int ends[2]);
/* Does it wait for connections? */
int net_sys_listens(int fd);
/* Is there something to read, the end included? Looks only. */
int net_sys_has_news(int fd);
/* Neither side can say any more: both have ended, or the connection is reset. */
int net_sys_is_hung_up(int fd);
/* How it was opened: O_RDONLY, O_WRONLY or O_RDWR, with O_APPEND or without. */
int net_sys_access(int fd, int *flags);
/* A descriptor that polls readable once the process has ended. -ENOTSUP, -ENOSYS, -EPERM
 * or others where the system gives none; *fd is -1 then. */
int net_sys_pidfd(pid_t pid, int *fd);
/* Clears O_NONBLOCK, for who reads and writes without a loop. */
int net_sys_set_blocking(int fd);
/* What 'fd' is; NET_FD_OTHER also for a closed descriptor. */
enum net_fd_kind net_sys_kind(int fd);

/* Node's word for what 'fd' is: TCP, PIPE (also a Unix socket), FILE, TTY, UDP,
 * UNKNOWN. */
const char *net_sys_fd_type(int fd);

int net_sys_bind(int fd, const struct sockaddr *sa, socklen_t len);
/* As net_sys_bind, to a path, whose file is its owner's alone from the beginning. */
int net_sys_bind_private(int fd, const struct sockaddr *sa, socklen_t len);
int net_sys_listen(int fd, int backlog);
/* One accept4(2). -EAGAIN when nobody waits; the other errors are the caller's policy. */
int net_sys_accept(int fd, struct sockaddr_storage *peer, socklen_t *len, int *conn);
/* Sends one datagram from a socket of its own, and does not wait: -EAGAIN when the other
 * end has no room. */
int net_sys_tell(const struct sockaddr *sa, socklen_t len, const void *bytes, size_t size);
/* Starts connecting: 0 done already, -EINPROGRESS under way, else failed. */
int net_sys_connect(int fd, const struct sockaddr *sa, socklen_t len);
/* Reads and clears SO_ERROR: 0, or the -errno of a failed connect. */
int net_sys_error(int fd);

/* What moves bytes returns how many, or a negative errno. */

/* One read of at most 'size' bytes, of a socket or of what is none; 0 at the end of the
 * stream. -EAGAIN when dry. */
ssize_t net_sys_recv(int fd, void *buf, size_t size);
ssize_t net_sys_read(int fd, void *buf, size_t size);
/* As net_sys_recv, and what it tells stays to be read. */
ssize_t net_sys_peek(int fd, void *buf, size_t size);
/* One write to a socket of as many of the 'size' bytes as the kernel takes now. -EAGAIN
 * when full. */
ssize_t net_sys_send(int fd, const void *bytes, size_t size);
/* As net_sys_send, of what 'iov' tells, or its first IOV_MAX parts. 'more' is to follow at
 * once: no packet for what does not fill one. */
ssize_t net_sys_sendv(int fd, struct iovec *iov, int count, int more);
/* As net_sys_sendv, to what is no socket. */
ssize_t net_sys_writev(int fd, struct iovec *iov, int count);
/* As net_sys_recv, from a Unix socket, and of the descriptors that came along the first
 * NET_RIGHTS_MAX; the kernel closes those that are more, or for which the process has no
 * room. They are ours, close-on-exec, and as blocking as whoever sent them has them. */
#define NET_RIGHTS_MAX 64
ssize_t net_sys_recv_rights(int fd, void *buf, size_t size, int fds[NET_RIGHTS_MAX], int *count);
/* Have the bytes that were sent by a Unix socket all been read? 1, 0, or -errno, -ENOTSUP where
 * the system does not tell. */
int net_sys_is_read(int fd);
/* As net_sys_send, to a Unix socket, and with the first byte go up to NET_RIGHTS_MAX
 * descriptors. */
ssize_t net_sys_send_rights(int fd, const void *bytes, size_t size, const int *fds, int count);
/* A kernel pipe with room for 'size' bytes, if the system grants so much, or nothing
 * done. -ENOTSUP where there is no splice(2). */
int net_sys_pipe(size_t size, struct net_pipe *pipe);
/* Closes it, if there is one; it is NET_NO_PIPE from here on. */
void net_sys_pipe_close(struct net_pipe *pipe);
/* Moves up to 'size' bytes from 'fd' into the kernel pipe, or out of it into 'fd',
 * without a copy. -EAGAIN when dry, or full; -ENOTSUP, of the former, where the system
 * has no such call, or not for such a descriptor. */
ssize_t net_sys_splice_in(int fd, int pipe, size_t size);
ssize_t net_sys_splice_out(int pipe, int fd, size_t size);
/* Opens a file to be read; never waits, not even for the other end of a FIFO. */
int net_sys_open(const char *path, int *fd);
/* How long the regular file is; -EISDIR, or -ESPIPE for what is no file. */
int net_sys_file_size(int fd, uint64_t *size);
/* One read at 'offset'; 0 at the end of the file. */
ssize_t net_sys_pread(int fd, void *buf, size_t size, uint64_t offset);
/* Sends up to 'size' bytes of a file from 'offset' on; 0 at the end of the file.
 * -EAGAIN when full; -ENOTSUP where the system has no call for it, or not for such a
 * file. */
ssize_t net_sys_sendfile(int fd, int file, uint64_t offset, size_t size);
/* shutdown(SHUT_WR) of a socket; ENOTCONN counts as success. */
int net_sys_shutdown(int fd);
/* SO_LINGER {on, 0 s}: the next close sends RST. */
int net_sys_linger_reset(int fd);

int net_sys_sockname(int fd, struct sockaddr_storage *sa, socklen_t *len);
int net_sys_peername(int fd, struct sockaddr_storage *sa, socklen_t *len);

/* Who is at the other end of a Unix socket, as of when it was connected or told to listen:
 * the effective user. */
int net_sys_peer_uid(int fd, uid_t *uid);

int net_sys_reuseaddr(int fd);
int net_sys_reuseport(int fd); /* -ENOTSUP where the system has none */
int net_sys_v6only(int fd, int on);
int net_sys_nodelay(int fd, int on);
/* Times in whole seconds, 'count' in probes; idle 0 leaves the three TCP_*
 * values alone, interval 0 or count 0 leaves that one alone. */
int net_sys_keepalive(int fd, int on, int idle, int interval, int count);
/* IP_TOS or IPV6_TCLASS by the socket's family (an IPv6 socket gets both, for
 * its IPv4-mapped peers); tos 0..255. */
int net_sys_set_tos(int fd, int tos);
int net_sys_get_tos(int fd, int *tos);
/* Which file it is, by device and inode; 'inode' 0: none. As long as a socket is open
 * the inode of the file that it was bound to is given to no other. */
struct net_file_id {
  uint64_t device, inode;
};

/* Notes which file stands at the path, if that is a socket. */
void net_sys_identify(const char *path, struct net_file_id *id);
/* Removes the file at the path if it is still that one, and forgets it. */
void net_sys_unlink_same(const char *path, struct net_file_id *id);
int net_sys_chmod(const char *path, mode_t mode);

/* The working directory, as a string. -ERANGE: its name does not fit. */
int net_sys_cwd(char *path, size_t size);

/* Milliseconds on the monotonic clock, from an arbitrary start. */
uint64_t net_sys_now_ms(void);

#endif
