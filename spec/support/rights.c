/* SPDX-License-Identifier: MIT
 *
 * rights.c - a Lua module for a foreign peer of a channel (peer.lua): bytes and descriptors
 * over a Unix socket, as any other program would move them, without a line of ours.
 *
 *     rights.send(fd, bytes [, list of numbers])   -- how many bytes, or nil and a negative errno
 *     rights.recv(fd)                              -- bytes ("" at the end) and a list of
 *                                                  -- numbers, or nil and a negative errno
 *     rights.wait(fd)                              -- until there is something, or the end
 *     rights.close(number)
 *     rights.deafen(fd)                            -- nobody can write to it any more
 *     rights.udp(), rights.file()                  -- numbers of what is no stream
 *     rights.limit(n)                              -- of descriptors; returns the one before */
#define _GNU_SOURCE 1 /* MSG_CMSG_CLOEXEC */

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX = 253 };

static int failed(lua_State *L) {
  lua_pushnil(L);
  lua_pushinteger(L, -errno);
  return 2;
}

static int rights_send(lua_State *L) {
  union {
    char bytes[CMSG_SPACE(MAX * sizeof(int))];
    struct cmsghdr align;
  } control;
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  struct iovec iov = { (void *)bytes, len };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
  int count = lua_istable(L, 3) ? (int)lua_rawlen(L, 3) : 0;
  memset(&control, 0, sizeof control);
  if (count > 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    for (int i = 0; i < count; i++) {
      lua_rawgeti(L, 3, i + 1);
      ((int *)CMSG_DATA(c))[i] = (int)lua_tointeger(L, -1);
      lua_pop(L, 1);
    }
  }
  ssize_t n = sendmsg((int)luaL_checkinteger(L, 1), &msg, MSG_NOSIGNAL);
  if (n < 0)
    return failed(L);
  lua_pushinteger(L, n);
  return 1;
}

static int rights_recv(lua_State *L) {
  union {
    char bytes[CMSG_SPACE(MAX * sizeof(int))];
    struct cmsghdr align;
  } control;
  static char bytes[65536];
  struct iovec iov = { bytes, sizeof bytes };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
  ssize_t n = recvmsg((int)luaL_checkinteger(L, 1), &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0)
    return failed(L);
  lua_pushlstring(L, bytes, (size_t)n);
  lua_newtable(L);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
    int count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < count; i++) {
      lua_pushinteger(L, ((int *)CMSG_DATA(c))[i]);
      lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
  }
  return 2;
}

static int rights_wait(lua_State *L) {
  struct pollfd poller = { .fd = (int)luaL_checkinteger(L, 1), .events = POLLIN };
  (void)poll(&poller, 1, -1);
  return 0;
}

static int rights_close(lua_State *L) {
  (void)close((int)luaL_checkinteger(L, 1));
  return 0;
}

static int rights_deafen(lua_State *L) {
  (void)shutdown((int)luaL_checkinteger(L, 1), SHUT_RD);
  return 0;
}

static int rights_udp(lua_State *L) {
  lua_pushinteger(L, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return 1;
}

static int rights_file(lua_State *L) {
  lua_pushinteger(L, open("README.md", O_RDONLY | O_CLOEXEC));
  return 1;
}

static int rights_limit(lua_State *L) {
  struct rlimit limit;
  (void)getrlimit(RLIMIT_NOFILE, &limit);
  lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
  limit.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? failed(L) : 1;
}

__attribute__((visibility("default"))) int luaopen_rights(lua_State *L);

int luaopen_rights(lua_State *L) {
  static const luaL_Reg functions[] = { { "send", rights_send },   { "recv", rights_recv },
                                        { "close", rights_close }, { "udp", rights_udp },
                                        { "wait", rights_wait },   { "deafen", rights_deafen },
                                        { "file", rights_file },   { "limit", rights_limit },
                                        { NULL, NULL } };
  luaL_newlib(L, functions);
  return 1;
}
