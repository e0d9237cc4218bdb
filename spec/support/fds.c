/* SPDX-License-Identifier: MIT
 *
 * fds.c - runs a program that inherits descriptors of every kind, for the specs
 * of option fd: 10 and 11 are a pair of Unix sockets, 12 and 13 of TCP ones, 14
 * is a pipe's reading end and 15 its writing end, 16 a UDP socket, 17 a Unix
 * datagram socket, 18 a listening TCP socket, 19 a regular file, 20 a folder,
 * 21 a TCP socket that is not connected. 22 is closed. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int check(int result, const char *what) {
  if (result < 0) {
    perror(what);
    exit(1);
  }
  return result;
}

static void put(int fd, int at) {
  check(dup2(fd, at), "dup2");
  close(fd);
}

static void put_pair(const int pair[2], int at) {
  put(pair[0], at);
  put(pair[1], at + 1);
}

static void tcp_pair(int at) {
  struct sockaddr_in addr = {.sin_family = AF_INET};
  socklen_t len = sizeof addr;
  int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  int client = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(listener, (struct sockaddr *)&addr, sizeof addr), "bind");
  check(listen(listener, 1), "listen");
  check(getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
  check(connect(client, (struct sockaddr *)&addr, len), "connect");
  put(client, at);
  put(check(accept(listener, NULL, NULL), "accept"), at + 1);
  put(listener, 18);
}

int main(int argc, char **argv) {
  int pair[2];
  for (int fd = 3; fd < 32; fd++)
    close(fd);
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
  put_pair(pair, 10);
  tcp_pair(12);
  check(pipe(pair), "pipe");
  put_pair(pair, 14);
  put(check(socket(AF_INET, SOCK_DGRAM, 0), "socket"), 16);
  put(check(socket(AF_UNIX, SOCK_DGRAM, 0), "socket"), 17);
  put(check(open(argv[0], O_RDONLY), "open"), 19);
  put(check(open("/", O_RDONLY), "open"), 20);
  put(check(socket(AF_INET, SOCK_STREAM, 0), "socket"), 21);
  if (argc > 1)
    execvp(argv[1], argv + 1);
  perror("exec");
  return 1;
}
