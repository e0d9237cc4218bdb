/* SPDX-License-Identifier: MIT
 *
 * handover.c - what it takes to hand a listening socket to another process at a path.
 *
 * Who is at the other end, files that a crash has left, and a server that goes on with a
 * socket that listens: what the two sides say to each other is for
 * lua/net/internal/process/handover.lua and takeover.lua. */
#include "process/handover.h"

#include <errno.h>
#include <lauxlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "process/descriptor.h"
#include "server/server.h"

/* may(descriptor) -> true if the user at its other end is ours, or root; or nil and a
 * negative errno, -EACCES for anybody else */
static int core_may(lua_State *L) {
  uid_t uid;
  int err = net_sys_peer_uid(*net_descriptor_check(L, 1), &uid);
  if (err == 0 && uid != geteuid() && uid != 0)
    err = -EACCES;
  return net_push_result(L, err);
}

/* listens(descriptor) -> boolean: whether it waits for connections */
static int core_listens(lua_State *L) {
  lua_pushboolean(L, net_sys_listens(*net_descriptor_check(L, 1)));
  return 1;
}

/* Has the server at 1 own the file at its path, which is at 3. [-0, +0, -] */
static void own_file(lua_State *L, struct net_server *s) {
  const char *path = lua_tostring(L, 3);
  if (path && *path && s->flags & SERVER_PIPE)
    net_sys_identify(path, &s->file);
}

/* listen(server, descriptor, path or nil) -> true | nil, errno, step. Goes on with what
 * listens; the file at the path is the server's from here on. */
static int core_listen(lua_State *L) {
  int *fd = net_descriptor_check(L, 2), results;
  lua_settop(L, 3);
  if (!net_sys_listens(*fd)) {
    net_push_result(L, -EINVAL);
    lua_pushliteral(L, "listen");
    results = 3;
  } else {
    (void)net_sys_unblock(*fd);
    results = net_listen_take(L, fd, NET_LISTENS_ALREADY, 3);
    if (results == 1)
      own_file(L, net_server_check(L, 1));
  }
  net_sys_close(net_descriptor_take(L, 2));
  return results;
}

/* remove_stale(path): if what is there is a socket, as one is that nobody listens to */
static int core_remove_stale(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct net_file_id file = { 0, 0 };
  net_sys_identify(path, &file);
  if (file.inode != 0)
    net_sys_unlink_same(path, &file);
  return 0;
}

void net_handover_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "may", core_may },
    { "listens", core_listens },
    { "listen", core_listen },
    { "remove_stale", core_remove_stale },
    { NULL, NULL },
  };
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "handover");
}
