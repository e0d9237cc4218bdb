/* SPDX-License-Identifier: MIT
 *
 * sockopt.c - options of sockets by name, and what else only somebody needs who uses a
 * socket by hand. See sockopt.h.
 *
 * Refused: these calls in sys.c. What sockets and servers of this library use is there,
 * with a meaning of its own for each; here are the system's, as they are. */
#include "base/platform.h"

#include "base/sockopt.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#if !defined(TCP_KEEPIDLE) && defined(TCP_KEEPALIVE)
#define TCP_KEEPIDLE TCP_KEEPALIVE /* macOS */
#endif

enum { SET = NET_OPT_SET, BOTH = NET_OPT_SET | NET_OPT_GET, EVERYWHERE = BOTH | NET_OPT_UNIX };

static const struct net_sockopt options[] = {
  { "keepalive", SOL_SOCKET, SO_KEEPALIVE, NET_OPT_BOOLEAN, EVERYWHERE },
  { "reuseaddr", SOL_SOCKET, SO_REUSEADDR, NET_OPT_BOOLEAN, EVERYWHERE },
  { "linger", SOL_SOCKET, SO_LINGER, NET_OPT_LINGER, EVERYWHERE },
  { "error", SOL_SOCKET, SO_ERROR, NET_OPT_INTEGER, NET_OPT_GET },
  { "recv-buffer-size", SOL_SOCKET, SO_RCVBUF, NET_OPT_INTEGER, BOTH },
  { "send-buffer-size", SOL_SOCKET, SO_SNDBUF, NET_OPT_INTEGER, BOTH },
  { "tcp-nodelay", IPPROTO_TCP, TCP_NODELAY, NET_OPT_BOOLEAN, BOTH },
  { "ipv6-v6only", IPPROTO_IPV6, IPV6_V6ONLY, NET_OPT_BOOLEAN, SET },
#ifdef SO_REUSEPORT
  { "reuseport", SOL_SOCKET, SO_REUSEPORT, NET_OPT_BOOLEAN, BOTH },
#endif
#ifdef TCP_KEEPIDLE
  { "tcp-keepidle", IPPROTO_TCP, TCP_KEEPIDLE, NET_OPT_INTEGER, BOTH },
#endif
#ifdef TCP_KEEPCNT
  { "tcp-keepcnt", IPPROTO_TCP, TCP_KEEPCNT, NET_OPT_INTEGER, BOTH },
#endif
#ifdef TCP_KEEPINTVL
  { "tcp-keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, NET_OPT_INTEGER, BOTH },
#endif
#ifdef TCP_DEFER_ACCEPT
  { "tcp-defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT, NET_OPT_INTEGER, SET },
#endif
#ifdef TCP_FASTOPEN
  { "tcp-fastopen", IPPROTO_TCP, TCP_FASTOPEN, NET_OPT_INTEGER, SET },
#endif
#ifdef TCP_FASTOPEN_CONNECT
  { "tcp-fastopen-connect", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, NET_OPT_INTEGER, SET },
#endif
};

static int result(int rc) { return rc < 0 ? -errno : 0; }

const struct net_sockopt *net_sockopt_find(const char *name, int use) {
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (strcmp(options[i].name, name) == 0)
      return (options[i].uses & use) == use ? &options[i] : NULL;
  return NULL;
}

int net_sockopt_set(int fd, const struct net_sockopt *option, int value) {
  return result(setsockopt(fd, option->level, option->option, &value, sizeof value));
}

int net_sockopt_get(int fd, const struct net_sockopt *option, int *value) {
  socklen_t len = sizeof *value;
  *value = 0;
  return result(getsockopt(fd, option->level, option->option, value, &len));
}

int net_sockopt_set_linger(int fd, int on, int seconds) {
  struct linger linger = { .l_onoff = on, .l_linger = seconds };
  return result(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

int net_sockopt_get_linger(int fd, int *on, int *seconds) {
  struct linger linger = { 0 };
  socklen_t len = sizeof linger;
  int err = result(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
  *on = linger.l_onoff != 0;
  *seconds = linger.l_linger;
  return err;
}

int net_sockopt_shutdown(int fd, int how) { return result(shutdown(fd, how)); }

int net_sockopt_poll(struct pollfd *list, size_t count) {
  int rc;
  do
    rc = poll(list, (nfds_t)count, 0);
  while (rc < 0 && errno == EINTR);
  return result(rc);
}

double net_sockopt_time(void) {
  struct timespec now = { 0, 0 };
  (void)clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int64_t net_sockopt_now(void) {
  struct timespec now = { 0, 0 };
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int net_sockopt_hostname(char *name, size_t size) {
  int err = result(gethostname(name, size));
  if (err == 0 && memchr(name, '\0', size) == NULL)
    err = -ENAMETOOLONG;
  return err;
}

/* getservbyname(3) has one answer for all threads. */
int net_sockopt_service(const char *name, int *port) {
  struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found = NULL;
  int rc = getaddrinfo(NULL, name, &hints, &found);
  if (rc == 0)
    *port = ntohs(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_port);
  if (rc == 0)
    freeaddrinfo(found);
  return rc == 0 ? 0 : -ENOENT;
}

int net_sockopt_service_name(int port, char *name, size_t size) {
  struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
  const struct sockaddr *any = (const struct sockaddr *)&sa;
  int rc = getnameinfo(any, sizeof sa, NULL, 0, name, (socklen_t)size, 0);
  return rc == 0 ? 0 : -ENOENT;
}
