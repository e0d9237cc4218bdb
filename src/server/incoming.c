/* SPDX-License-Identifier: MIT
 *
 * incoming.c - from a connection that this process has, or was given, to its socket and
 * 'connection'.
 *
 * Is it one too many, or of somebody whom the server blocks? If not, it becomes a socket with the
 * server's options, which are read from the C copies. Who accepts (accept.c), or waits for what a
 * proxy says of the client first (proxy.c), calls this in a protected call. */
#include "base/addr.h"
#include "address/blocklist.h"
#include "base/error.h"
#include "loop/loop.h"
#include "server/server.h"
#include "stream/peer.h"
#include "stream/stream.h"
#include "base/sys.h"

/* Sets address, family and port of one end in the table on the top. [-0, +0, m] */
static void drop_side(lua_State *L, const struct net_addr *a, const char *const keys[3]) {
  int port = net_addr_port(a);
  net_addr_push_host(L, a);
  lua_setfield(L, -2, keys[0]);
  net_addr_push_family(L, a);
  lua_setfield(L, -2, keys[1]);
  if (port >= 0) {
    lua_pushinteger(L, port);
    lua_setfield(L, -2, keys[2]);
  }
}

/* Emits 'drop' for a connection too many, and closes it. [-0, +0, e] */
static void server_drop(lua_State *L, int server, struct net_incoming *in) {
  static const char *const local[] = { "localAddress", "localFamily", "localPort" };
  static const char *const remote[] = { "remoteAddress", "remoteFamily", "remotePort" };
  struct net_addr own;
  int nargs = 0;
  if (!(in->server->flags & SERVER_PIPE) && net_has(&in->server->o, ON_DROP)) {
    if (net_sys_sockname(*in->fd, &own.sa, &own.len) < 0)
      own.len = 0;
    lua_createtable(L, 0, 6);
    drop_side(L, &own, local);
    drop_side(L, &in->peer, remote);
    nargs = 1;
  }
  net_emit(L, server, ON_DROP, nargs);
  net_sys_close(*in->fd);
  *in->fd = -1;
}

/* Asks the value on the top, no BlockList of ours, as one. [-1, +1, e] */
static void ask_block_list(lua_State *L, const struct net_addr *peer) {
  if (lua_type(L, -1) != LUA_TTABLE || lua_getfield(L, -1, "check") != LUA_TFUNCTION) {
    lua_pushliteral(L, "self.blockList.check is not a function");
    net_error_raise(L, "TypeError", 1);
  }
  lua_insert(L, -2);
  net_addr_push_host(L, peer);
  lua_pushstring(L, peer->sa.ss_family == AF_INET6 ? "ipv6" : "ipv4");
  lua_call(L, 3, 1);
}

/* Is that IP address on the server's blockList? [-0, +0, e] */
static int server_blocks(lua_State *L, int server, const struct net_addr *peer) {
  int top = lua_gettop(L), blocked;
  lua_getiuservalue(L, server, VAL_FIELDS);
  lua_getfield(L, -1, "blockList");
  const struct net_blocklist *list = net_blocklist_test(L, -1);
  if (list) {
    blocked = net_blocklist_blocks(list, (const struct sockaddr *)&peer->sa);
  } else {
    ask_block_list(L, peer);
    blocked = lua_toboolean(L, -1);
  }
  lua_settop(L, top);
  return blocked;
}

int net_incoming_refused(lua_State *L, int server, struct net_incoming *in) {
  const struct net_server *s = in->server;
  if (s->connections >= s->max_connections) {
    server_drop(L, server, in);
    return 1;
  }
  if (!(s->flags & SERVER_BLOCKS) || s->flags & SERVER_PIPE)
    return 0;
  if (net_addr_port(&in->peer) < 0)
    return 1; /* gone on its way here, and nobody knows who that was */
  return server_blocks(L, server, &in->peer);
}

