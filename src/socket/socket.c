/* SPDX-License-Identifier: MIT
 *
 * socket.c - net.Socket: what Lua calls, thin over the stream.
 *
 * Methods that touch the descriptor or run once a packet are here; the others
 * (connect, pipe, setKeepAlive, ...) and all argument checks that need Node's
 * longer sentences are lua/net/internal/socket/socket.lua's, which adds to the same tables.
 *
 * Fields are in fields.c, what lua/net needs of a stream in native.c. */
#include "socket/socket.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/encoding.h"
#include "base/error.h"
#include "socket/fields.h"
#include "stream/arrive.h"
#include "stream/finish.h"
#include "stream/readbuffer.h"
#include "stream/request.h"

/* --- writing --------------------------------------------------------------------- */

static int is_empty_string(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING && lua_rawlen(L, idx) == 0;
}

/* The encoding named at 'idx', or the stream's default when that is falsy. */
static enum net_encoding write_encoding(lua_State *L, int idx, const struct net_stream *s) {
  return net_truthy(L, idx) ? net_encoding_check(L, idx) : (enum net_encoding)s->opt.encoding;
}

/* Does the value at 'idx' name Node's encoding of what is no text, which no chunk of
 * ours has? */
static int names_buffer(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING && strcmp(lua_tostring(L, idx), "buffer") == 0;
}

/* Checks the chunk at 2 and the encoding at 3, in Node's order; 'given' tells a missing
 * chunk from nil. */
static enum net_encoding check_write(lua_State *L, const struct net_stream *s, int given) {
  int is_text = lua_type(L, 2) == LUA_TSTRING;
  enum net_encoding e = (enum net_encoding)s->opt.encoding;
  if (given >= 2 && lua_isnil(L, 2))
    net_error_raise(L, "ERR_STREAM_NULL_VALUES", 0);
  if (lua_type(L, 3) != LUA_TFUNCTION && (is_text || !names_buffer(L, 3)))
    e = write_encoding(L, 3, s);
  if (!is_text)
    net_error_arg_type(L, "chunk", "of type string", 2);
  return e;
}

/* Of the encoding at 3 and the callback at 4, the top, or the callback at 3, leaves
 * the callback or nil at 3. [-1, +0, -] */
static void fold_callback(lua_State *L) {
  int cb = lua_type(L, 3) == LUA_TFUNCTION ? 3 : 4;
  if (lua_type(L, cb) == LUA_TFUNCTION)
    lua_pushvalue(L, cb);
  else
    lua_pushnil(L);
  lua_replace(L, 3);
  lua_settop(L, 3);
}

/* Folds (chunk [, encoding] [, callback]) into the bytes at 2 and the callback
 * or nil at 3, the top. [-?, +?, e] */
static void fold_write(lua_State *L, const struct net_stream *s, int given) {
  lua_settop(L, 4);
  enum net_encoding e = check_write(L, s, given);
  fold_callback(L);
  if (e != NET_ENC_UTF8) {
    net_encoding_encode(L, 2, e);
    lua_replace(L, 2);
  }
}

/* Both sides have ended, and a write gets EPIPE whatever its arguments are. */
static int is_after_fin(const struct net_stream *s) {
  return s->life.write_after_fin && s->life.ending;
}

/* The arguments of such a write, of which only the callback counts. */
static void fold_after_fin(lua_State *L) {
  lua_settop(L, 4);
  lua_pushliteral(L, "");
  lua_replace(L, 2);
  fold_callback(L);
}

/* socket:write(chunk [, encoding] [, callback]) -> boolean
 * False: writableHighWaterMark bytes or more are buffered; wait for "drain". */
static int socket_write(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  int given = lua_gettop(L);
  if (given == 2 && lua_type(L, 2) == LUA_TSTRING && s->opt.encoding == NET_ENC_UTF8) {
    if (net_writable_write_small(L, 1, s)) {
      lua_pushboolean(L, 1);
      return 1;
    }
    lua_pushnil(L);
  } else if (is_after_fin(s)) {
    fold_after_fin(L);
  } else
    fold_write(L, s, given);
  net_writable_write(L, 1);
  return 1;
}

