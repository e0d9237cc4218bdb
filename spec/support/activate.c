/* SPDX-License-Identifier: MIT
 *
 * activate.c - starts a program with sockets, as systemd does: socket activation.
 *
 *     activate [-p PID] [-n COUNT] NAME=KIND ... -- PROGRAM [ARGUMENT ...]
 *
 * Opens one descriptor for each NAME=KIND, from 3 on, and runs the program in its place.
 * Kinds: tcp, tcp6, unix:PATH, @NAME listen; bound does not yet; client is a TCP socket that
 * is connected, reset one that was, pair and the next pair are both ends of a Unix one; plain is a socket without an
 * address, udp, dgram and pipe are what no stream is, closed is nothing. Where no name is
 * given for any, LISTEN_FDNAMES is not set. -p and -n have the variables say something else
 * than what is so. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int other = -1; /* the other end of the newest pair */

static int check(int result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
  return result;
}

static int on_ip(int family, int listens) {
  struct sockaddr_in in = { .sin_family = AF_INET };
  struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = check(socket(family, SOCK_STREAM, 0), "socket");
  check(family == AF_INET ? bind(fd, (struct sockaddr *)&in, sizeof in)
                          : bind(fd, (struct sockaddr *)&in6, sizeof in6), "bind");
  if (listens)
    check(listen(fd, 64), "listen");
  return fd;
}

static int on_path(const char *path, int abstract) {
  struct sockaddr_un un = { .sun_family = AF_UNIX };
  int fd = check(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
  size_t len = strlen(path);
  memcpy(un.sun_path + abstract, path, len);
  check(bind(fd, (struct sockaddr *)&un,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + len + !abstract)), "bind");
  check(listen(fd, 64), "listen");
  return fd;
}

static int client(int stays) {
  struct sockaddr_in in;
  socklen_t len = sizeof in;
  int server = on_ip(AF_INET, 1), fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  check(getsockname(server, (struct sockaddr *)&in, &len), "getsockname");
  check(connect(fd, (struct sockaddr *)&in, len), "connect");
  if (stays)
    check(fcntl(server, F_DUPFD, 200), "fcntl"); /* where the kernel has accepted it */
  close(server);
  return fd;
}

static int one_of_pair(void) {
  int ends[2], fd = other;
  other = -1;
  if (fd >= 0)
    return fd;
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
  other = fcntl(ends[1], F_DUPFD, 200);
  close(ends[1]);
  return ends[0];
}

static int reading_end(void) {
  int ends[2];
  check(pipe(ends), "pipe");
  return ends[0];
}

static int open_kind(const char *kind) {
  if (strcmp(kind, "tcp") == 0)
    return on_ip(AF_INET, 1);
  if (strcmp(kind, "tcp6") == 0)
    return on_ip(AF_INET6, 1);
  if (strcmp(kind, "bound") == 0)
    return on_ip(AF_INET, 0);
  if (strncmp(kind, "unix:", 5) == 0)
    return on_path(kind + 5, 0);
  if (*kind == '@')
    return on_path(kind + 1, 1);
  if (strcmp(kind, "client") == 0)
    return client(1);
  if (strcmp(kind, "reset") == 0)
    return client(0);
  if (strcmp(kind, "pair") == 0)
    return one_of_pair();
  if (strcmp(kind, "plain") == 0)
    return check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  if (strcmp(kind, "udp") == 0)
    return check(socket(AF_INET, SOCK_DGRAM, 0), "socket");
  if (strcmp(kind, "dgram") == 0)
    return check(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
  if (strcmp(kind, "pipe") == 0)
    return reading_end();
  return -1;
}

int main(int argc, char **argv) {
  char pid[32], count[32], names[4096] = "";
  const char *says_pid = pid, *says_count = count;
  int n = 0, named = 0, i = 1, closed[64], closed_count = 0;
  for (; i + 1 < argc && argv[i][0] == '-' && argv[i][1] != '-'; i += 2)
    *(argv[i][1] == 'p' ? &says_pid : &says_count) = argv[i + 1];
  for (int fd = 3; fd < 60; fd++)
    close(fd);
  for (int fd = 3; fd < 60; fd++) /* so that what a kind opens besides stays below */
    check(dup2(0, fd), "dup2");
  for (; i < argc && strcmp(argv[i], "--") != 0; i++, n++) {
    char *kind = strchr(argv[i], '=');
    *kind++ = '\0';
    int fd = open_kind(kind);
    if (fd >= 0) {
      check(dup2(fd, 3 + n), "dup2");
      close(fd);
    } else {
      closed[closed_count++] = 3 + n;
    }
    named |= *argv[i] != '\0';
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", n ? ":" : "", argv[i]);
  }
  for (int fd = 3 + n; fd < 200; fd++)
    close(fd);
  while (closed_count > 0)
    close(closed[--closed_count]);
  snprintf(pid, sizeof pid, "%d", getpid());
  snprintf(count, sizeof count, "%d", n);
  setenv("LISTEN_PID", says_pid, 1);
  setenv("LISTEN_FDS", says_count, 1);
  if (named)
    setenv("LISTEN_FDNAMES", names, 1);
  execvp(argv[i + 1], argv + i + 1);
  perror(argv[i + 1]);
  return 1;
}
