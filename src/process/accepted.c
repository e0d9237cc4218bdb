/* SPDX-License-Identifier: MIT
 *
 * accepted.c - connections that one process accepts and another one serves.
 *
 * An acceptor is a server that makes no sockets: it hands each descriptor, owned by a
 * userdata, to a function, and may be held, so that what waits stays with the kernel. How
 * it listens, and what it does when descriptors run out, is any server's (src/server/). At
 * the other end a server that listens without a descriptor is given what was accepted for
 * it. Who gets which connection, and how it travels, is Lua's: lua/net/internal/cluster/.
 *
 * Who hands out by how many connections a server has wants to know when some have gone, in
 * whichever way: as a socket, which may be another process's now, or while they wait for what a
 * proxy says of them. So a server is watched where it counts, and not by the events of sockets.
 *
 * Refused: an object of its own for the acceptor. Listening, the shortage of descriptors
 * and the files of Unix sockets would all have been there twice. */
#include "process/accepted.h"

#include <errno.h>
#include <lauxlib.h>

#include "base/container.h"
#include "base/sys.h"
#include "loop/loop.h"
#include "process/descriptor.h"
#include "server/server.h"

/* --- who accepts ---------------------------------------------------------------- */

/* Hands the connection to the acceptor's function; what that does not keep is closed when
 * it is collected. */
static void acceptor_hand_out(lua_State *L, int server, int *fd) {
  lua_getiuservalue(L, server, VAL_REMOTE);
  int *own = net_descriptor_new(L);
  *own = *fd;
  *fd = -1;
  lua_call(L, 1, 0);
}

/* new(fn) -> Server: fn(descriptor) is called for each connection, and there is no
 * 'connection', 'drop' or limit */
static int acceptor_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  net_accept_new(L, &net_server_class);
  net_server_check(L, -1)->raw = acceptor_hand_out;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, VAL_REMOTE);
  return 1;
}

/* hold(acceptor, boolean): accepts no more, or again */
static int acceptor_hold(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  if (s->fd >= 0)
    net_accept_hold(s, lua_toboolean(L, 2));
  return 0;
}

/* --- which have gone ------------------------------------------------------------ */

static const char watcher_key; /* registry: the function that is told */

static void tell_left(lua_State *L, const struct net_step *step) {
  struct net_server *s = net_server_check(L, 1);
  (void)step;
  s->flags &= ~(uint32_t)SERVER_LEFT;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &watcher_key);
  lua_insert(L, 1);
  lua_call(L, 1, 0);
}

/* As any server's; the tick that is not wanted for 'close' is ours. [-0, +0, m] */
static void watched_gone(lua_State *L, struct net_owner *owner) {
  struct net_server *s = net_container_of(owner, struct net_server, owner);
  net_accept_gone(L, owner);
  if (!net_server_listens(s) || s->flags & SERVER_LEFT)
    return;
  luaL_checkstack(L, 3, NULL);
  net_push(L, &s->o);
  net_tick_step(L, lua_gettop(L), &s->o, tell_left, 0);
  s->flags |= SERVER_LEFT;
  lua_pop(L, 1);
}

/* watch(server, fn): from now on fn(server) is called, on a tick, when connections of the
 * server have gone while it listens; there is one such function */
static int core_watch(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &watcher_key);
  s->owner.gone = watched_gone;
  return 0;
}

/* --- who serves ----------------------------------------------------------------- */

/* Is the descriptor what the server expects: a TCP or a Unix socket? */
static int fits(const struct net_server *s, int fd) {
  enum net_fd_kind kind = net_sys_kind(fd);
  return kind == (s->flags & SERVER_PIPE ? NET_FD_UNIX : NET_FD_TCP);
}

/* accepts(server, descriptor, drops) -> boolean: whether it would take the connection;
 * 'drops': also where that would only be to drop it, as there are too many */
static int core_accepts(lua_State *L) {
  const struct net_server *s = net_server_check(L, 1);
  int fd = *net_descriptor_check(L, 2);
  int room = lua_toboolean(L, 3) || s->connections < s->max_connections;
  lua_pushboolean(L, net_server_listens(s) && room && fits(s, fd));
  return 1;
}

/* deliver(server, descriptor): as if the server had accepted the connection. It is closed
 * where the server does not take it; an error of a listener comes out. */
static int core_deliver(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  int *fd = net_descriptor_check(L, 2);
  if (fits(s, *fd) && net_sys_unblock(*fd) == 0)
    net_accept_deliver(L, 1, fd);
  net_sys_close(net_descriptor_take(L, 2));
  return 0;
}

/* listen_descriptor(server, descriptor, backlog, path or nil) -> true | nil, errno, step
 * Listens on what another process has bound, at that path if it is a Unix socket. */
static int core_listen_descriptor(lua_State *L) {
  int *fd = net_descriptor_check(L, 2), backlog = (int)luaL_checkinteger(L, 3);
  lua_settop(L, 4);
  (void)net_sys_unblock(*fd);
  int results = net_listen_take(L, fd, backlog, 4);
  net_sys_close(net_descriptor_take(L, 2));
  return results;
}

void net_accepted_open(lua_State *L) {
  static const luaL_Reg acceptor[] = { { "new", acceptor_new },
                                       { "hold", acceptor_hold },
                                       { NULL, NULL } };
  static const luaL_Reg server[] = { { "accepts", core_accepts },
                                     { "deliver", core_deliver },
                                     { "listen_descriptor", core_listen_descriptor },
                                     { "watch", core_watch },
                                     { NULL, NULL } };
  luaL_newlib(L, acceptor);
  lua_setfield(L, -2, "acceptor");
  lua_getfield(L, -1, "server");
  luaL_setfuncs(L, server, 0);
  lua_pop(L, 1);
}
