/* SPDX-License-Identifier: MIT
 *
 * readbuffer.c - bytes that were read and nobody has consumed. See readbuffer.h. */
#include "stream/readbuffer.h"

#include <lauxlib.h>
#include <string.h>

#include "stream/slots.h"

/* Cursors may pass below 1 (unshift), hence the signed key. */
static lua_Integer rbuf_key(uint32_t i) { return (lua_Integer)(int32_t)i; }

/* Pushes the table of chunks, made when missing. [-0, +1, m] */
static void rbuf_push(lua_State *L, int idx) {
  if (net_rare_get(L, idx, SLOT_RBUF) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_createtable(L, 4, 0);
  lua_pushvalue(L, -1);
  net_rare_set(L, idx, SLOT_RBUF);
}

/* Puts the chunk under the table on the top into a slot of it. [-2, +0, m] */
static void rbuf_put(lua_State *L, struct net_readbuffer *b, uint32_t slot) {
  size_t len = lua_rawlen(L, -2);
  lua_insert(L, -2);
  lua_rawseti(L, -2, rbuf_key(slot));
  lua_pop(L, 1);
  b->len += len;
}

void net_rb_append(lua_State *L, int idx, struct net_readbuffer *b) {
  rbuf_push(L, idx);
  rbuf_put(L, b, b->tail);
  b->tail++;
}

/* Pushes what is left of the first chunk of the table on the top. [-0, +1, m] */
static void rbuf_first(lua_State *L, const struct net_readbuffer *b) {
  lua_rawgeti(L, -1, rbuf_key(b->head));
  if (b->off == 0)
    return;
  size_t len;
  const char *chunk = lua_tolstring(L, -1, &len);
  lua_pushlstring(L, chunk + b->off, len - b->off);
  lua_remove(L, -2);
}

/* Drops the first chunk of the table on the top. [-0, +0, -] */
static void rbuf_drop(lua_State *L, struct net_readbuffer *b) {
  lua_pushnil(L);
  lua_rawseti(L, -2, rbuf_key(b->head++));
  b->off = 0;
  if (b->head == b->tail)
    b->head = b->tail = 1;
}

/* Bytes that are left of the first chunk of the table on the top. */
static size_t rbuf_first_len(lua_State *L, const struct net_readbuffer *b) {
  lua_rawgeti(L, -1, rbuf_key(b->head));
  size_t len = lua_rawlen(L, -1) - b->off;
  lua_pop(L, 1);
  return len;
}

/* Pushes the first 'n' bytes of what is in the table on the top, or less if a
 * finalizer has read meanwhile. [-0, +1, m] */
static void rbuf_peek(lua_State *L, const struct net_readbuffer *b, size_t n) {
  int table = lua_gettop(L);
  if (rbuf_first_len(L, b) == n) {
    rbuf_first(L, b);
    return;
  }
  luaL_Buffer all;
  char *to = luaL_buffinitsize(L, &all, n);
  size_t len, off = b->off;
  for (uint32_t i = b->head; n > 0 && i != b->tail; i++, off = 0) {
    lua_rawgeti(L, table, rbuf_key(i));
    const char *chunk = lua_tolstring(L, -1, &len);
    size_t part = n < len - off ? n : len - off;
    lua_pop(L, 1); /* the table still holds it */
    memcpy(to, chunk + off, part);
    to += part;
    n -= part;
    luaL_addsize(&all, part);
  }
  luaL_pushresult(&all);
}

/* Drops the first 'n' bytes of what is in the table on the top. [-0, +0, -] */
static void rbuf_skip(lua_State *L, struct net_readbuffer *b, size_t n) {
  if (n > b->len)
    n = b->len;
  b->len -= n;
  while (n > 0) {
    size_t len = rbuf_first_len(L, b);
    if (n < len) {
      b->off += n;
      return;
    }
    n -= len;
    rbuf_drop(L, b);
  }
}

void net_rb_take(lua_State *L, int idx, struct net_readbuffer *b, size_t n) {
  rbuf_push(L, idx);
  rbuf_peek(L, b, n);
  lua_insert(L, -2);
  rbuf_skip(L, b, n);
  lua_pop(L, 1);
}

void net_rb_peek(lua_State *L, int idx, const struct net_readbuffer *b) {
  rbuf_push(L, idx);
  rbuf_peek(L, b, b->len);
  lua_remove(L, -2);
}

/* In the first chunk's slot, which is there, so that no memory is needed, unless a
 * finalizer has read it all meanwhile. */
void net_rb_replace(lua_State *L, int idx, struct net_readbuffer *b) {
  size_t len = lua_rawlen(L, -1);
  rbuf_push(L, idx);
  lua_insert(L, -2);
  lua_rawseti(L, -2, rbuf_key(b->head));
  for (uint32_t i = b->head + 1; (int32_t)(b->tail - i) > 0; i++) {
    lua_pushnil(L);
    lua_rawseti(L, -2, rbuf_key(i));
  }
  b->tail = b->head + 1;
  b->off = 0;
  b->len = len;
  if (len == 0)
    rbuf_drop(L, b);
  lua_pop(L, 1);
}

void net_rb_prepend(lua_State *L, int idx, struct net_readbuffer *b) {
  rbuf_push(L, idx);
  if (b->off > 0) {
    rbuf_first(L, b);
    lua_rawseti(L, -2, rbuf_key(b->head));
    b->off = 0;
  }
  rbuf_put(L, b, b->head - 1);
  b->head--;
}

size_t net_rb_first(lua_State *L, int idx, const struct net_readbuffer *b) {
  rbuf_push(L, idx);
  size_t len = rbuf_first_len(L, b);
  lua_pop(L, 1);
  return len;
}

void net_rb_reset(struct net_readbuffer *b) {
  b->len = b->off = 0;
  b->head = b->tail = 1;
}
