/* SPDX-License-Identifier: MIT
 *
 * readbuffer.c - the bytes that a stream has read and nobody has consumed. See
 * readbuffer.h. */
#include "readbuffer.h"

#include <string.h>

static struct net_stream *stream_at(lua_State *L, int idx) {
  return lua_touserdata(L, idx);
}

/* Cursors may pass below 1 (unshift), hence the signed key. */
static lua_Integer rbuf_key(uint32_t i) { return (lua_Integer)(int32_t)i; }

/* Pushes the table of chunks, made when missing. [-0, +1, m] */
static void rbuf_push(lua_State *L, int idx) {
  if (net_rare_get(L, idx, RARE_RBUF) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_createtable(L, 4, 0);
  lua_pushvalue(L, -1);
  net_rare_set(L, idx, RARE_RBUF);
}

/* Puts the chunk under the table on the top into a slot of it. [-2, +0, m] */
static void rbuf_put(lua_State *L, struct net_stream *s, uint32_t slot) {
  size_t len = lua_rawlen(L, -2);
  lua_insert(L, -2);
  lua_rawseti(L, -2, rbuf_key(slot));
  lua_pop(L, 1);
  s->in.len += len;
}

void net_rb_append(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  rbuf_push(L, idx);
  rbuf_put(L, s, s->in.tail);
  s->in.tail++;
}

/* Pushes what is left of the first chunk of the table on the top. [-0, +1, m] */
static void rbuf_first(lua_State *L, const struct net_stream *s) {
  lua_rawgeti(L, -1, rbuf_key(s->in.head));
  if (s->in.off == 0)
    return;
  size_t len;
  const char *chunk = lua_tolstring(L, -1, &len);
  lua_pushlstring(L, chunk + s->in.off, len - s->in.off);
  lua_remove(L, -2);
}

/* Drops the first chunk of the table on the top. [-0, +0, -] */
static void rbuf_drop(lua_State *L, struct net_stream *s) {
  lua_pushnil(L);
  lua_rawseti(L, -2, rbuf_key(s->in.head++));
  s->in.off = 0;
  if (s->in.head == s->in.tail)
    s->in.head = s->in.tail = 1;
}

/* Bytes that are left of the first chunk of the table on the top. */
static size_t rbuf_first_len(lua_State *L, const struct net_stream *s) {
  lua_rawgeti(L, -1, rbuf_key(s->in.head));
  size_t len = lua_rawlen(L, -1) - s->in.off;
  lua_pop(L, 1);
  return len;
}

/* Pushes the first 'n' bytes of what is in the table on the top, or less if a
 * finalizer has read meanwhile. [-0, +1, m] */
static void rbuf_peek(lua_State *L, const struct net_stream *s, size_t n) {
  int table = lua_gettop(L);
  if (rbuf_first_len(L, s) == n) {
    rbuf_first(L, s);
    return;
  }
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, n);
  size_t len, off = s->in.off;
  for (uint32_t i = s->in.head; n > 0 && i != s->in.tail; i++, off = 0) {
    lua_rawgeti(L, table, rbuf_key(i));
    const char *chunk = lua_tolstring(L, -1, &len);
    size_t part = n < len - off ? n : len - off;
    lua_pop(L, 1);  /* the table still holds it */
    memcpy(to, chunk + off, part);
    to += part;
    n -= part;
    luaL_addsize(&b, part);
  }
  luaL_pushresult(&b);
}

/* Drops the first 'n' bytes of what is in the table on the top. [-0, +0, -] */
static void rbuf_skip(lua_State *L, struct net_stream *s, size_t n) {
  if (n > s->in.len)
    n = s->in.len;
  s->in.len -= n;
  while (n > 0) {
    size_t len = rbuf_first_len(L, s);
    if (n < len) {
      s->in.off += n;
      return;
    }
    n -= len;
    rbuf_drop(L, s);
  }
}

void net_rb_take(lua_State *L, int idx, size_t n) {
  struct net_stream *s = stream_at(L, idx);
  rbuf_push(L, idx);
  rbuf_peek(L, s, n);
  lua_insert(L, -2);
  rbuf_skip(L, s, n);
  lua_pop(L, 1);
}

void net_rb_peek(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  rbuf_push(L, idx);
  rbuf_peek(L, s, s->in.len);
  lua_remove(L, -2);
}

/* In the first chunk's slot, which is there, so that no memory is needed. */
void net_rb_replace(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  size_t len = lua_rawlen(L, -1);
  rbuf_push(L, idx);
  lua_insert(L, -2);
  lua_rawseti(L, -2, rbuf_key(s->in.head));
  for (uint32_t i = s->in.head + 1; i != s->in.tail; i++) {
    lua_pushnil(L);
    lua_rawseti(L, -2, rbuf_key(i));
  }
  s->in.tail = s->in.head + 1;
  s->in.off = 0;
  s->in.len = len;
  if (len == 0)
    rbuf_drop(L, s);
  lua_pop(L, 1);
}

void net_rb_prepend(lua_State *L, int idx) {
  struct net_stream *s = stream_at(L, idx);
  rbuf_push(L, idx);
  if (s->in.off > 0) {
    rbuf_first(L, s);
    lua_rawseti(L, -2, rbuf_key(s->in.head));
    s->in.off = 0;
  }
  rbuf_put(L, s, s->in.head - 1);
  s->in.head--;
}

size_t net_rb_first(lua_State *L, int idx) {
  rbuf_push(L, idx);
  size_t len = rbuf_first_len(L, stream_at(L, idx));
  lua_pop(L, 1);
  return len;
}

void net_rb_reset(struct net_stream *s) {
  s->in.len = s->in.off = 0;
  s->in.head = s->in.tail = 1;
}
