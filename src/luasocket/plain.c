/* SPDX-License-Identifier: MIT
 *
 * plain.c - a plain socket: a descriptor, and system calls that answer at once. See plain.h.
 *
 * Everything here gives nil and a negative errno where the system refuses, and raises only
 * for what no caller of ours passes, and for want of memory. Classes are metatables, which
 * Lua makes and changes; so what tells a plain socket from other userdata is in its memory.
 *
 * Refused: a net.Socket beneath. What LuaSocket promises is about the kernel: `send` tells
 * how many bytes it has, and nothing is read that nobody has asked for, so that a program
 * may hand the descriptor to somebody else. */
#include "luasocket/plain.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/container.h"
#include "base/error.h"
#include "base/sockopt.h"
#include "base/sys.h"
#include "loop/loop.h"

enum { VAL_STATE = 1 };

static const char magic; /* its address tells one */

struct net_plain *net_plain_test(lua_State *L, int idx) {
  struct net_plain *p = lua_touserdata(L, idx);
  int is_one = p && !lua_islightuserdata(L, idx) && lua_rawlen(L, idx) >= sizeof *p;
  return is_one && p->magic == &magic ? p : NULL;
}

struct net_plain *net_plain_check(lua_State *L, int idx) {
  struct net_plain *p = net_plain_test(L, idx);
  if (p == NULL)
    net_error_this(L, "LuaSocket");
  return p;
}

/* new(metatable, state) -> a plain socket without a descriptor */
static int plain_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  struct net_plain *p = lua_newuserdatauv(L, sizeof *p, VAL_STATE);
  *p = (struct net_plain){ .magic = &magic, .fd = -1 };
  net_list_init(&p->watchers);
  lua_insert(L, 2);
  lua_setiuservalue(L, 2, VAL_STATE);
  lua_insert(L, 1);
  lua_setmetatable(L, 1);
  return 1;
}

/* become(socket, metatable): it is of that class from here on */
static int plain_become(lua_State *L) {
  net_plain_check(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 0;
}

/* state(any) -> the table of a plain socket, or nil */
static int plain_state(lua_State *L) {
  if (net_plain_test(L, 1))
    lua_getiuservalue(L, 1, VAL_STATE);
  else
    lua_pushnil(L);
  return 1;
}

/* --- the descriptor --------------------------------------------------------------- */

static int family_of(lua_State *L, int idx) {
  static const char *const names[] = { "inet", "inet6", "unix", NULL };
  static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
  return families[luaL_checkoption(L, idx, NULL, names)];
}

/* Has nobody watch the descriptor any more: libev calls abort(3) for one that is closed.
 * Those who are 'told' look again. [-0, +0, e] */
static void leave(lua_State *L, struct net_plain *p, int told) {
  while (!net_list_is_empty(&p->watchers)) {
    struct net_plain_watcher *w =
      net_container_of(p->watchers.next, struct net_plain_watcher, link);
    w->gone(L, w, told);
  }
}

/* Never waits: what is to be lingered for is sent behind our back. A time of 0, which resets
 * the connection, stays. */
static void shut(struct net_plain *p) {
  int fd = p->fd, on, seconds;
  p->fd = -1;
  p->lost = 0;
  if (fd < 0)
    return;
  if (net_sockopt_get_linger(fd, &on, &seconds) == 0 && on && seconds > 0)
    (void)net_sockopt_set_linger(fd, 0, 0);
  net_sys_close(fd);
}

/* close(socket) */
static int plain_close(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  leave(L, p, 1);
  shut(p);
  return 0;
}

/* gc(any): the finalizer, of which a program may make use, too */
static int plain_gc(lua_State *L) {
  struct net_plain *p = net_plain_test(L, 1);
  if (p) {
    leave(L, p, 0);
    shut(p);
    net_ahead_free(&p->ahead);
  }
  return 0;
}

/* open(socket, family) -> true: "inet", "inet6", for which IPv4 is no part of, or "unix" */
static int plain_open(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  int fd = -1, family = family_of(L, 2);
  leave(L, p, 1);
  int err = net_sys_socket(family, &fd);
  if (err < 0)
    return net_push_result(L, err);
  shut(p);
  p->fd = fd;
  if (family == AF_INET6)
    (void)net_sys_v6only(fd, 1);
  return net_push_result(L, 0);
}

/* fd(socket) -> its descriptor, -1 for none */
static int plain_fd(lua_State *L) {
  lua_pushinteger(L, net_plain_check(L, 1)->fd);
  return 1;
}

/* set_fd(socket, number) -> true: has that one from here on; what it had is left open, for
 * whoever took it */
static int plain_set_fd(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  int fd = n < 0 ? -1 : (int)(n < INT_MAX ? n : INT_MAX); /* which no descriptor has */
  int err = fd >= 0 && fd != p->fd ? net_sys_adopt(fd) : 0;
  if (err < 0 && err != -EEXIST)
    return net_push_result(L, err);
  if (fd == p->fd)
    return net_push_result(L, 0);
  leave(L, p, 1);
  if (p->fd >= 0)
    net_sys_disown(p->fd);
  p->fd = fd;
  p->lost = 0;
  return net_push_result(L, 0);
}

/* --- addresses ------------------------------------------------------------------------ */

/* The address that the arguments from 'idx' on tell: an IP address and a port, or a path.
 * [-0, +0, e] */
static int address_at(lua_State *L, int idx, struct net_addr *a) {
  size_t len;
  const char *text = luaL_checklstring(L, idx, &len);
  if (lua_isnoneornil(L, idx + 1))
    return net_addr_unix(text, len, a);
  return net_addr_parse(text, len, (int)luaL_checkinteger(L, idx + 1), a);
}

/* bind(socket, address[, port]) -> true */
static int plain_bind(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  struct net_addr a;
  int err = address_at(L, 2, &a);
  if (err == 0)
    err = net_sys_bind(p->fd, (const struct sockaddr *)&a.sa, a.len);
  return net_push_result(L, err);
}

/* connect(socket, address[, port]) -> true; -EINPROGRESS: under way */
static int plain_connect(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  struct net_addr a;
  int err = address_at(L, 2, &a);
  if (err == 0)
    err = net_sys_connect(p->fd, (const struct sockaddr *)&a.sa, a.len);
  return net_push_result(L, err);
}

/* listen(socket, backlog) -> true */
static int plain_listen(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  return net_push_result(L, net_sys_listen(p->fd, (int)luaL_checkinteger(L, 2)));
}

/* accept(socket, other) -> true: other, which has no descriptor, has the connection */
static int plain_accept(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1), *other = net_plain_check(L, 2);
  struct net_addr peer;
  int conn = -1;
  int err = net_sys_accept(p->fd, &peer.sa, &peer.len, &conn);
  if (err == 0) {
    shut(other);
    other->fd = conn;
  }
  return net_push_result(L, err);
}

