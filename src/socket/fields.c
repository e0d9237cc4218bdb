/* SPDX-License-Identifier: MIT
 *
 * fields.c - the fields of net.Socket, computed from the stream.
 *
 * Nothing is stored that the stream's flags and counters tell, but the peer's
 * address: it is kept once read, since Node still shows it after the close, and of
 * a connection that was accepted from the start. */
#include "socket/fields.h"

#include <string.h>

#include "base/addr.h"
#include "connect/boundsocket.h"
#include "base/encoding.h"
#include "socket/proxied.h"
#include "stream/attempt.h"
#include "stream/peer.h"
#include "stream/stream.h"

static const struct net_stream *self(lua_State *L) {
  return net_object_check(L, 1, &net_stream_class);
}

static int push_boolean(lua_State *L, int value) {
  lua_pushboolean(L, value);
  return 1;
}

static int push_size(lua_State *L, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  return 1;
}

/* A field that is one bit of the stream's. */
#define FLAG_FIELD(name, bit)                                                                      \
  static int get_##name(lua_State *L) { return push_boolean(L, self(L)->bit); }
#define SIZE_FIELD(name, member)                                                                   \
  static int get_##name(lua_State *L) { return push_size(L, self(L)->member); }

FLAG_FIELD(connecting, life.connecting)
FLAG_FIELD(destroyed, life.destroyed)
FLAG_FIELD(readableEnded, life.end_emitted)
FLAG_FIELD(readableDidRead, life.data_emitted)
FLAG_FIELD(writableEnded, life.ending)
FLAG_FIELD(writableFinished, life.finished)
FLAG_FIELD(allowHalfOpen, opt.half_open)
SIZE_FIELD(bytesRead, bytes_read)
SIZE_FIELD(bytesWritten, bytes_written)
SIZE_FIELD(readableLength, in.len)
SIZE_FIELD(writableLength, req.len)
SIZE_FIELD(writableCorked, req.corked)

/* A mark beyond what a size can be is kept as a Lua number. */
static int push_mark(lua_State *L, size_t mark, int key) {
  if (mark < NET_MARK_MAX)
    return push_size(L, mark);
  net_rare_get(L, 1, key);
  return 1;
}

static int get_readableHighWaterMark(lua_State *L) {
  return push_mark(L, self(L)->in.hwm, SLOT_READ_MARK);
}

static int get_writableHighWaterMark(lua_State *L) {
  return push_mark(L, self(L)->req.hwm, SLOT_WRITE_MARK);
}

static int get_false(lua_State *L) { return push_boolean(L, 0); }

static int get_pending(lua_State *L) {
  const struct net_stream *s = self(L);
  return push_boolean(L, !s->life.handle || s->life.connecting || s->life.given);
}

/* Node's 'readable': neither ended nor destroyed; a failed write tells on the tick. */
static int can_read(const struct net_stream *s) {
  return !(s->opt.read_off || s->life.destroyed || s->life.end_emitted);
}

static int get_readable(lua_State *L) { return push_boolean(L, can_read(self(L))); }
static int get_writable(lua_State *L) { return push_boolean(L, net_writable_open(self(L))); }

static int get_readyState(lua_State *L) {
  static const char *const names[] = { "closed", "readOnly", "writeOnly", "open" };
  const struct net_stream *s = self(L);
  if (s->life.connecting)
    lua_pushliteral(L, "opening");
  else
    lua_pushstring(L, names[(can_read(s) ? 1 : 0) | (net_writable_open(s) ? 2 : 0)]);
  return 1;
}

static int get_readableFlowing(lua_State *L) {
  const struct net_stream *s = self(L);
  if (s->opt.flowing_set)
    lua_pushboolean(L, s->opt.flowing);
  else
    lua_pushnil(L);
  return 1;
}

static int get_readableAborted(lua_State *L) {
  const struct net_stream *s = self(L);
  return push_boolean(L, (s->life.destroyed || s->life.errored) &&
                           !(s->life.end_emitted || s->opt.read_off));
}

