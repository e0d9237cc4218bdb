/* SPDX-License-Identifier: MIT
 *
 * native.c - core.stream: how lua/net reaches a stream.
 *
 * Its functions take the socket first, and check no more than that it is one: what
 * else they get lua/net has made, or checked in Node's longer sentences. Options,
 * connecting and what is asked for once a connection is here; what programs call
 * themselves is socket.c's. */
#include <errno.h>

#include "base/encoding.h"
#include "base/error.h"
#include "stream/attempt.h"
#include "stream/memory.h"
#include "stream/pump.h"
#include "stream/sendfile.h"
#include "socket/socket.h"

/* new() -> a Socket without a handle */
static int core_new(lua_State *L) {
  net_stream_new(L, net_loop_get(L), &net_stream_class);
  return 1;
}

/* private(s) -> the table that lua/net keeps with the socket */
static int core_private(lua_State *L) {
  net_socket_check(L);
  if (net_rare_get(L, 1, SLOT_PRIVATE) == LUA_TTABLE)
    return 1;
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, -1);
  net_rare_set(L, 1, SLOT_PRIVATE);
  return 1;
}

/* empty(s): resumes it, as nobody reads it; where a task has it in its hands, when that is
 * over, as it may be between two reads */
static int core_empty(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  if (s->io.data == NULL || !net_stream_waiters(s)->via->empties(s))
    net_readable_resume(L, 1);
  return 0;
}

/* ends_at_once(s): the peer's end finishes it though a task has it in its hands: nobody
 * answers to what a child has said last, and its "close" waits for this one */
static int core_ends_at_once(lua_State *L) {
  net_socket_check(L)->opt.at_once = 1;
  return 0;
}

/* ended(s): nothing is to come any more, and "end" is told, by who calls this */
static int core_ended(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  s->life.eof = s->life.end_emitted = 1;
  return 0;
}

/* connecting(s, is_unix): it waits for a connection. One that is open would lose what it has, the
 * layers above its descriptor first: no path of ours leads there. */
static int core_connecting(lua_State *L) {
  if (net_socket_check(L)->watch.open)
    return luaL_error(L, "an open socket cannot connect");
  net_stream_connecting(L, 1, lua_toboolean(L, 2) ? NET_FD_UNIX : NET_FD_TCP);
  return 0;
}

/* dial(s, dial): of the attempt that is to come, closed by destroy() */
static int core_dial(lua_State *L) {
  net_socket_check(L);
  net_dial_check(L, 2);
  lua_settop(L, 2);
  net_attempt_set(L, 1);
  return 0;
}

/* dialing(s) -> the dial that waits for its answer, or nil */
static int core_dialing(lua_State *L) {
  net_socket_check(L);
  if (net_attempt_waits(L, 1))
    net_attempt_push(L, 1);
  else
    lua_pushnil(L);
  return 1;
}

/* adopted(s) -> the dial with the descriptor of a BoundSocket, if it still has it, or nil */
static int core_adopted(lua_State *L) {
  net_socket_check(L);
  const struct net_dial *d = net_attempt_dial(L, 1);
  if (d && net_dial_is_adopted(d) && net_dial_fd(d) >= 0)
    net_attempt_push(L, 1);
  else
    lua_pushnil(L);
  return 1;
}

/* undial(s, dial): closes it; it is not the socket's any more, if it was */
static int core_undial(lua_State *L) {
  net_socket_check(L);
  struct net_dial *d = net_dial_check(L, 2);
  if (net_attempt_dial(L, 1) == d)
    net_attempt_close(L, 1);
  else
    net_dial_close(d);
  return 0;
}

/* failed(s): its only attempt has, whose dial it keeps until destroy(), which is to follow */
static int core_failed(lua_State *L) {
  net_attempt_connecting(net_socket_check(L), 0);
  return 0;
}

/* connected(s): takes the descriptor of its dial; emits "connect" and "ready" */
static int core_connected(lua_State *L) {
  enum net_fd_kind kind;
  struct net_stream *s = net_socket_check(L);
  net_anchor(L, 1, &s->o); /* so that nothing raises while the descriptor is nobody's */
  int fd = net_attempt_take(L, 1, &kind);
  net_stream_connected(L, 1, fd, kind);
  return 0;
}

/* adopt(s, fd): a connected descriptor from outside -> true, or nil, errno; -EINVAL if the
 * system does not say what it is. Anchored first: nothing may raise between the mark that
 * it is ours and its owner. */
