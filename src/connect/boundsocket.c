/* SPDX-License-Identifier: MIT
 *
 * boundsocket.c - net.BoundSocket: a descriptor that is bound, and nothing else yet.
 *
 * Owns the descriptor, and for a Unix socket the file, until a server (listen.c)
 * takes both over or a socket (open.c) the descriptor, or until it is closed. It
 * does no I/O and knows no loop; options and their checks are
 * lua/net/internal/address/boundsocket.lua's.
 *
 * A collected one closes its descriptor and removes its file, also when a socket
 * that has no finalizer of its own has used it. Node never
 * collects an open one, but does both when a program ends by itself, which here
 * is lua_close; process.exit() leaves the file, as os.exit does. */
#include "connect/boundsocket.h"

#include "base/addr.h"
#include "connect/bind.h"
#include "base/container.h"
#include "base/error.h"
#include "base/keep.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "base/sys.h"

enum { VAL_BOUND_PATH = VAL_OWN, BOUND_UVS = VAL_BOUND_PATH }; /* string, or nil for TCP */

struct net_boundsocket {
  struct net_object o;
  int fd;                  /* owned; -1 before it is bound, and when gone */
  int family;              /* AF_INET, AF_INET6, AF_UNIX */
  struct net_file_id file; /* at its path, to be removed by it; none: 'inode' is 0 */
  struct net_kept kept;
};

static const struct net_class net_boundsocket_class;

static struct net_boundsocket *bound_self(lua_State *L) {
  return net_object_check(L, 1, &net_boundsocket_class);
}

struct net_boundsocket *net_boundsocket_check(lua_State *L, int idx) {
  struct net_boundsocket *b = net_object_check(L, idx, &net_boundsocket_class);
  if (b->fd < 0)
    net_error_raise(L, "ERR_SOCKET_HANDLE_ADOPTED", 0);
  return b;
}

struct net_boundsocket *net_boundsocket_test(lua_State *L, int idx) {
  return net_object_test(L, idx, &net_boundsocket_class);
}

int net_boundsocket_fd(const struct net_boundsocket *b) { return b->fd; }

void net_boundsocket_fill(struct net_boundsocket *b, int fd) { b->fd = fd; }

void net_boundsocket_push_path(lua_State *L, int idx) { lua_getiuservalue(L, idx, VAL_BOUND_PATH); }

int net_boundsocket_lend(struct net_boundsocket *b, int *family) {
  int fd = b->fd;
  *family = b->family;
  b->fd = -1;
  return fd;
}

int net_boundsocket_take(struct net_boundsocket *b, int *family, struct net_file_id *file) {
  *file = b->file;
  b->file.inode = 0;
  return net_boundsocket_lend(b, family);
}

void net_boundsocket_remove_file(lua_State *L, int idx) {
  struct net_boundsocket *b = lua_touserdata(L, idx);
  if (b->file.inode == 0)
    return;
  net_boundsocket_push_path(L, idx);
  net_sys_unlink_same(lua_tostring(L, -1), &b->file);
  lua_pop(L, 1);
}

/* Closes the one at 1, if it is open, and removes its file. [-0, +0, -] */
static void bound_shut(lua_State *L, struct net_boundsocket *b) {
  if (b->fd < 0)
    return;
  net_boundsocket_remove_file(L, 1);
  net_sys_close(b->fd);
  b->fd = -1;
}

/* --- methods and fields ------------------------------------------------------ */

/* Pushes {address =, family =, port =}, or the path. [-0, +1, e] */
static void push_address(lua_State *L, const struct net_boundsocket *b) {
  struct net_addr a;
  if (b->family == AF_UNIX) {
    net_boundsocket_push_path(L, 1);
    return;
  }
  int err = net_sys_sockname(b->fd, &a.sa, &a.len);
  if (err < 0)
    net_error_raise_sys(L, err, "address");
  net_addr_push_table(L, &a);
}

/* bound:address() -> {address, family, port} | path */
static int bound_address(lua_State *L) {
  push_address(L, net_boundsocket_check(L, 1));
  return 1;
}

/* bound:fd() -> the descriptor, which stays its own */
static int bound_fd(lua_State *L) {
  lua_pushinteger(L, net_boundsocket_check(L, 1)->fd);
  return 1;
}

/* bound:close() */
static int bound_close(lua_State *L) {
  bound_shut(L, net_boundsocket_check(L, 1));
  return 0;
}

/* Leaving the scope of a <close> variable: as close, if there is something. */
static int bound_release(lua_State *L) {
  bound_shut(L, bound_self(L));
  return 0;
}

/* A file that it has lent goes too: whoever had it is collected as well. */
static int bound_gc(lua_State *L) {
  net_kept_drop(&bound_self(L)->kept);
  bound_shut(L, bound_self(L));
  net_boundsocket_remove_file(L, 1);
  return 0;
}

static int get_is_pipe(lua_State *L) {
  lua_pushboolean(L, bound_self(L)->family == AF_UNIX);
  return 1;
}