int net_incoming_blocked(lua_State *L, int server, const struct net_server *s,
                         const struct net_addr *client) {
  return s->flags & SERVER_BLOCKS && net_addr_port(client) >= 0 && server_blocks(L, server, client);
}

/* Raises what Node's Socket constructor does. */
static void server_check_hwm(lua_State *L, int server, const struct net_server *s) {
  if (!(s->flags & SERVER_BAD_HWM))
    return;
  lua_pushliteral(L, "options.readableHighWaterMark");
  lua_getfield(L, server, "highWaterMark");
  net_error_raise(L, "ERR_INVALID_ARG_VALUE", 2);
}

/* Gives the socket on the top the server's mark, for both directions. */
static void server_mark(lua_State *L, int server, struct net_stream *c, size_t mark) {
  int socket = lua_gettop(L);
  c->in.hwm = c->req.hwm = mark;
  if (mark < NET_MARK_MAX)
    return;
  for (int key = SLOT_READ_MARK; key <= SLOT_WRITE_MARK; key++) {
    lua_getfield(L, server, "highWaterMark");
    net_stream_set_mark(L, socket, key);
  }
}

/* Sets the options of a TCP connection. As in Node a failure, of a connection
 * that is gone already, goes unnoticed. */
static void server_tune(const struct net_server *s, struct net_stream *c, int fd) {
  if (s->flags & SERVER_NODELAY) {
    (void)net_sys_nodelay(fd, 1);
    c->opt.nodelay = 1;
  }
  if (s->flags & SERVER_KEEPALIVE) {
    (void)net_sys_keepalive(fd, 1, s->keepalive_delay, 1, 10);
    c->opt.keepalive = 1;
    int delay = s->keepalive_delay < UINT16_MAX ? s->keepalive_delay : UINT16_MAX;
    c->accepted.keepalive_delay = (uint16_t)delay;
  }
}

/* Pushes the socket of the connection, opened and counted. [-0, +1, e] */
static void push_socket(lua_State *L, int server, struct net_incoming *in) {
  struct net_server *s = in->server;
  int pipe = !!(s->flags & SERVER_PIPE), fd = *in->fd;
  server_check_hwm(L, server, s);
  net_anchor(L, server, &s->o); /* a blockList of Lua may have closed it */
  struct net_stream *c = net_stream_new(L, s->o.loop, s->makes);
  int socket = lua_gettop(L);
  lua_pushvalue(L, server);
  lua_setiuservalue(L, socket, VAL_SERVER);
  server_mark(L, server, c, s->hwm);
  if (s->flags & SERVER_HALF_OPEN)
    c->opt.half_open = 1;
  if (!pipe)
    server_tune(s, c, fd);
  if (in->header)
    net_peer_keep_header(L, socket, &in->peer, in->bytes, in->header);
  else
    net_peer_keep(L, socket, &in->peer);
  net_stream_open_fd(L, socket, fd, pipe ? NET_FD_UNIX : NET_FD_TCP);
  *in->fd = -1;
  c->owner = &s->owner;
  s->connections++;
}

/* Starts reading, before anybody listens, unless the server is not to. [-0, +0, e] */
static void server_start_reading(lua_State *L, int socket, const struct net_server *s) {
  struct net_stream *c = net_stream_at(L, socket);
  if (s->flags & SERVER_PAUSE) {
    c->opt.flowing = 0;
    c->opt.flowing_set = c->opt.paused = 1;
    return;
  }
  net_readable_read(L, socket, 0);
  lua_pop(L, 1);
}

void net_incoming_tell(lua_State *L, int server, struct net_incoming *in) {
  const struct net_server *s = in->server;
  push_socket(L, server, in);
  if (in->settle)
    in->settle(L, in);
  int socket = lua_gettop(L);
  server_start_reading(L, socket, s);
  if (s->accepted)
    s->accepted(L, server, socket);
  else
    net_emit(L, server, ON_CONNECTION, 1);
}