static int core_adopt(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  int fd = (int)luaL_checkinteger(L, 2), was_anchored = s->o.anchored;
  enum net_fd_kind kind = net_sys_kind(fd);
  net_anchor(L, 1, &s->o);
  int err = kind == NET_FD_OTHER ? -EINVAL : net_sys_adopt(fd);
  if (err == 0)
    net_stream_open_fd(L, 1, fd, kind);
  else if (!was_anchored)
    net_unanchor(L, &s->o);
  return net_push_result(L, err);
}

/* pair(a, b): joins two new sockets in memory */
static int core_pair(lua_State *L) {
  net_socket_check(L);
  net_object_check(L, 2, &net_stream_class);
  net_memory_join(L, 1, 2);
  return 0;
}

/* bind(s, bound) -> the dial with the descriptor of the BoundSocket, to connect by */
static int core_bind(lua_State *L) {
  net_socket_check(L);
  net_stream_bind(L, 1, 2);
  net_attempt_push(L, 1);
  return 1;
}

/* catch_up(s): what was asked while it waited for its connection, which it has now, is
 * done, without telling "connect" */
static int core_catch_up(lua_State *L) {
  net_socket_check(L);
  net_emit_internals(L, 1, ON_CONNECT);
  return 0;
}

/* begin(s): starts reading, unless paused */
static int core_begin(lua_State *L) {
  net_socket_check(L);
  net_stream_begin(L, 1);
  return 0;
}

/* touch(s): the idle timeout starts anew */
static int core_touch(lua_State *L) {
  net_stream_touch(net_socket_check(L));
  return 0;
}

/* timeout(s, ms): idle timeout, 0 for none */
static int core_timeout(lua_State *L) {
  net_socket_check(L);
  net_stream_set_timeout(L, 1, (uint64_t)luaL_checkinteger(L, 2));
  return 0;
}

static unsigned has_option(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  return (unsigned)lua_toboolean(L, -1);
}

/* limit(s, fn, ms): fn(s) in 'ms', and again, until it is destroyed or unlimit(s) */
static int core_limit(lua_State *L) {
  net_socket_check(L);
  lua_Integer ms = luaL_checkinteger(L, 3);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_argcheck(L, ms >= 1, 3, "must be at least 1");
  lua_settop(L, 2);
  net_stream_limit(L, 1, (uint64_t)ms);
  return 0;
}

static int core_unlimit(lua_State *L) {
  net_socket_check(L);
  net_stream_unlimit(L, 1);
  return 0;
}

/* options(s, {read_hwm, write_hwm, half_open, no_read, no_write, encoding}): at
 * creation; 'encoding' is the default of both sides */
static int core_options(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  if (lua_getfield(L, 2, "read_hwm") == LUA_TNUMBER)
    net_stream_set_mark(L, 1, SLOT_READ_MARK);
  if (lua_getfield(L, 2, "write_hwm") == LUA_TNUMBER)
    net_stream_set_mark(L, 1, SLOT_WRITE_MARK);
  if (lua_getfield(L, 2, "encoding") == LUA_TSTRING && lua_rawlen(L, -1) > 0)
    s->opt.encoding = s->opt.read_encoding = net_encoding_check(L, -1);
  s->opt.half_open |= has_option(L, "half_open");
  if (has_option(L, "no_read"))
    net_stream_never_reads(s);
  if (has_option(L, "no_write"))
    net_stream_never_writes(s);
  return 0;
}

/* encoding(s, name): field 'readableEncoding' until setEncoding is called */
static int core_encoding(lua_State *L) {
  net_socket_check(L);
  lua_settop(L, 2);
  net_rare_set(L, 1, SLOT_ENCODING);
  return 0;
}

/* onread(s, size or function, callback) */
static int core_onread(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  lua_settop(L, 3);
  net_rare_set(L, 1, SLOT_ONREAD);
  net_rare_set(L, 1, SLOT_ONREAD_BUF);
  s->opt.onread = 1;
  return 0;
}

/* Is there a descriptor that can do this? */
static int has(const struct net_stream *s, unsigned can) {
  return s->watch.open && net_stream_can(s, can);
}

/* nodelay(s, on): remembered before there is a descriptor */
static int core_nodelay(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  unsigned on = (unsigned)lua_toboolean(L, 2);
  if (s->opt.nodelay == on)
    return 0;
  s->opt.nodelay = on;
  if (!has(s, NET_CAN_NODELAY))
    return 0;
  return net_push_result(L, net_sys_nodelay(net_stream_fd(s), (int)on));
}