/* "BoundSocket 127.0.0.1:80", "BoundSocket /run/x", "BoundSocket @abstract" */
static int bound_tostring(lua_State *L) {
  const struct net_boundsocket *b = bound_self(L);
  struct net_addr a;
  if (b->fd < 0 || net_sys_sockname(b->fd, &a.sa, &a.len) < 0) {
    lua_pushliteral(L, "BoundSocket (adopted or closed)");
    return 1;
  }
  net_addr_push_host(L, &a);
  size_t len;
  const char *host = luaL_optlstring(L, -1, "", &len);
  int abstract = *host == '\0';
  if (b->family == AF_UNIX)
    lua_pushfstring(L, abstract ? "BoundSocket @%s" : "BoundSocket %s",
                    host + (abstract && len > 0));
  else
    lua_pushfstring(L, b->family == AF_INET6 ? "BoundSocket [%s]:%d" : "BoundSocket %s:%d", host,
                    net_addr_port(&a));
  return 1;
}

static const luaL_Reg bound_methods[] = {
  { "address", bound_address },
  { "fd", bound_fd },
  { "close", bound_close },
  { NULL, NULL },
};

static const luaL_Reg bound_getters[] = { { "isPipe", get_is_pipe }, { NULL, NULL } };

static const luaL_Reg bound_meta[] = {
  { "__tostring", bound_tostring },
  { "__close", bound_release },
  { "__gc", bound_gc },
  { NULL, NULL },
};

static const struct net_class net_boundsocket_class = {
  .name = "BoundSocket",
  .methods = bound_methods,
  .getters = bound_getters,
  .meta = bound_meta,
};

/* --- for lua/net/internal/address/boundsocket.lua ---------------------------------------------- */

/* Its file stays, as its path is gone with the Lua state. */
static void bound_end(struct net_kept *kept) {
  struct net_boundsocket *b = net_container_of(kept, struct net_boundsocket, kept);
  net_sys_close(b->fd);
  b->fd = -1;
}

struct net_boundsocket *net_boundsocket_new(lua_State *L, int family) {
  struct net_boundsocket *b =
    net_object_new(L, net_loop_get(L), &net_boundsocket_class, sizeof *b, BOUND_UVS);
  b->fd = -1;
  b->family = family;
  lua_getmetatable(L, -1);
  net_kept_guard(L);
  lua_pop(L, 1);
  net_keep(L, &b->kept, bound_end);
  return b;
}

/* Answers with the BoundSocket on the top, or nil and the errno. */
static int bound_result(lua_State *L, struct net_boundsocket *b, int err, int fd) {
  if (err < 0)
    return net_push_result(L, err);
  b->fd = fd;
  return 1;
}

/* tcp(ip, port, ipv6only, reuseport) -> BoundSocket, or nil and a negative errno */
static int core_tcp(lua_State *L) {
  struct net_addr a;
  size_t len;
  const char *ip = luaL_checklstring(L, 1, &len);
  int port = (int)luaL_checkinteger(L, 2), fd = -1;
  int flags =
    (lua_toboolean(L, 3) ? NET_BIND_V6ONLY : 0) | (lua_toboolean(L, 4) ? NET_BIND_REUSEPORT : 0);
  int err = net_addr_parse(ip, len, port, &a);
  struct net_boundsocket *b = net_boundsocket_new(L, err < 0 ? AF_UNSPEC : a.sa.ss_family);
  if (err == 0)
    err = net_bind_tcp(&a, flags, &fd);
  return bound_result(L, b, err, fd);
}

/* unix(path [, is_private]) -> BoundSocket, or nil and a negative errno; "" for any abstract
 * name; 'is_private': the file is its owner's alone */
static int core_unix(lua_State *L) {
  size_t len;
  const char *path = luaL_checklstring(L, 1, &len);
  int flags = lua_toboolean(L, 2) ? NET_BIND_PRIVATE : 0, fd = -1;
  struct net_boundsocket *b = net_boundsocket_new(L, AF_UNIX);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, VAL_BOUND_PATH);
  int err = net_bind_unix(path, len, flags, &fd, &b->file);
  return bound_result(L, b, err, fd);
}

/* adopt(fd) -> BoundSocket of a descriptor from outside that is bound, or nil and a negative
 * errno. The file at its path, if there is one, is not its own. */
static int core_adopt(lua_State *L) {
  struct net_addr a = { .len = sizeof a.sa };
  int fd = (int)luaL_checkinteger(L, 1);
  int err = net_sys_sockname(fd, &a.sa, &a.len);
  struct net_boundsocket *b = net_boundsocket_new(L, err < 0 ? AF_UNSPEC : a.sa.ss_family);
  if (b->family == AF_UNIX) {
    net_addr_push_host(L, &a);
    lua_setiuservalue(L, -2, VAL_BOUND_PATH);
  }
  if (err == 0)
    err = net_sys_adopt(fd);
  return bound_result(L, b, err, fd);
}

/* is_open(value) -> boolean: whether it is a BoundSocket, and not gone */
static int core_is_open(lua_State *L) {
  const struct net_boundsocket *b = net_object_test(L, 1, &net_boundsocket_class);
  lua_pushboolean(L, b && b->fd >= 0);
  return 1;
}

/* is(value) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &net_boundsocket_class) != NULL);
  return 1;
}

static const luaL_Reg bound_functions[] = {
  { "tcp", core_tcp },         { "unix", core_unix }, { "adopt", core_adopt },
  { "is_open", core_is_open }, { "is", core_is },     { NULL, NULL },
};

void net_boundsocket_open(lua_State *L) {
  net_class_open(L, &net_boundsocket_class, 0);
  lua_setfield(L, -2, "BoundSocket");
  luaL_newlib(L, bound_functions);
  lua_setfield(L, -2, "boundsocket");
}
