/* SPDX-License-Identifier: MIT
 *
 * handles.c - sockets, servers and files on their way from one process to another.
 *
 * On this side a descriptor leaves its object (a socket, a BoundSocket) or is duplicated (a
 * server, a file, a socket that is kept); on the other an object is made of it. Either way
 * a Descriptor holds it in between. Which message it goes with, who has to hear of it and
 * in what order is for Lua: lua/net/internal/process/handles.lua.
 *
 * What came is described by whoever sent it, who may be wrong, or hostile: each maker looks
 * at what the descriptor is, and leaves one that does not fit to its Descriptor. */
#include "process/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "connect/boundsocket.h"
#include "process/descriptor.h"
#include "server/server.h"
#include "stream/give.h"

#define BACKLOG 511 /* connections; of what came bound, and not listening */

/* --- what there is to send ---------------------------------------------------- */

/* Lua's own files, the open ones. */
static int file_fd(lua_State *L, int idx) {
  const luaL_Stream *file = luaL_testudata(L, idx, LUA_FILEHANDLE);
  return file && file->closef ? fileno(file->f) : -1;
}

/* The word for a socket: "nothing" where there is no descriptor, "never" where what is
 * under it cannot travel. */
static const char *socket_state(const struct net_stream *s) {
  enum net_give state = net_give_state(s);
  return state == NET_GIVE_MAY ? "may" : state == NET_GIVE_NEVER ? "never" : "nothing";
}

/* kind(value) -> "net.Server", "net.Socket", "net.BoundSocket" or "file", and "may",
 * "nothing" (there is no descriptor) or "never"; nothing for any other value */
static int core_kind(lua_State *L) {
  const struct net_stream *stream = net_object_test(L, 1, &net_stream_class);
  const struct net_server *server = net_object_test(L, 1, &net_server_class);
  const struct net_boundsocket *bound = net_boundsocket_test(L, 1);
  if (stream) {
    lua_pushliteral(L, "net.Socket");
    lua_pushstring(L, socket_state(stream));
  } else if (server) {
    lua_pushliteral(L, "net.Server");
    lua_pushstring(L, server->fd >= 0 ? "may" : "nothing");
  } else if (bound) {
    lua_pushliteral(L, "net.BoundSocket");
    lua_pushstring(L, net_boundsocket_fd(bound) >= 0 ? "may" : "never");
  } else if (luaL_testudata(L, 1, LUA_FILEHANDLE)) {
    lua_pushliteral(L, "file");
    lua_pushstring(L, file_fd(L, 1) >= 0 ? "may" : "never");
  } else {
    return 0;
  }
  return 2;
}

/* The Descriptor on the top has a duplicate of 'fd', or the answer is nil and the errno. */
static int duplicate(lua_State *L, int *copy, int fd) {
  int err = net_sys_dup(fd, copy);
  return err < 0 ? net_push_result(L, err) : 1;
}

/* dup_server(server) -> descriptor, or nil and a negative errno */
static int core_dup_server(lua_State *L) {
  const struct net_server *s = net_server_check(L, 1);
  return duplicate(L, net_descriptor_new(L), s->fd);
}

/* keep_file(server): that at its path, if there is one, is not removed by it any more */
static int core_keep_file(lua_State *L) {
  net_server_keep_file(net_server_check(L, 1));
  return 0;
}

/* dup_socket(socket) -> descriptor, or nil and a negative errno */
static int core_dup_socket(lua_State *L) {
  const struct net_stream *s = net_object_check(L, 1, &net_stream_class);
  return duplicate(L, net_descriptor_new(L), net_stream_fd(s));
}

/* dup_file(file) -> descriptor and its mode, "r", "w", "a" or "r+", or nil and a negative
 * errno. What was written to it is in the file first. */
static int core_dup_file(lua_State *L) {
  luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int *copy = net_descriptor_new(L), flags = 0;
  int err = fflush(file->f) == 0 ? net_sys_dup(fileno(file->f), copy) : -errno;
  if (err == 0)
    err = net_sys_access(*copy, &flags);
  if (err < 0)
    return net_push_result(L, err);
  int access = flags & O_ACCMODE;
  lua_pushstring(L, access == O_RDONLY ? "r"
                    : access == O_RDWR ? "r+"
                    : flags & O_APPEND ? "a"
                                       : "w");
  return 2;
}

/* adopt(bound) -> descriptor: its own, which is gone from there */
static int core_adopt(lua_State *L) {
  struct net_file_id file;
  int family;
  struct net_boundsocket *b = net_boundsocket_check(L, 1);
  int *fd = net_descriptor_new(L);
  *fd = net_boundsocket_take(b, &family, &file);
  return 1;
}

/* give(socket): it is without a connection for the program, and silent, from here on */
static int core_give(lua_State *L) {
  net_object_check(L, 1, &net_stream_class);
  net_give_begin(L, 1);
  return 0;
}

