/* SPDX-License-Identifier: MIT
 *
 * urgent.c - a TCP client that can send urgent data, for socket_pump_spec.lua.
 *
 *     urgent PORT
 *
 * Does what its standard input says, and closes the connection at its end: a number is
 * that many bytes to send, of which each is its own place modulo 251; "!" is one urgent
 * byte, which has no place. Says "sent" after each. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void put(int fd, long count) {
  static unsigned char place;
  while (count-- > 0) {
    static unsigned char bytes[65536];
    static size_t held;
    bytes[held++] = place;
    place = (unsigned char)((place + 1) % 251);
    if ((held == sizeof bytes || count == 0) && send(fd, bytes, held, 0) != (ssize_t)held)
      exit(2);
    if (held == sizeof bytes || count == 0)
      held = 0;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_in addr = {.sin_family = AF_INET};
  char line[32];
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  addr.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : ""));
  addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
    return 1;
  while (fgets(line, sizeof line, stdin)) {
    if (*line != '!')
      put(fd, atol(line));
    else if (send(fd, "!", 1, MSG_OOB) != 1)
      return 2;
    puts("sent");
    fflush(stdout);
  }
  return 0;
}
