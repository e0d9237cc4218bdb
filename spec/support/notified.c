/* SPDX-License-Identifier: MIT
 *
 * notified.c - starts a program as a service manager does that wants to hear of it.
 *
 *     notified ADDRESS [deaf] -- PROGRAM [ARGUMENT ...]
 *
 * Binds a datagram socket to the address, a path, or a name behind "@", and sets
 * NOTIFY_SOCKET. When the program has ended, and all that it has left behind, its exit code
 * is ours, and what was told is printed behind its own output: one line a datagram, with "|"
 * for a line feed. Nothing is read where it is deaf. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
  int deaf = argc > 2 && strcmp(argv[2], "deaf") == 0, code = 72, fd = hears(argv[1]);
  char **program = argv + 3 + deaf;
  setenv("NOTIFY_SOCKET", argv[1], 1);
  prctl(PR_SET_CHILD_SUBREAPER, 1); /* what it leaves behind is ours, as it is systemd's */
  pid_t first = fork(), pid;
  if (first == 0) {
    execvp(*program, program);
    perror(*program);
    _exit(71);
  }
  signal(SIGTERM, SIG_IGN);
  for (;;) {
    struct pollfd news = { .fd = deaf ? -1 : fd, .events = POLLIN };
    int status;
    poll(&news, 1, 10); /* ms until it looks who has ended */
    if (!deaf)
      print_all(fd);
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
      if (pid == first)
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 72;
    if (pid < 0 && errno == ECHILD)
      break;
  }
  if (!deaf)
    print_all(fd);
  return code;
}