/* take(socket) -> the descriptor of one that was given, or nil: something is unsent */
static int core_take(lua_State *L) {
  net_object_check(L, 1, &net_stream_class);
  int *fd = net_descriptor_new(L);
  *fd = net_give_take(L, 1);
  if (*fd < 0)
    lua_pushnil(L);
  return 1;
}

/* take_read(socket) -> the bytes that it had read and nobody has consumed, which it has
 * no more; nil if they were decoded, and not as UTF-8 */
static int core_take_read(lua_State *L) {
  net_object_check(L, 1, &net_stream_class);
  net_give_push_read(L, 1);
  return 1;
}

/* --- what came ------------------------------------------------------------------ */

/* nil and -EINVAL: it is not what it is said to be. */
static int does_not_fit(lua_State *L) { return net_push_result(L, -EINVAL); }

/* make_socket(descriptor) -> a Socket that is open, and not read yet; or nil, errno */
static int core_make_socket(lua_State *L) {
  int *fd = net_descriptor_check(L, 1);
  enum net_fd_kind kind = net_sys_kind(*fd);
  if (kind == NET_FD_OTHER)
    return does_not_fit(L);
  int err = net_sys_unblock(*fd);
  if (err < 0)
    return net_push_result(L, err);
  net_stream_new(L, net_loop_get(L), &net_stream_class);
  net_stream_open_fd(L, lua_gettop(L), *fd, kind);
  *fd = -1;
  return 1;
}

/* Has what was bound listen; what listens already keeps its backlog. */
static int listen_on(int fd) {
  int err = net_sys_unblock(fd);
  return err < 0 || net_sys_listens(fd) ? err : net_sys_listen(fd, BACKLOG);
}

/* make_server(descriptor) -> a Server that listens, and does not accept yet; or nil, errno */
static int core_make_server(lua_State *L) {
  int *fd = net_descriptor_check(L, 1);
  enum net_fd_kind kind = net_sys_kind(*fd);
  if (kind == NET_FD_OTHER || kind == NET_FD_PIPE)
    return does_not_fit(L);
  int err = listen_on(*fd);
  if (err < 0)
    return net_push_result(L, err);
  net_accept_new(L, &net_server_class);
  struct net_server *s = net_server_check(L, -1);
  net_anchor(L, -1, &s->o);
  s->flags |= kind == NET_FD_TCP ? 0 : SERVER_PIPE;
  s->fd = *fd;
  *fd = -1;
  return 1;
}

/* accept(server): one that was made here accepts from here on, unless it was closed */
static int core_accept(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  if (s->fd >= 0)
    net_server_start(s, s->fd, s->flags & SERVER_PIPE);
  return 0;
}

/* make_bound(descriptor) -> a BoundSocket; or nil, errno. One with a path has a file, which
 * is nobody's here: Node sends none. */
static int core_make_bound(lua_State *L) {
  struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
  socklen_t len = sizeof sa;
  int *fd = net_descriptor_check(L, 1);
  if (net_sys_kind(*fd) != NET_FD_TCP)
    return does_not_fit(L);
  int err = net_sys_unblock(*fd);
  if (err == 0)
    err = net_sys_sockname(*fd, &sa, &len);
  if (err < 0)
    return net_push_result(L, err);
  net_boundsocket_fill(net_boundsocket_new(L, sa.ss_family), *fd);
  *fd = -1;
  return 1;
}

static int close_file(lua_State *L) {
  luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(file->f) == 0, NULL);
}

/* make_file(descriptor, mode) -> a file of Lua's; or nil, errno */
static int core_make_file(lua_State *L) {
  int *fd = net_descriptor_check(L, 1);
  const char *mode = luaL_checkstring(L, 2);
  if (luaL_getmetatable(L, LUA_FILEHANDLE) != LUA_TTABLE)
    return does_not_fit(L); /* a Lua without io */
  luaL_Stream *file = lua_newuserdatauv(L, sizeof *file, 0);
  file->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  file->f = fdopen(*fd, mode);
  if (file->f == NULL)
    return net_push_result(L, -errno);
  file->closef = close_file;
  net_sys_disown(*fd);
  *fd = -1;
  return 1;
}

static const luaL_Reg functions[] = {
  { "kind", core_kind },
  { "dup_server", core_dup_server },
  { "keep_file", core_keep_file },
  { "dup_socket", core_dup_socket },
  { "dup_file", core_dup_file },
  { "adopt", core_adopt },
  { "give", core_give },
  { "take", core_take },
  { "take_read", core_take_read },
  { "make_socket", core_make_socket },
  { "make_server", core_make_server },
  { "accept", core_accept },
  { "make_bound", core_make_bound },
  { "make_file", core_make_file },
  { NULL, NULL },
};

void net_handles_open(lua_State *L) {
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "handles");
}
