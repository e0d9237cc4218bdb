/* SPDX-License-Identifier: MIT
 *
 * socket.c - net.Socket: what Lua calls, thin over stream.c.
 *
 * Methods that touch the descriptor or run once a packet are here; the others
 * (connect, pipe, setKeepAlive, ...) and all argument checks that need Node's
 * longer sentences are lua/net/socket.lua's, which adds to the same tables. It
 * reaches the stream through the functions of core.stream, whose arguments it
 * has checked; they check no more than that the first is a socket.
 *
 * Fields are in fields.c. */
#include "socket.h"

#include <errno.h>

#include "dial.h"
#include "encoding.h"
#include "error.h"
#include "fields.h"
#include "finish.h"
#include "pump.h"
#include "readbuffer.h"
#include "sendfile.h"
#include "stream.h"

static struct net_stream *socket_check(lua_State *L) {
  return net_object_check(L, 1, &net_socket_class);
}

/* --- writing --------------------------------------------------------------------- */

/* The encoding named at 'idx', or the stream's default when nil or "". */
static enum net_encoding write_encoding(lua_State *L, int idx, const struct net_stream *s) {
  if (lua_isnoneornil(L, idx) || (lua_type(L, idx) == LUA_TSTRING && lua_rawlen(L, idx) == 0))
    return (enum net_encoding)s->encoding;
  size_t len = 0;
  const char *name = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : "";
  enum net_encoding e = net_encoding_of(name, len);
  if (e == NET_ENC_UNKNOWN) {
    lua_pushvalue(L, idx);
    net_error_raise(L, "ERR_UNKNOWN_ENCODING", 1);
  }
  return e;
}

/* Raises unless 2 is a chunk: 'given' tells a missing one from nil. */
static void check_chunk(lua_State *L, int given) {
  if (lua_type(L, 2) == LUA_TSTRING)
    return;
  if (given >= 2 && lua_isnil(L, 2))
    net_error_raise(L, "ERR_STREAM_NULL_VALUES", 0);
  net_error_arg_type(L, "chunk",
                     "of type string or an instance of Buffer, TypedArray, or DataView", 2);
}

/* Folds (chunk [, encoding] [, callback]) into the bytes at 2 and the callback
 * or nil at 3, the top. [-?, +?, e] */
static void fold_write(lua_State *L, const struct net_stream *s, int given) {
  enum net_encoding e = (enum net_encoding)s->encoding;
  lua_settop(L, 4);
  if (lua_type(L, 3) != LUA_TFUNCTION) {
    e = write_encoding(L, 3, s);
    if (lua_type(L, 4) != LUA_TFUNCTION) {
      lua_pushnil(L);
      lua_replace(L, 4);
    }
    lua_replace(L, 3);
  } else
    lua_pop(L, 1);
  check_chunk(L, given);
  if (e != NET_ENC_UTF8) {
    net_encoding_encode(L, 2, e);
    lua_replace(L, 2);
  }
}

/* socket:write(chunk [, encoding] [, callback]) -> boolean
 * False: writableHighWaterMark bytes or more are buffered; wait for "drain". */
static int socket_write(lua_State *L) {
  struct net_stream *s = socket_check(L);
  int given = lua_gettop(L);
  if (given == 2 && lua_type(L, 2) == LUA_TSTRING && s->encoding == NET_ENC_UTF8) {
    if (net_writable_write_small(L, 1, s)) {
      lua_pushboolean(L, 1);
      return 1;
    }
    lua_pushnil(L);
  } else
    fold_write(L, s, given);
  net_writable_write(L, 1);
  return 1;
}

