/* SPDX-License-Identifier: MIT
 *
 * listen.c - the ways to a listening descriptor, for lua/net/internal/server/server.lua.
 *
 * The forms of listen(), its checks, the look-up of hosts and the errors are
 * Lua's, which comes here with one address, path or descriptor. Each function
 * either has the server listening when it returns true, or leaves it as it was
 * and returns nil, the negative errno and the name of the step that failed.
 * Only a wrong argument, or a missing one, raises. */
#include <errno.h>
#include <limits.h>

#include "base/addr.h"
#include "connect/bind.h"
#include "connect/boundsocket.h"
#include "base/error.h"
#include "loop/loop.h"
#include "server/server.h"
#include "stream/attempt.h"
#include "stream/stream.h"
#include "base/sys.h"

/* The server at 1, anchored and ready to take a descriptor. [-0, +0, e] */
static struct net_server *server_prepare(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  if (s->flags & SERVER_DEAD || s->o.loop->ev == NULL)
    luaL_error(L, "net: the Lua state is closing");
  if (net_server_listens(s))
    net_error_raise(L, "ERR_SERVER_ALREADY_LISTEN", 0);
  net_anchor(L, 1, &s->o);
  return s;
}

/* The server at 1 could not listen: nil, negative errno, and which step failed. */
static int listen_failed(lua_State *L, struct net_server *s, int err, const char *step) {
  if (s->connections == 0)
    net_unanchor(L, &s->o);
  net_push_result(L, err);
  lua_pushstring(L, step);
  return 3;
}

/* Listens on 'fd', which is the server's now, or closed. Pushes the result. */
static int listen_on(lua_State *L, struct net_server *s, int fd, int backlog, unsigned flags) {
  int err = backlog == NET_LISTENS_ALREADY ? 0 : net_sys_listen(fd, backlog);
  if (err < 0) {
    net_server_remove_file(L, 1, s);
    net_sys_close(fd);
    return listen_failed(L, s, err, "listen");
  }
  net_server_start(s, fd, flags);
  lua_pushboolean(L, 1);
  return 1;
}

/* listen_tcp(server, ip, port, backlog, ipv6only, reuseport)
 * -> true | nil, errno, "bind" or "listen". As with libuv a port that is taken
 * counts as found by listen. */
static int core_listen_tcp(lua_State *L) {
  struct net_addr a;
  size_t len;
  const char *ip = luaL_checklstring(L, 2, &len);
  int port = (int)luaL_checkinteger(L, 3), backlog = (int)luaL_checkinteger(L, 4), fd = -1;
  int flags =
    (lua_toboolean(L, 5) ? NET_BIND_V6ONLY : 0) | (lua_toboolean(L, 6) ? NET_BIND_REUSEPORT : 0);
  struct net_server *s = server_prepare(L);
  int err = net_addr_parse(ip, len, port, &a);
  if (err == 0)
    err = net_bind_tcp(&a, flags, &fd);
  if (err < 0)
    return listen_failed(L, s, err, err == -EADDRINUSE ? "listen" : "bind");
  return listen_on(L, s, fd, backlog, 0);
}

/* The path at 2 becomes what address() says. [-0, +0, m] */
static void server_remember_path(lua_State *L) {
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, VAL_PATH);
}

/* Undoes a listen whose last step failed. */
static int listen_undone(lua_State *L, struct net_server *s, int err, const char *step) {
  net_server_close(L, 1, s);
  return listen_failed(L, s, err, step);
}

/* listen_unix(server, path, backlog [, mode])
 * -> true | nil, errno, "bind", "listen" or "chmod". 'mode' are permission
 * bits; nil leaves the file to the umask. */
static int core_listen_unix(lua_State *L) {
  size_t len;
  const char *path = luaL_checklstring(L, 2, &len);
  int backlog = (int)luaL_checkinteger(L, 3), fd = -1;
  int mode = (int)luaL_optinteger(L, 4, 0);
  struct net_server *s = server_prepare(L);
  server_remember_path(L);
  int err = net_bind_unix(path, len, 0, &fd, &s->file);
  if (err < 0)
    return listen_failed(L, s, err, "bind");
  int results = listen_on(L, s, fd, backlog, SERVER_PIPE);
  if (s->fd >= 0 && mode && (err = net_sys_chmod(path, (mode_t)mode)) < 0)
    return listen_undone(L, s, err, "chmod");
  return results;
}

/* listen_fd(server, fd, backlog [, path]) -> true | nil, errno, step
 * Takes the descriptor over once it is known for a stream's. With 'path', the
 * file that goes with it is removed on close. */
static int core_listen_fd(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 2);
  int backlog = (int)luaL_checkinteger(L, 3), fd = n >= 0 && n <= INT_MAX ? (int)n : -1;
  const char *path = luaL_optstring(L, 4, NULL);
  struct net_server *s = server_prepare(L);
  if (path) {
    lua_pushvalue(L, 4);
    lua_setiuservalue(L, 1, VAL_PATH);
  }
  enum net_fd_kind kind = net_sys_kind(fd);
  int err = kind == NET_FD_OTHER ? -EINVAL : net_sys_adopt(fd);
  if (err < 0)
    return listen_failed(L, s, err, "open");
  if (path && *path)
    net_sys_identify(path, &s->file);
  return listen_on(L, s, fd, backlog, kind == NET_FD_TCP ? 0 : SERVER_PIPE);
}

