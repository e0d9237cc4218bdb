/* SPDX-License-Identifier: MIT
 *
 * notified.c - starts a program as a service manager does that wants to hear of it.
 *
 *     notified ADDRESS [deaf] -- PROGRAM [ARGUMENT ...]
 *
 * Binds a datagram socket to the address, a path, or a name behind "@", and sets
 * NOTIFY_SOCKET. When the program has ended, its exit code is ours, and what it has told
 * is printed behind its own output: one line a datagram, with "|" for a line feed. Nothing
 * is read where it is deaf. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int hears(const char *address) {
  struct sockaddr_un un = { .sun_family = AF_UNIX };
  size_t len = strlen(address);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  memcpy(un.sun_path, address, len);
  if (*address == '@')
    un.sun_path[0] = '\0';
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*address != '@'));
  if (bind(fd, (struct sockaddr *)&un, size) < 0) {
    perror("bind");
    exit(70);
  }
  return fd;
}

static void print_all(int fd) {
  char text[65536];
  ssize_t n;
  while ((n = recv(fd, text, sizeof text, MSG_DONTWAIT)) >= 0) {
    for (ssize_t i = 0; i < n; i++)
      putchar(text[i] == '\n' ? '|' : text[i]);
    putchar('\n');
  }
}

int main(int argc, char **argv) {
  int deaf = argc > 2 && strcmp(argv[2], "deaf") == 0, status = 0, fd = hears(argv[1]);
  char **program = argv + 3 + deaf;
  setenv("NOTIFY_SOCKET", argv[1], 1);
  pid_t pid = fork();
  if (pid == 0) {
    execvp(*program, program);
    perror(*program);
    _exit(71);
  }
  waitpid(pid, &status, 0);
  if (!deaf)
    print_all(fd);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 72;
}
