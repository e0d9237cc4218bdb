/* SPDX-License-Identifier: MIT
 *
 * reading.c - the methods of net.Socket that read: read, unshift, pause, resume, setEncoding.
 *
 * They check and fold arguments; what is read, and when, is the stream's. */
#include "socket/reading.h"

#include <math.h>
#include <stdio.h>

#include "base/encoding.h"
#include "base/error.h"
#include "socket/socket.h"
#include "stream/arrive.h"
#include "stream/readbuffer.h"

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
  return lua_type(L, idx) == LUA_TSTRING ? net_encoding_check(L, idx) : NET_ENC_UTF8;
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

static int is_empty_string(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING && lua_rawlen(L, idx) == 0;
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

const luaL_Reg net_reading_methods[] = {
  { "read", socket_read },
  { "unshift", socket_unshift },
  { "pause", socket_pause },
  { "resume", socket_resume },
  { "isPaused", socket_is_paused },
  { "setEncoding", socket_set_encoding },
  { NULL, NULL },
};
