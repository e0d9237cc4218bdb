/* SPDX-License-Identifier: MIT
 *
 * socket.c - net.Socket: what Lua calls, thin over the stream.
 *
 * Methods that touch the descriptor or run once a packet are here; the others
 * (connect, pipe, setKeepAlive, ...) and all argument checks that need Node's
 * longer sentences are lua/net/internal/socket/socket.lua's, which adds to the same tables.
 *
 * Reading is in reading.c, fields are in fields.c, what lua/net needs of a stream in native.c. */
#include "socket/socket.h"

#include <string.h>

#include "base/encoding.h"
#include "base/error.h"
#include "socket/fields.h"
#include "socket/reading.h"
#include "stream/finish.h"
#include "stream/request.h"

/* --- writing --------------------------------------------------------------------- */

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
  net_emitter_class_open(L, &net_stream_class, SOCKET_METHODS + NET_READING_METHODS);
  net_class_add(L, "methods", socket_methods);
  net_class_add(L, "methods", net_reading_methods);
  net_class_add(L, "metatable", socket_meta);
  net_class_add(L, "getters", net_socket_getters);
  net_class_add(L, "setters", net_socket_setters);
  lua_setfield(L, -2, "Socket");
}