/* socket:finish([chunk [, encoding]] [, callback]) -> socket */
static int socket_finish(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  lua_settop(L, 4);
  if (lua_type(L, 2) == LUA_TFUNCTION) {
    lua_pushnil(L);
    lua_insert(L, 2); /* nil, callback */
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
  net_socket_check(L)->req.corked++;
  return 0;
}

/* socket:uncork() */
static int socket_uncork(lua_State *L) {
  net_socket_check(L);
  net_writable_uncork(L, 1);
  return 0;
}

/* socket:setDefaultEncoding(encoding) -> socket */
static int socket_set_default_encoding(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  lua_settop(L, 2);
  s->opt.encoding = net_encoding_check(L, 2);
  lua_settop(L, 1);
  return 1;
}

/* --- reading --------------------------------------------------------------------- */

/* The n of read(n): NET_READ_ANY where JavaScript sees no number in it. A fraction is
 * cut, but of a small one, "1e-7", JavaScript takes the first digit. */
static lua_Integer read_amount(lua_State *L, int idx) {
  lua_Number n = lua_tonumber(L, idx);
  char text[32];
  if (lua_type(L, idx) != LUA_TNUMBER || n - n != 0) /* NaN and infinities */
    return NET_READ_ANY;
  if (n > -1e-6 && n < 1e-6 && n != 0) {
    (void)snprintf(text, sizeof text, "%.14e", n < 0 ? -n : n);
    return n < 0 ? '0' - text[0] : text[0] - '0';
  }
  if (n <= -1)
    return -1;
  return n < (lua_Number)LUA_MAXINTEGER ? (lua_Integer)n : LUA_MAXINTEGER;
}

/* Raises unless so much may be asked for: at most the mark, or 1 GiB. */
static void check_amount(lua_State *L, const struct net_stream *s, lua_Integer n) {
  if (n <= NET_READ_MAX || (size_t)n <= s->in.hwm)
    return;
  lua_pushliteral(L, "size");
  lua_pushliteral(L, "<= 1GiB");
  if (lua_tonumber(L, 2) == floor(lua_tonumber(L, 2)))
    lua_pushvalue(L, 2);
  else
    lua_pushinteger(L, n);
  net_error_raise(L, "ERR_OUT_OF_RANGE", 3);
}

/* socket:read([n]) -> chunk or nil */
static int socket_read(lua_State *L) {
  const struct net_stream *s = net_socket_check(L);
  net_readable_check_free(L, s);
  lua_Integer n = read_amount(L, 2);
  check_amount(L, s, n);
  net_readable_read(L, 1, n);
  return 1;
}

/* The encoding of a text to unshift: named at 'idx', or option defaultEncoding's,
 * which setDefaultEncoding does not change. What is no text counts for "utf8". */
static enum net_encoding unshift_encoding(lua_State *L, int idx, const struct net_stream *s) {
  if (!net_truthy(L, idx))
    return (enum net_encoding)s->opt.read_encoding;
  return lua_type(L, idx) == LUA_TSTRING ? write_encoding(L, idx, s) : NET_ENC_UTF8;
}

/* Makes of the text at 2, in encoding 'e', what reading is to give: its bytes, or
 * after setEncoding the text that stands for them. [-0, +0, m] */
static void unshift_recode(lua_State *L, const struct net_stream *s, enum net_encoding e) {
  struct net_decoder whole;
  size_t len;
  lua_settop(L, 2);
  if (s->opt.decoding) {
    net_rare_get(L, 1, SLOT_DECODER);
    net_decoder_init(&whole, ((struct net_decoder *)lua_touserdata(L, -1))->encoding);
    lua_pop(L, 1);
    if (whole.encoding == e)
      return;
  }
  net_encoding_encode(L, 2, e);
  lua_replace(L, 2);
  if (s->opt.decoding) {
    const char *bytes = lua_tolstring(L, 2, &len);
    net_decoder_write(L, &whole, bytes, len);
    net_decoder_end(L, &whole);
    lua_concat(L, 2);
    lua_replace(L, 2);
  }
}

/* socket:unshift(chunk [, encoding]) -> boolean: whether more is wanted */
static int socket_unshift(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  int given = lua_gettop(L);
  lua_settop(L, 3);
  if (given < 2) {
    lua_pushboolean(L, net_readable_wants(s));
    return 1;
  }
  if (lua_type(L, 2) == LUA_TNIL) {
    net_arrive_unshift_end(L, 1);
    lua_pushboolean(L, 0);
    return 1;
  }
  if (lua_type(L, 2) != LUA_TSTRING) {
    net_error_push_arg_type(L, "chunk", "of type string", 2);
    net_stream_destroy(L, 1);
    lua_pushboolean(L, 0);
    return 1;
  }
  unshift_recode(L, s, unshift_encoding(L, 3, s));
  net_arrive_unshift(L, 1);
  return 1;
}

/* socket:pause() -> socket */
static int socket_pause(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  if (s->opt.onread && !s->life.connecting)
    net_stream_poll(s, s->watch.wanted & ~EV_READ);
  net_readable_pause(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* socket:resume() -> socket */
static int socket_resume(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  net_readable_check_free(L, s);
  if (s->opt.onread && !(s->life.connecting || s->life.eof))
    net_stream_poll(s, s->watch.wanted | EV_READ);
  net_readable_resume(L, 1);
  lua_settop(L, 1);
  return 1;
}

/* socket:isPaused() -> boolean */
static int socket_is_paused(lua_State *L) {
  lua_pushboolean(L, net_readable_paused(net_socket_check(L)));
  return 1;
}

/* Pushes the text of what is buffered already, as one chunk. Where an encoding was
 * set before it is text, and stays as it is. [-0, +1, m] */
static void decode_buffered(lua_State *L, const struct net_stream *s, struct net_decoder *d) {
  size_t len;
  net_rb_peek(L, 1, &s->in, s->in.len);
  if (s->opt.decoding)
    return;
  const char *bytes = lua_tolstring(L, -1, &len);
  net_decoder_write(L, d, bytes, len);
  lua_remove(L, -2);
  if (s->life.eof) { /* nothing will complete what the decoder keeps back */
    net_decoder_end(L, d);
    lua_concat(L, 2);
  }
}

/* The same, of what is left when nothing has moved meanwhile; nil, if that is nothing. Then
 * setting its slots runs no finalizer, as the table is there. [-0, +1, m] */
static void push_buffered(lua_State *L, const struct net_stream *s, struct net_decoder *d) {
  int top = lua_gettop(L);
  struct net_decoder begun = *d;
  unsigned moves;
  do {
    lua_settop(L, top);
    moves = s->in.moves;
    *d = begun;
    if (s->in.len > 0)
      decode_buffered(L, s, d);
    else
      lua_pushnil(L);
  } while (s->in.moves != moves);
}

/* socket:setEncoding([encoding]) -> socket; nil and "" are "utf8" */
static int socket_set_encoding(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  lua_settop(L, 2);
  int is_absent = lua_isnil(L, 2) || is_empty_string(L, 2);
  enum net_encoding e = is_absent ? NET_ENC_UTF8 : net_encoding_check(L, 2);
  struct net_decoder *d = lua_newuserdatauv(L, sizeof *d, 0);
  net_decoder_init(d, e);
  push_buffered(L, s, d);
  lua_insert(L, -2);
  net_rare_set(L, 1, SLOT_DECODER);
  s->opt.decoding = 1;
  lua_pushnil(L);
  net_rare_set(L, 1, SLOT_ENCODING);
  if (s->in.len > 0) {
    net_rb_replace(L, 1, &s->in);
    net_stream_news(L, 1, s, NET_NEWS_ARRIVED);
  }
  lua_settop(L, 1);
  return 1;
}

/* --- closing ----------------------------------------------------------------------- */

/* socket:destroy([err]) -> socket */
static int socket_destroy(lua_State *L) {
  net_socket_check(L);
  lua_settop(L, 2);
  net_stream_destroy(L, 1);
  lua_settop(L, 1);
  return 1;
}

static void destroy_step(lua_State *L, int idx) {
  lua_pushnil(L);
  net_stream_destroy(L, idx);
}

static const struct net_internal destroy_on_finish = { destroy_step };

/* socket:destroySoon(): destroy, once all that was written is sent */
static int socket_destroy_soon(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  if (net_writable_open(s)) {
    lua_pushnil(L);
    lua_pushnil(L);
    net_finish(L, 1);
  }
  if (s->life.finished)
    destroy_step(L, 1);
  else
    net_emitter_internal(L, 1, ON_FINISH, &destroy_on_finish);
  return 0;
}

static void reset_step(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.destroyed)
    return;
  s->life.reset = 1;
  destroy_step(L, idx);
}

static const struct net_internal reset_on_connect = { reset_step };

/* socket:resetAndDestroy() -> socket: closes a TCP connection with RST */
static int socket_reset_and_destroy(lua_State *L) {
  struct net_stream *s = net_socket_check(L);
  lua_settop(L, 1);
  if (!s->life.handle) {
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
    net_stream_destroy(L, 1);
  } else if (!net_stream_can(s, NET_CAN_RESET)) {
    return net_error_raise(L, "ERR_INVALID_HANDLE_TYPE", 0);
  } else if (s->life.connecting) {
    net_emitter_internal(L, 1, ON_CONNECT, &reset_on_connect);
  } else {
    reset_step(L, 1);
  }
  return 1;
}

/* --- the loop ------------------------------------------------------------------------ */

static void ref_step(lua_State *L, int idx) { net_stream_hold_loop(lua_touserdata(L, idx), 1); }

static void unref_step(lua_State *L, int idx) { net_stream_hold_loop(lua_touserdata(L, idx), 0); }

static const struct net_internal ref_on_connect = { ref_step };
static const struct net_internal unref_on_connect = { unref_step };

/* Without a handle the wish waits for 'connect', as in Node. */
static int hold_or_wait(lua_State *L, const struct net_internal *step) {
  struct net_stream *s = net_socket_check(L);
  lua_settop(L, 1);
  if (s->life.handle)
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
  net_socket_check(L);
  lua_settop(L, 1);
  destroy_step(L, 1);
  return 0;
}

/* --- opening --------------------------------------------------------------------------- */

static const luaL_Reg socket_methods[] = {
  { "address", net_fields_address },
  { "fd", net_fields_fd },
  { "write", socket_write },
  { "finish", socket_finish },
  { "end", socket_finish },
  { "cork", socket_cork },
  { "uncork", socket_uncork },
  { "setDefaultEncoding", socket_set_default_encoding },
  { "read", socket_read },
  { "unshift", socket_unshift },
  { "pause", socket_pause },
  { "resume", socket_resume },
  { "isPaused", socket_is_paused },
  { "setEncoding", socket_set_encoding },
  { "destroy", socket_destroy },
  { "destroySoon", socket_destroy_soon },
  { "resetAndDestroy", socket_reset_and_destroy },
  { "ref", socket_ref },
  { "unref", socket_unref },
  { NULL, NULL },
};

enum { SOCKET_METHODS = sizeof socket_methods / sizeof *socket_methods };

static const luaL_Reg socket_meta[] = {
  { "__close", socket_close },
  { NULL, NULL },
};

void net_socket_open(lua_State *L) {
  net_stream_serve(net_loop_get(L));
  net_emitter_class_open(L, &net_stream_class, SOCKET_METHODS);
  net_class_add(L, "methods", socket_methods);
  net_class_add(L, "metatable", socket_meta);
  net_class_add(L, "getters", net_socket_getters);
  net_class_add(L, "setters", net_socket_setters);
  lua_setfield(L, -2, "Socket");
}
