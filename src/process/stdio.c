/* SPDX-License-Identifier: MIT
 *
 * stdio.c - what lua/net/internal/process/stdio.lua needs of descriptors: of those that a
 * child is to have, and of ours at the other end. See stdio.h. */
#include "process/stdio.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/sys.h"
#include "process/descriptor.h"
#include "server/server.h"
#include "socket/socket.h"

/* open(socket, descriptor): the descriptor, a Unix socket's, is the socket's from here on;
 * nothing is read yet */
static int core_open(lua_State *L) {
  (void)net_socket_check(L);
  int *fd = net_descriptor_check(L, 2);
  net_stream_open_fd(L, 1, *fd, NET_FD_UNIX);
  *fd = -1;
  return 0;
}

/* blocking(descriptor) -> true, or nil and a negative errno */
static int core_blocking(lua_State *L) {
  return net_push_result(L, net_sys_set_blocking(*net_descriptor_check(L, 1)));
}

/* inode(descriptor) -> that of its socket as text, or nil and a negative errno */
static int core_inode(lua_State *L) {
  struct stat st;
  if (fstat(*net_descriptor_check(L, 1), &st) < 0)
    return net_push_result(L, -errno);
  lua_pushfstring(L, "%I", (LUAI_UACINT)st.st_ino);
  return 1;
}

/* fd(value) -> the number of a Socket's, a Server's or an open Lua file's descriptor; nil
 * for what has none */
static int core_fd(lua_State *L) {
  const struct net_stream *s = net_object_test(L, 1, &net_stream_class);
  const struct net_server *server = net_object_test(L, 1, &net_server_class);
  const luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
  int fd = s ? net_stream_fd(s) : server ? server->fd : file && file->closef ? fileno(file->f) : -1;
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
}

void net_stdio_open(lua_State *L) {
  static const luaL_Reg functions[] = { { "open", core_open },
                                        { "blocking", core_blocking },
                                        { "inode", core_inode },
                                        { "fd", core_fd },
                                        { NULL, NULL } };
  luaL_setfuncs(L, functions, 0);
}