/* listen_bound(server, bound, backlog) -> true | nil, errno, step
 * Takes over what the BoundSocket has, which is lost if this fails. */
static int core_listen_bound(lua_State *L) {
  struct net_boundsocket *b = net_boundsocket_check(L, 2);
  int backlog = (int)luaL_checkinteger(L, 3), family;
  struct net_server *s = server_prepare(L);
  net_boundsocket_push_path(L, 2);
  unsigned flags = lua_isnil(L, -1) ? 0 : SERVER_PIPE;
  if (lua_rawlen(L, -1) > 0) {
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, VAL_PATH);
  }
  return listen_on(L, s, net_boundsocket_take(b, &family, &s->file), backlog, flags);
}

/* The descriptor of the attempt of the socket at 'idx', or of the one to come;
 * -1 where there is none. */
static int dial_of(lua_State *L, int idx) {
  const struct net_dial *d = net_attempt_dial(L, idx);
  return d ? net_dial_fd(d) : -1;
}

/* The descriptor of the server or socket at 'idx'; -1 where there is none. */
static int handle_of(lua_State *L, int idx) {
  struct net_server *server = net_object_test(L, idx, &net_server_class);
  struct net_stream *stream = net_object_test(L, idx, &net_stream_class);
  if (stream && !stream->watch.open)
    return dial_of(L, idx);
  return server ? server->fd : stream ? net_stream_fd(stream) : -1;
}

/* has_handle(value) -> boolean: whether listen_shared would have something */
static int core_has_handle(lua_State *L) {
  lua_pushboolean(L, handle_of(L, 1) >= 0);
  return 1;
}

/* The server at 1 listens at the path of the bound socket at 2, whose file goes when
 * that is collected: not before the server closes. [-0, +0, -] */
static void keep_file(lua_State *L, const struct net_server *s) {
  const struct net_stream *other = net_object_test(L, 2, &net_stream_class);
  if (s->fd < 0 || other == NULL || !other->watch.unlinks)
    return;
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, VAL_SHARED);
}

/* listen_shared(server, other, backlog) -> true | nil, errno, step
 * Listens on a duplicate of what 'other', a server or socket, has open. Node
 * lets both use one handle, and closes it under the one when the other is
 * closed. */
static int core_listen_shared(lua_State *L) {
  int fd = handle_of(L, 2), backlog = (int)luaL_checkinteger(L, 3), copy = -1;
  struct net_server *s = server_prepare(L);
  struct net_server *other = net_object_test(L, 2, &net_server_class);
  int err = net_sys_dup(fd, &copy);
  if (err < 0)
    return listen_failed(L, s, err, "open");
  if (other && other->flags & SERVER_PIPE) {
    lua_getiuservalue(L, 2, VAL_PATH);
    lua_setiuservalue(L, 1, VAL_PATH);
  }
  int pipe = net_sys_kind(copy) == NET_FD_TCP ? 0 : SERVER_PIPE;
  int results = listen_on(L, s, copy, backlog, (unsigned)pipe);
  keep_file(L, s);
  return results;
}

int net_listen_take(lua_State *L, int *fd, int backlog, int path) {
  enum net_fd_kind kind = net_sys_kind(*fd);
  struct net_server *s = server_prepare(L);
  lua_pushvalue(L, path);
  lua_setiuservalue(L, 1, VAL_PATH);
  if (kind != NET_FD_TCP && kind != NET_FD_UNIX)
    return listen_failed(L, s, -EINVAL, "listen");
  int own = *fd;
  *fd = -1;
  return listen_on(L, s, own, backlog, kind == NET_FD_TCP ? 0 : SERVER_PIPE);
}

/* Pushes the address at 2 and the port at 3 as VAL_REMOTE has them; 0 or -EINVAL. */
static int push_remote(lua_State *L, lua_Integer port) {
  struct net_addr a = { .len = 0 };
  size_t len;
  const char *ip = luaL_checklstring(L, 2, &len);
  int err = port > UINT16_MAX ? -EINVAL : net_addr_parse(ip, len, (int)port, &a);
  lua_pushlstring(L, (const char *)&a, sizeof a);
  return err;
}

/* listen_remote(server, ip, port), listen_remote(server, path or nil, -1)
 * -> true | nil, errno, step. Listens without a descriptor, at what another process says. */
static int core_listen_remote(lua_State *L) {
  lua_Integer port = luaL_checkinteger(L, 3);
  int pipe = port < 0;
  lua_settop(L, 3);
  int err = pipe ? 0 : push_remote(L, port);
  struct net_server *s = server_prepare(L);
  if (err < 0)
    return listen_failed(L, s, err, "bind");
  if (pipe)
    server_remember_path(L);
  else
    lua_setiuservalue(L, 1, VAL_REMOTE);
  net_server_start_remote(s, pipe ? SERVER_PIPE : 0);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg listen_functions[] = {
  { "listen_tcp", core_listen_tcp },       { "listen_unix", core_listen_unix },
  { "listen_fd", core_listen_fd },         { "listen_bound", core_listen_bound },
  { "listen_shared", core_listen_shared }, { "listen_remote", core_listen_remote },
  { "has_handle", core_has_handle },       { NULL, NULL },
};

void net_listen_open(lua_State *L) {
  lua_getfield(L, -1, "server");
  luaL_setfuncs(L, listen_functions, 0);
  lua_pop(L, 1);
}