/* Pushes address, port and "inet" or "inet6", or a path. [-0, +n, m] */
static int push_name(lua_State *L, const struct net_addr *a) {
  if (net_addr_port(a) >= 0) {
    net_addr_push_host(L, a);
    lua_pushinteger(L, net_addr_port(a));
    lua_pushstring(L, a->sa.ss_family == AF_INET6 ? "inet6" : "inet");
    return 3;
  }
  net_addr_push_host(L, a);
  if (lua_isnil(L, -1))
    lua_pushliteral(L, "");
  return 1;
}

static int name_of(lua_State *L, int (*ask)(int, struct sockaddr_storage *, socklen_t *)) {
  struct net_plain *p = net_plain_check(L, 1);
  struct net_addr a;
  memset(&a, 0, sizeof a);
  int err = ask(p->fd, &a.sa, &a.len);
  return err < 0 ? net_push_result(L, err) : push_name(L, &a);
}

/* sockname(socket), peername(socket) -> address, port, family, or the path of a Unix socket */
static int plain_sockname(lua_State *L) { return name_of(L, net_sys_sockname); }
static int plain_peername(lua_State *L) { return name_of(L, net_sys_peername); }

/* --- bytes ---------------------------------------------------------------------------- */

/* recv(socket, most) -> bytes, "" at the end. What was read and could not be kept fails all
 * further calls, as there would be a hole. */
static int plain_recv(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  struct net_loop *loop = net_loop_get(L);
  lua_Integer most = luaL_checkinteger(L, 2);
  size_t size = most > 0 && most < NET_READ_SIZE ? (size_t)most : NET_READ_SIZE;
  ssize_t got = p->lost ? -ENOMEM : net_sys_recv(p->fd, loop->rbuf, size);
  if (got < 0)
    return net_push_result(L, (int)got);
  p->lost = got > 0;
  lua_pushlstring(L, loop->rbuf, (size_t)got);
  p->lost = 0;
  return 1;
}

/* send(socket, bytes, i, j) -> how many of bytes i to j the kernel has taken: one call */
static int plain_send(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  lua_Integer i = luaL_checkinteger(L, 3), j = luaL_checkinteger(L, 4);
  luaL_argcheck(L, i >= 1 && j <= (lua_Integer)len && i <= j + 1, 3, "out of range");
  ssize_t sent = net_sys_send(p->fd, bytes + i - 1, (size_t)(j - i + 1));
  if (sent < 0)
    return net_push_result(L, (int)sent);
  lua_pushinteger(L, sent);
  return 1;
}

/* shutdown(socket, half) -> true: "receive", "send" or "both" */
static int plain_shutdown(lua_State *L) {
  static const char *const names[] = { "receive", "send", "both", NULL };
  static const int halves[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };
  struct net_plain *p = net_plain_check(L, 1);
  return net_push_result(L,
                         net_sockopt_shutdown(p->fd, halves[luaL_checkoption(L, 2, NULL, names)]));
}

void net_plain_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "new", plain_new },
    { "become", plain_become },
    { "state", plain_state },
    { "close", plain_close },
    { "gc", plain_gc },
    { "open", plain_open },
    { "fd", plain_fd },
    { "set_fd", plain_set_fd },
    { "bind", plain_bind },
    { "connect", plain_connect },
    { "listen", plain_listen },
    { "accept", plain_accept },
    { "sockname", plain_sockname },
    { "peername", plain_peername },
    { "recv", plain_recv },
    { "send", plain_send },
    { "shutdown", plain_shutdown },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
}
