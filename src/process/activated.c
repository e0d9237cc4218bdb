/* SPDX-License-Identifier: MIT
 *
 * activated.c - the sockets that this process was started with: socket activation.
 *
 * Who starts the program, systemd or one that does as it does, opens the sockets, and says
 * in three variables how many there are, from descriptor 3 on, what they are called, and
 * for which process. They are read when the core is opened, once: what the program starts
 * in its turn must neither take them for its own nor have the descriptors. Objects are
 * made of them when they are first asked for, by lua/net/internal/process/activated.lua;
 * until then they are just open, as a program that knows their numbers expects.
 *
 * A process that nobody activates pays one getenv(3). */
#include "process/activated.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/error.h"
#include "base/sys.h"

enum { FIRST = 3 }; /* descriptor; SD_LISTEN_FDS_START */

/* The decimal number that the text is; -1 for any other text, or none. */
static long number_of(const char *text) {
  char *end;
  if (text == NULL || *text < '0' || *text > '9')
    return -1;
  errno = 0;
  long n = strtol(text, &end, 10);
  return errno == 0 && *end == '\0' ? n : -1;
}

/* How many descriptors there are: no more than a process may have. */
static int count_of(const char *text) {
  long n = number_of(text), most = sysconf(_SC_OPEN_MAX);
  if (most < 0 || most > INT_MAX)
    most = INT_MAX;
  return n < 0 || most < FIRST ? 0 : (int)(n < most - FIRST ? n : most - FIRST);
}

/* Does a socket with this name have one? A Unix socket without is just its family. */
static int is_name(const struct net_addr *a) {
  return a->sa.ss_family == AF_UNIX ? a->len > offsetof(struct sockaddr, sa_data)
                                    : net_addr_port(a) > 0;
}

/* Has it a peer, or had one? Of one that the peer has reset only the end is left to read. */
static int is_connected(int fd) {
  struct net_addr a = { .len = sizeof a.sa };
  return net_sys_peername(fd, &a.sa, &a.len) == 0 || (!net_sys_listens(fd) && net_sys_has_news(fd));
}

/* descriptor_role(fd) -> "connected" or "bound", of a stream socket, which may listen; nil
 * of anything else */
static int core_role(lua_State *L) {
  struct net_addr a = { .len = sizeof a.sa };
  int fd = (int)luaL_checkinteger(L, 1);
  enum net_fd_kind kind = net_sys_kind(fd);
  if (kind != NET_FD_TCP && kind != NET_FD_UNIX)
    return 0;
  if (is_connected(fd))
    lua_pushliteral(L, "connected");
  else if (net_sys_sockname(fd, &a.sa, &a.len) == 0 && is_name(&a))
    lua_pushliteral(L, "bound");
  else
    return 0;
  return 1;
}

/* Pushes a list of those that are open, as 1 for the first descriptor, and has none of them
 * go on to a program that is started. [-0, +1, m] */
static void push_open(lua_State *L, int count) {
  lua_newtable(L);
  for (int i = 1, n = 0; i <= count; i++) {
    if (net_sys_cloexec(FIRST + i - 1) < 0)
      continue;
    lua_pushinteger(L, i);
    lua_rawseti(L, -2, ++n);
  }
}

void net_activated_open(lua_State *L) {
  lua_pushcfunction(L, core_role);
  lua_setfield(L, -2, "descriptor_role");
  if (number_of(getenv("LISTEN_PID")) != getpid())
    return;
  lua_createtable(L, 0, 2);
  push_open(L, count_of(getenv("LISTEN_FDS")));
  lua_setfield(L, -2, "open");
  lua_pushstring(L, getenv("LISTEN_FDNAMES")); /* nil for none */
  lua_setfield(L, -2, "names");
  lua_setfield(L, -2, "activated");
  (void)unsetenv("LISTEN_PID");
  (void)unsetenv("LISTEN_FDS");
  (void)unsetenv("LISTEN_FDNAMES");
}