static int get_writableNeedDrain(lua_State *L) {
  const struct net_stream *s = self(L);
  return push_boolean(L, s->life.need_drain && !(s->life.destroyed || s->life.ending));
}

static int get_readableEncoding(lua_State *L) {
  const struct net_stream *s = self(L);
  if (net_rare_get(L, 1, SLOT_ENCODING) != LUA_TNIL || !s->opt.decoding)
    return 1;
  net_rare_get(L, 1, SLOT_DECODER);
  const struct net_decoder *d = lua_touserdata(L, -1);
  lua_pushstring(L, net_encoding_name((enum net_encoding)d->encoding));
  return 1;
}

static int get_bufferSize(lua_State *L) {
  const struct net_stream *s = self(L);
  if (s->life.handle && !s->life.given)
    return push_size(L, s->req.len);
  lua_pushnil(L);
  return 1;
}

static int get_errored(lua_State *L) {
  self(L);
  net_rare_get(L, 1, SLOT_ERRORED);
  return 1;
}

/* socket.server: the server that accepted it, or nil */
static int get_server(lua_State *L) {
  self(L);
  lua_getiuservalue(L, 1, VAL_SERVER);
  return 1;
}

/* socket:fd() -> the descriptor, -1 while there is no connection */
int net_fields_fd(lua_State *L) {
  const struct net_stream *s = self(L);
  lua_pushinteger(L, s->life.given ? -1 : net_stream_fd(s));
  return 1;
}

/* --- addresses -------------------------------------------------------------------- */

/* Pushes {address = path} for a stream that a BoundSocket gave a path. As in Node
 * it stays, even after the close. [-0, +(1|0), m] */
static int push_local_path(lua_State *L) {
  if (net_rare_get(L, 1, SLOT_BOUND) == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  net_boundsocket_push_path(L, -1);
  lua_remove(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "address");
  return 1;
}

static int has_addresses(const struct net_stream *s) {
  return s->watch.open && !s->life.given && net_stream_can(s, NET_CAN_ADDRESS);
}

/* The stream at index 1, or in its place the one that has taken its connection. [-0, +0, -] */
static const struct net_stream *holder(lua_State *L) {
  const struct net_stream *s = net_stream_at(L, 1);
  while (s->life.taken && net_rare_get(L, 1, SLOT_TO) == LUA_TUSERDATA) {
    lua_replace(L, 1);
    s = net_stream_at(L, 1);
  }
  return s;
}

/* Pushes our own address as a table, or nil: the kernel's word each time, of
 * the attempt while connecting; or that of the proxy before us. */
static void push_local(lua_State *L) {
  struct net_addr a = { .len = sizeof a.sa };
  self(L);
  if (push_local_path(L))
    return;
  const struct net_stream *s = holder(L);
  if (net_peer_get_local(L, 1, &a) ||
      (has_addresses(s) && net_sys_sockname(net_stream_fd(s), &a.sa, &a.len) == 0)) {
    net_addr_push_table(L, &a);
    return;
  }
  net_attempt_push(L, 1);
  if (lua_isnil(L, -1))
    return;
  lua_getfield(L, -1, "sockname");
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}

/* Pushes the peer's address as a table, or nil. */
static void push_remote(lua_State *L) {
  self(L);
  struct net_addr a = { .len = sizeof a.sa };
  if (net_rare_get(L, 1, SLOT_REMOTE) == LUA_TTABLE || !net_peer_get(L, 1, &a))
    return;
  lua_pop(L, 1);
  net_addr_push_table(L, &a);
  lua_pushvalue(L, -1);
  net_rare_set(L, 1, SLOT_REMOTE);
}

/* Field 'name' of the address table on the top; nil of what is none, as of a slot that waits. */
static int part(lua_State *L, const char *name) {
  if (lua_istable(L, -1))
    lua_getfield(L, -1, name);
  else
    lua_pushnil(L);
  return 1;
}

static int get_localAddress(lua_State *L) { return push_local(L), part(L, "address"); }
static int get_localPort(lua_State *L) { return push_local(L), part(L, "port"); }
static int get_localFamily(lua_State *L) { return push_local(L), part(L, "family"); }
static int get_remoteAddress(lua_State *L) { return push_remote(L), part(L, "address"); }
static int get_remotePort(lua_State *L) { return push_remote(L), part(L, "port"); }
static int get_remoteFamily(lua_State *L) { return push_remote(L), part(L, "family"); }

/* socket:address() -> {address, family, port}; {} without a TCP descriptor */
int net_fields_address(lua_State *L) {
  lua_settop(L, 1);
  push_local(L);
  if (!lua_istable(L, -1))
    lua_newtable(L);
  return 1;
}

/* --- setters ------------------------------------------------------------------------ */

static struct net_stream *own(lua_State *L) { return net_object_check(L, 1, &net_stream_class); }

static int set_allowHalfOpen(lua_State *L) {
  own(L)->opt.half_open = (unsigned)lua_toboolean(L, 2);
  return 0;
}

static int set_connecting(lua_State *L) {
  net_attempt_connecting(own(L), lua_toboolean(L, 2));
  return 0;
}

static int set_readableFlowing(lua_State *L) {
  struct net_stream *s = own(L);
  s->opt.flowing_set = !lua_isnil(L, 2);
  s->opt.flowing = (unsigned)lua_toboolean(L, 2);
  return 0;
}

static int set_server(lua_State *L) {
  own(L);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, VAL_SERVER);
  return 0;
}