/* socket:finish([chunk [, encoding]] [, callback]) -> socket */
static int socket_finish(lua_State *L) {
  struct net_stream *s = socket_check(L);
  lua_settop(L, 4);
  if (lua_type(L, 2) == LUA_TFUNCTION) {
    lua_pushnil(L);
    lua_insert(L, 2);  /* nil, callback */
    lua_settop(L, 3);
  } else if (!lua_isnil(L, 2)) {
    fold_write(L, s, 2);
  } else {
    if (lua_type(L, 3) != LUA_TFUNCTION)
      lua_remove(L, 3);
    lua_settop(L, 3);
  }
  net_finish(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* socket:cork() */
static int socket_cork(lua_State *L) {
  socket_check(L)->corked++;
  return 0;
}

/* socket:uncork() */
static int socket_uncork(lua_State *L) {
  socket_check(L);
  net_writable_uncork(L, 1);
  return 0;
}

/* socket:setDefaultEncoding(encoding) -> socket */
static int socket_set_default_encoding(lua_State *L) {
  struct net_stream *s = socket_check(L);
  size_t len = 0;
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : "";
  enum net_encoding e = net_encoding_of(name, len);
  lua_settop(L, 2);
  if (e == NET_ENC_UNKNOWN)
    return net_error_raise(L, "ERR_UNKNOWN_ENCODING", 1);
  s->encoding = (unsigned char)e;
  lua_settop(L, 1);
  return 1;
}

/* --- reading --------------------------------------------------------------------- */

/* The n of read(n): -1 where JavaScript sees no number in it. */
static lua_Integer read_amount(lua_State *L, int idx) {
  lua_Number n = lua_tonumber(L, idx);
  if (lua_type(L, idx) != LUA_TNUMBER || n - n != 0)  /* NaN and infinities */
    return -1;
  if (n <= 0)
    return 0;
  return n < (lua_Number)LUA_MAXINTEGER ? (lua_Integer)n : LUA_MAXINTEGER;
}

/* socket:read([n]) -> chunk or nil */
static int socket_read(lua_State *L) {
  socket_check(L);
  net_readable_read(L, 1, read_amount(L, 2));
  return 1;
}

/* The encoding of a text to unshift: named at 'idx', or option defaultEncoding's,
 * which setDefaultEncoding does not change. What is no text counts for "utf8". */
static enum net_encoding unshift_encoding(lua_State *L, int idx, const struct net_stream *s) {
  if (lua_isnil(L, idx) || (lua_type(L, idx) == LUA_TSTRING && lua_rawlen(L, idx) == 0))
    return (enum net_encoding)s->read_encoding;
  return lua_type(L, idx) == LUA_TSTRING ? write_encoding(L, idx, s) : NET_ENC_UTF8;
}

/* Makes of the text at 2, in encoding 'e', what reading is to give: its bytes, or
 * after setEncoding the text that stands for them. [-0, +0, m] */
static void unshift_recode(lua_State *L, const struct net_stream *s, enum net_encoding e) {
  struct net_decoder whole;
  size_t len;
  lua_settop(L, 2);
  if (s->decoding) {
    net_rare_get(L, 1, RARE_DECODER);
    net_decoder_init(&whole, ((struct net_decoder *)lua_touserdata(L, -1))->encoding);
    lua_pop(L, 1);
    if (whole.encoding == e)
      return;
  }
  net_encoding_encode(L, 2, e);
  lua_replace(L, 2);
  if (s->decoding) {
    const char *bytes = lua_tolstring(L, 2, &len);
    net_decoder_write(L, &whole, bytes, len);
    net_decoder_end(L, &whole);
    lua_concat(L, 2);
    lua_replace(L, 2);
  }
}

/* socket:unshift(chunk [, encoding]) -> boolean: whether more is wanted */
static int socket_unshift(lua_State *L) {
  struct net_stream *s = socket_check(L);
  lua_settop(L, 3);
  if (lua_type(L, 2) != LUA_TSTRING) {
    net_error_push_arg_type(L, "chunk",
                            "of type string or an instance of Buffer, TypedArray, or DataView", 2);
    net_stream_destroy(L, 1);
    lua_pushboolean(L, 0);
    return 1;
  }
  unshift_recode(L, s, unshift_encoding(L, 3, s));
  net_readable_unshift(L, 1);
  return 1;
}

/* socket:pause() -> socket */
static int socket_pause(lua_State *L) {
  struct net_stream *s = socket_check(L);
  if (s->onread && !(s->flags & S_CONNECTING))
    net_stream_poll(s, s->polled & ~EV_READ);
  net_readable_pause(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* socket:resume() -> socket */
static int socket_resume(lua_State *L) {
  struct net_stream *s = socket_check(L);
  if (s->onread && !(s->flags & (S_CONNECTING | S_EOF)))
    net_stream_poll(s, s->polled | EV_READ);
  net_readable_resume(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* socket:isPaused() -> boolean */
static int socket_is_paused(lua_State *L) {
  lua_pushboolean(L, net_readable_paused(socket_check(L)));
  return 1;
}

/* Pushes the text of what is buffered already, as one chunk. Where an encoding was
 * set before it is text, and stays as it is. [-0, +1, m] */
static void decode_buffered(lua_State *L, const struct net_stream *s, struct net_decoder *d) {
  size_t len;
  net_rb_peek(L, 1);
  if (s->decoding)
    return;
  const char *bytes = lua_tolstring(L, -1, &len);
  net_decoder_write(L, d, bytes, len);
  lua_remove(L, -2);
}

/* socket:setEncoding([encoding]) -> socket; nil and "" are "utf8" */
static int socket_set_encoding(lua_State *L) {
  struct net_stream *s = socket_check(L);
  enum net_encoding e = NET_ENC_UTF8;
  size_t len = 0;
  lua_settop(L, 2);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : "";
  if (len > 0 || lua_toboolean(L, 2))
    e = net_encoding_of(name, len);
  if (lua_type(L, 2) == LUA_TSTRING && len == 0)
    e = NET_ENC_UTF8;
  if (e == NET_ENC_UNKNOWN)
    return net_error_raise(L, "ERR_UNKNOWN_ENCODING", 1);
  struct net_decoder *d = lua_newuserdatauv(L, sizeof *d, 0);
  net_decoder_init(d, e);
  int buffered = s->read_len > 0;
  if (buffered) {
    decode_buffered(L, s, d);
    lua_insert(L, -2);
  }
  net_rare_set(L, 1, RARE_DECODER);
  s->decoding = 1;
  if (buffered)
    net_rb_replace(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* --- closing ----------------------------------------------------------------------- */

/* socket:destroy([err]) -> socket */
static int socket_destroy(lua_State *L) {
  socket_check(L);
  lua_settop(L, 2);
  net_stream_destroy(L, 1);
  lua_settop(L, 1);
  return 1;
}

static void destroy_step(lua_State *L, int idx) {
  lua_pushnil(L);
  net_stream_destroy(L, idx);
}

static const struct net_internal destroy_on_finish = {destroy_step};

/* socket:destroySoon(): destroy, once all that was written is sent */
static int socket_destroy_soon(lua_State *L) {
  struct net_stream *s = socket_check(L);
  if (net_writable_open(s)) {
    lua_pushnil(L);
    lua_pushnil(L);
    net_finish(L, 1);
  }
  if (s->flags & S_FINISHED)
    destroy_step(L, 1);
  else
    net_emitter_internal(L, 1, ON_FINISH, &destroy_on_finish);
  return 0;
}

static void reset_step(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (s->flags & S_DESTROYED)
    return;
  s->flags |= S_RESET;
  destroy_step(L, idx);
}

static const struct net_internal reset_on_connect = {reset_step};

/* socket:resetAndDestroy() -> socket: closes a TCP connection with RST */
static int socket_reset_and_destroy(lua_State *L) {
  struct net_stream *s = socket_check(L);
  lua_settop(L, 1);
  if (!(s->flags & S_HANDLE)) {
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
    net_stream_destroy(L, 1);
  } else if (s->kind != NET_FD_TCP) {
    return net_error_raise(L, "ERR_INVALID_HANDLE_TYPE", 0);
  } else if (s->flags & S_CONNECTING) {
    net_emitter_internal(L, 1, ON_CONNECT, &reset_on_connect);
  } else {
    reset_step(L, 1);
  }
  return 1;
}

/* --- the loop ------------------------------------------------------------------------ */

static void ref_step(lua_State *L, int idx) {
  net_stream_hold_loop(lua_touserdata(L, idx), 1);
}

static void unref_step(lua_State *L, int idx) {
  net_stream_hold_loop(lua_touserdata(L, idx), 0);
}

static const struct net_internal ref_on_connect = {ref_step};
static const struct net_internal unref_on_connect = {unref_step};

/* Without a handle the wish waits for 'connect', as in Node. */
static int hold_or_wait(lua_State *L, const struct net_internal *step) {
  struct net_stream *s = socket_check(L);
  lua_settop(L, 1);
  if (s->flags & S_HANDLE)
    step->run(L, 1);
  else
    net_emitter_internal(L, 1, ON_CONNECT, step);
  return 1;
}

/* socket:ref() -> socket */
static int socket_ref(lua_State *L) { return hold_or_wait(L, &ref_on_connect); }

/* socket:unref() -> socket */
static int socket_unref(lua_State *L) { return hold_or_wait(L, &unref_on_connect); }

static int socket_close(lua_State *L) {
  socket_check(L);
  lua_settop(L, 1);
  destroy_step(L, 1);
  return 0;
}

/* --- core.stream: for lua/net -------------------------------------------------------- */

/* Answers true, or nil and a negative errno. */
static int answer(lua_State *L, int err) {
  if (err == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushinteger(L, err);
  return 2;
}

/* socket() -> a Socket without a handle */
static int core_socket(lua_State *L) {
  net_stream_new(L, net_loop_get(L));
  return 1;
}

/* private(s) -> the table that lua/net keeps with the socket */
static int core_private(lua_State *L) {
  socket_check(L);
  if (net_rare_get(L, 1, RARE_PRIVATE) == LUA_TTABLE)
    return 1;
  lua_newtable(L);
  lua_pushvalue(L, -1);
  net_rare_set(L, 1, RARE_PRIVATE);
  return 1;
}

/* connecting(s, is_unix) */
static int core_connecting(lua_State *L) {
  socket_check(L);
  net_stream_connecting(L, 1, lua_toboolean(L, 2) ? NET_FD_UNIX : NET_FD_TCP);
  return 0;
}

/* dial(s, dial or nil): the attempt under way, closed by destroy() */
static int core_dial(lua_State *L) {
  struct net_stream *s = socket_check(L);
  lua_settop(L, 2);
  /* a finalizer may have destroyed it while the dial was made */
  net_stream_dialing(s, !lua_isnil(L, 2) && !(s->flags & S_DESTROYED));
  net_rare_set(L, 1, RARE_DIAL);
  return 0;
}

/* failed(s): its only attempt has, and destroy() is to follow */
static int core_failed(lua_State *L) {
  net_stream_failed(socket_check(L));
  return 0;
}

/* connected(s, dial): takes its descriptor; emits "connect" and "ready" */
static int core_connected(lua_State *L) {
  enum net_fd_kind kind;
  struct net_stream *s = socket_check(L);
  net_anchor(L, 1, &s->o);  /* so that nothing raises while the descriptor is nobody's */
  int fd = net_dial_take(net_dial_check(L, 2), &kind);
  lua_pushnil(L);
  net_rare_set(L, 1, RARE_DIAL);
  net_stream_dialing(s, 0);
  net_stream_connected(L, 1, fd, kind);
  return 0;
}

/* adopt(s, fd): a connected descriptor from outside -> true, or nil, errno */
static int core_adopt(lua_State *L) {
  socket_check(L);
  int fd = (int)luaL_checkinteger(L, 2);
  int err = net_stream_owns_fd(L, fd) ? -EEXIST : net_sys_adopt(fd);
  if (err == 0)
    net_stream_open(L, 1, fd, net_sys_kind(fd));
  return answer(L, err);
}

/* bind(s, bound) -> the dial with the descriptor of the BoundSocket, to connect by */
static int core_bind(lua_State *L) {
  socket_check(L);
  net_stream_bind(L, 1, 2);
  return 1;
}

/* begin(s): starts reading, unless paused */
static int core_begin(lua_State *L) {
  socket_check(L);
  net_stream_begin(L, 1);
  return 0;
}

/* touch(s): the idle timeout starts anew */
static int core_touch(lua_State *L) {
  net_stream_touch(socket_check(L));
  return 0;
}

/* timeout(s, ms): idle timeout, 0 for none */
static int core_timeout(lua_State *L) {
  socket_check(L);
  net_stream_set_timeout(L, 1, (uint64_t)luaL_checkinteger(L, 2));
  return 0;
}

/* options(s, {read_hwm, write_hwm, half_open, no_read, no_write, encoding}): at
 * creation; 'encoding' is the default of both sides */
static int core_options(lua_State *L) {
  static const struct { const char *name; uint32_t flag; } flags[] = {
    {"half_open", S_HALF_OPEN}, {"no_read", S_READ_OFF}, {"no_write", S_WRITE_OFF}
  };
  struct net_stream *s = socket_check(L);
  if (lua_getfield(L, 2, "read_hwm") == LUA_TNUMBER)
    s->read_hwm = (size_t)lua_tointeger(L, -1);
  if (lua_getfield(L, 2, "write_hwm") == LUA_TNUMBER)
    s->write_hwm = (size_t)lua_tointeger(L, -1);
  if (lua_getfield(L, 2, "encoding") == LUA_TSTRING)
    s->encoding = s->read_encoding = (unsigned char)write_encoding(L, -1, s);
  for (int i = 0; i < 3; i++) {
    lua_getfield(L, 2, flags[i].name);
    if (lua_toboolean(L, -1))
      s->flags |= flags[i].flag;
  }
  return 0;
}

/* onread(s, size or function, callback) */
static int core_onread(lua_State *L) {
  struct net_stream *s = socket_check(L);
  lua_settop(L, 3);
  net_rare_set(L, 1, RARE_ONREAD);
  net_rare_set(L, 1, RARE_ONREAD_BUF);
  s->onread = 1;
  return 0;
}

/* nodelay(s, on): remembered before there is a descriptor */
static int core_nodelay(lua_State *L) {
  struct net_stream *s = socket_check(L);
  uint32_t on = lua_toboolean(L, 2) ? S_NODELAY : 0;
  if ((s->flags & S_NODELAY) == on)
    return 0;
  s->flags ^= S_NODELAY;
  return s->fd >= 0 && s->kind == NET_FD_TCP ? answer(L, net_sys_nodelay(s->fd, on != 0)) : 0;
}

/* keepalive(s, on, idle, interval, count): seconds; nothing without a descriptor */
static int core_keepalive(lua_State *L) {
  struct net_stream *s = socket_check(L);
  if (s->fd < 0 || s->kind != NET_FD_TCP)
    return 0;
  return answer(L, net_sys_keepalive(s->fd, lua_toboolean(L, 2), (int)luaL_optinteger(L, 3, 0),
                                     (int)luaL_optinteger(L, 4, 0),
                                     (int)luaL_optinteger(L, 5, 0)));
}

/* server_keepalive(s) -> the delay in seconds that its server gave it, or nil */
static int core_server_keepalive(lua_State *L) {
  const struct net_stream *s = socket_check(L);
  if (s->keepalive)
    lua_pushinteger(L, s->keepalive_delay);
  else
    lua_pushnil(L);
  return 1;
}

/* Is there a descriptor that knows of types of service? */
static int has_tos(const struct net_stream *s) {
  return s->fd >= 0 && s->kind == NET_FD_TCP;
}

/* set_tos(s, tos) -> true, or nil, errno */
static int core_set_tos(lua_State *L) {
  struct net_stream *s = socket_check(L);
  s->tos = (int)luaL_checkinteger(L, 2);
  return answer(L, has_tos(s) ? net_sys_set_tos(s->fd, s->tos) : 0);
}

/* get_tos(s) -> tos, or nil, errno; what was asked for without a descriptor */
static int core_get_tos(lua_State *L) {
  struct net_stream *s = socket_check(L);
  int tos = s->tos < 0 ? 0 : s->tos;
  int err = has_tos(s) ? net_sys_get_tos(s->fd, &tos) : 0;
  if (err < 0)
    return answer(L, err);
  lua_pushinteger(L, tos);
  return 1;
}

/* sendfile(s, path or fd, offset, length or nil, callback or nil) -> as write(), or
 * nil, negative errno, what failed */
static int core_sendfile(lua_State *L) {
  struct net_stream *s = socket_check(L);
  const char *syscall = NULL;
  lua_settop(L, 5);
  lua_pushliteral(L, "");  /* what a refused write has in its place */
  if (net_writable_open(s)) {
    lua_pop(L, 1);
    int err = net_sendfile_push(L, 2, &syscall);
    if (err < 0) {
      answer(L, err);
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
  socket_check(L)->gap = 1;
  return 0;
}

/* fd_type(fd) -> "TCP", "PIPE", "FILE", "TTY", "UDP" or "UNKNOWN" */
static int core_fd_type(lua_State *L) {
  lua_pushstring(L, net_sys_fd_type((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* is_socket(v) -> boolean */
static int core_is_socket(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &net_socket_class) != NULL);
  return 1;
}

static const luaL_Reg socket_methods[] = {
  {"address", net_fields_address},
  {"write", socket_write},
  {"finish", socket_finish},
  {"end", socket_finish},
  {"cork", socket_cork},
  {"uncork", socket_uncork},
  {"setDefaultEncoding", socket_set_default_encoding},
  {"read", socket_read},
  {"unshift", socket_unshift},
  {"pause", socket_pause},
  {"resume", socket_resume},
  {"isPaused", socket_is_paused},
  {"setEncoding", socket_set_encoding},
  {"destroy", socket_destroy},
  {"destroySoon", socket_destroy_soon},
  {"resetAndDestroy", socket_reset_and_destroy},
  {"ref", socket_ref},
  {"unref", socket_unref},
  {NULL, NULL}
};

static const luaL_Reg socket_meta[] = {
  {"__close", socket_close},
  {NULL, NULL}
};

static const luaL_Reg stream_functions[] = {
  {"private", core_private},
  {"connecting", core_connecting},
  {"dial", core_dial},
  {"failed", core_failed},
  {"connected", core_connected},
  {"adopt", core_adopt},
  {"bind", core_bind},
  {"begin", core_begin},
  {"touch", core_touch},
  {"timeout", core_timeout},
  {"options", core_options},
  {"onread", core_onread},
  {"nodelay", core_nodelay},
  {"keepalive", core_keepalive},
  {"server_keepalive", core_server_keepalive},
  {"set_tos", core_set_tos},
  {"get_tos", core_get_tos},
  {"sendfile", core_sendfile},
  {"lost", core_lost},
  {"fd_type", core_fd_type},
  {"is_socket", core_is_socket},
  {NULL, NULL}
};

const struct net_class net_socket_class = {
  .name = "Socket",
  .methods = socket_methods,
  .getters = net_socket_getters,
  .setters = net_socket_setters,
  .meta = socket_meta,
  .emitter = 1,
  .listened = net_readable_listened,
  .unlistened = net_readable_unlistened,
  .end = net_stream_end
};

void net_socket_open(lua_State *L) {
  net_loop_get(L)->flush = net_writable_flush;
  net_class_open(L, &net_socket_class);
  lua_setfield(L, -2, "Socket");
  lua_pushcfunction(L, core_socket);
  lua_setfield(L, -2, "socket");
  luaL_newlib(L, stream_functions);
  lua_pushlightuserdata(L, (void *)(uintptr_t)&net_pump_written);
  lua_setfield(L, -2, "written");
  lua_setfield(L, -2, "stream");
}