/* keepalive(s, on, idle, interval, count): seconds; nothing without a descriptor */
static int core_keepalive(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  if (!has(s, NET_CAN_KEEPALIVE))
    return 0;
  int idle = (int)luaL_optinteger(L, 3, 0);
  int interval = (int)luaL_optinteger(L, 4, 0);
  int count = (int)luaL_optinteger(L, 5, 0);
  return net_push_result(
    L, net_sys_keepalive(net_stream_fd(s), lua_toboolean(L, 2), idle, interval, count));
}

/* server_keepalive(s) -> the delay in seconds that its server gave it, or nil */
static int core_server_keepalive(lua_State *L) {
  const struct net_stream *s = net_socket_check(L);
  if (s->opt.keepalive)
    lua_pushinteger(L, s->accepted.keepalive_delay);
  else
    lua_pushnil(L);
  return 1;
}

/* set_tos(s, tos) -> true, or nil, errno */
static int core_set_tos(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  s->opt.tos = (unsigned char)luaL_checkinteger(L, 2);
  int has_it = has(s, NET_CAN_ADDRESS);
  return net_push_result(L, has_it ? net_sys_set_tos(net_stream_fd(s), s->opt.tos) : 0);
}

/* get_tos(s) -> tos, or nil, errno; what was asked for without a descriptor */
static int core_get_tos(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  int tos = s->opt.tos;
  int err = has(s, NET_CAN_ADDRESS) ? net_sys_get_tos(net_stream_fd(s), &tos) : 0;
  if (err < 0)
    return net_push_result(L, err);
  lua_pushinteger(L, tos);
  return 1;
}

/* sendfile(s, path or fd, offset, length or nil, callback or nil) -> as write(), or
 * nil, negative errno, what failed */
static int core_sendfile(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  const char *syscall = NULL;
  lua_settop(L, 5);
  lua_pushliteral(L, ""); /* what a refused write has in its place */
  if (net_writable_open(s)) {
    lua_pop(L, 1);
    int err = net_sendfile_push(L, 2, &syscall);
    if (err < 0) {
      net_push_result(L, err);
      lua_pushstring(L, syscall);
      return 3;
    }
  }
  lua_pushvalue(L, 5);
  net_writable_write(L, 1);
  return 1;
}

/* lost(s): what it has just told was lost for want of memory, and the stream fails
 * before it tells any more. [-0, +0, -] */
static int core_lost(lua_State *L) {
  net_socket_check(L)->life.gap = 1;
  return 0;
}

/* fd_type(fd) -> "TCP", "PIPE", "FILE", "TTY", "UDP" or "UNKNOWN" */
static int core_fd_type(lua_State *L) {
  lua_pushstring(L, net_sys_fd_type((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* is(v) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &net_stream_class) != NULL);
  return 1;
}

/* taken_by(s) -> the stream that has taken its connection, as TLS over it does, or a false
 * value; asked when both are closed, too */
static int core_taken_by(lua_State *L) {
  net_socket_check(L);
  net_rare_get(L, 1, SLOT_TO);
  return 1;
}

/* check_free(s): raises while a task waits for what arrives */
static int core_check_free(lua_State *L) {
  net_readable_check_free(L, net_socket_check(L));
  return 0;
}

static const luaL_Reg stream_functions[] = {
  { "new", core_new },
  { "is", core_is },
  { "private", core_private },
  { "empty", core_empty },
  { "ended", core_ended },
  { "ends_at_once", core_ends_at_once },
  { "connecting", core_connecting },
  { "dial", core_dial },
  { "dialing", core_dialing },
  { "adopted", core_adopted },
  { "undial", core_undial },
  { "failed", core_failed },
  { "connected", core_connected },
  { "adopt", core_adopt },
  { "pair", core_pair },
  { "bind", core_bind },
  { "begin", core_begin },
  { "catch_up", core_catch_up },
  { "touch", core_touch },
  { "timeout", core_timeout },
  { "limit", core_limit },
  { "unlimit", core_unlimit },
  { "options", core_options },
  { "encoding", core_encoding },
  { "onread", core_onread },
  { "nodelay", core_nodelay },
  { "keepalive", core_keepalive },
  { "server_keepalive", core_server_keepalive },
  { "set_tos", core_set_tos },
  { "get_tos", core_get_tos },
  { "sendfile", core_sendfile },
  { "lost", core_lost },
  { "taken_by", core_taken_by },
  { "check_free", core_check_free },
  { "fd_type", core_fd_type },
  { NULL, NULL },
};

void net_native_open(lua_State *L) {
  luaL_newlib(L, stream_functions);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&net_pump_written);
  lua_setfield(L, -2, "written");
  lua_setfield(L, -2, "stream");
}