/* readable, writable, destroyed have setters in Node for old streams' sake. */
static int set_ignored(lua_State *L) {
  own(L);
  return 0;
}

/* socket.timeout: a plain property in Node, and kept apart from the program's own, as
 * each look at an object that has those takes a look into their table. */
static int get_timeout(lua_State *L) {
  self(L);
  net_rare_get(L, 1, SLOT_TIMEOUT);
  return 1;
}

static int set_timeout(lua_State *L) {
  self(L);
  lua_settop(L, 2);
  net_rare_set(L, 1, SLOT_TIMEOUT);
  return 0;
}

const luaL_Reg net_socket_getters[] = {
  { "connecting", get_connecting },
  { "pending", get_pending },
  { "readyState", get_readyState },
  { "destroyed", get_destroyed },
  { "closed", get_destroyed },
  { "errored", get_errored },
  { "server", get_server },
  { "allowHalfOpen", get_allowHalfOpen },
  { "bytesRead", get_bytesRead },
  { "bytesWritten", get_bytesWritten },
  { "bufferSize", get_bufferSize },
  { "timeout", get_timeout },
  { "localAddress", get_localAddress },
  { "localPort", get_localPort },
  { "localFamily", get_localFamily },
  { "remoteAddress", get_remoteAddress },
  { "remotePort", get_remotePort },
  { "remoteFamily", get_remoteFamily },
  { "proxyHeader", net_proxied_get },
  { "readable", get_readable },
  { "readableAborted", get_readableAborted },
  { "readableDidRead", get_readableDidRead },
  { "readableEncoding", get_readableEncoding },
  { "readableEnded", get_readableEnded },
  { "readableFlowing", get_readableFlowing },
  { "readableHighWaterMark", get_readableHighWaterMark },
  { "readableLength", get_readableLength },
  { "readableObjectMode", get_false },
  { "writable", get_writable },
  { "writableCorked", get_writableCorked },
  { "writableEnded", get_writableEnded },
  { "writableFinished", get_writableFinished },
  { "writableHighWaterMark", get_writableHighWaterMark },
  { "writableLength", get_writableLength },
  { "writableNeedDrain", get_writableNeedDrain },
  { "writableObjectMode", get_false },
  { NULL, NULL },
};

const luaL_Reg net_socket_setters[] = {
  { "allowHalfOpen", set_allowHalfOpen },
  { "connecting", set_connecting },
  { "readableFlowing", set_readableFlowing },
  { "server", set_server },
  { "timeout", set_timeout },
  { "readable", set_ignored },
  { "writable", set_ignored },
  { "destroyed", set_ignored },
  { NULL, NULL },
};
