/* SPDX-License-Identifier: MIT
 *
 * readbuffer.c - bytes that were read and nobody has consumed. See readbuffer.h. */
#include "stream/readbuffer.h"

#include <lauxlib.h>
#include <string.h>

#include "stream/slots.h"

/* Cursors may pass below 1 (unshift), hence the signed key. */
static lua_Integer rbuf_key(uint32_t i) { return (lua_Integer)(int32_t)i; }

/* Pushes the table of chunks, made when missing; by a finalizer, if that is faster.
 * [-0, +1, m] */
static void rbuf_push(lua_State *L, int idx) {
  if (net_rare_get(L, idx, SLOT_RBUF) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_createtable(L, 4, 0);
  if (net_rare_get(L, idx, SLOT_RBUF) == LUA_TTABLE) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
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
  size_t first = rbuf_first_len(L, b);
  if (first == n) {
    rbuf_first(L, b);
    return;
  }
  if (first > n) {
    lua_rawgeti(L, table, rbuf_key(b->head));
    lua_pushlstring(L, lua_tostring(L, -1) + b->off, n);
    lua_remove(L, -2);
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
  b->moves++;
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

int net_rb_take(lua_State *L, int idx, struct net_readbuffer *b, size_t n, unsigned moves) {
  int top = lua_gettop(L);
  rbuf_push(L, idx);
  if (b->moves == moves)
    rbuf_peek(L, b, n);
  if (b->moves != moves) {
    lua_settop(L, top);
    return 0;
  }
  lua_insert(L, -2);
  rbuf_skip(L, b, n);
  lua_pop(L, 1);
  return 1;
}

void net_rb_peek(lua_State *L, int idx, const struct net_readbuffer *b, size_t n) {
  rbuf_push(L, idx);
  rbuf_peek(L, b, n);
  lua_remove(L, -2);
}

void net_rb_skip(lua_State *L, int idx, struct net_readbuffer *b, size_t n) {
  if (net_rare_get(L, idx, SLOT_RBUF) == LUA_TTABLE)
    rbuf_skip(L, b, n);
  lua_pop(L, 1);
}

const char *net_rb_head(lua_State *L, int idx, const struct net_readbuffer *b, size_t *len) {
  if (b->len == 0)
    return NULL;
  if (net_rare_get(L, idx, SLOT_RBUF) != LUA_TTABLE) {
    lua_pop(L, 1);
    return NULL;
  }
  lua_rawgeti(L, -1, rbuf_key(b->head));
  lua_replace(L, -2);
  const char *chunk = lua_tolstring(L, -1, len);
  *len -= b->off;
  return chunk + b->off;
}

/* --- searching ----------------------------------------------------------------------- */

void net_rb_search(struct net_rb_search *at, const struct net_readbuffer *b, const char *what,
                   size_t len) {
  at->chunk = b->head;
  at->before = at->matched = 0;
  at->moves = b->moves;
  at->what = what;
  at->len = len;
}

/* After a mismatch behind 'k' bytes that fit: how many of the last ones fit from the start
 * (Knuth, Morris, Pratt). Worked out from the text itself, as most are two bytes long. */
static size_t fall_back(const char *what, size_t k) {
  for (size_t n = k - 1; n > 0; n--)
    if (memcmp(what, what + k - n, n) == 0)
      return n;
  return 0;
}

/* Looks through bytes that are the next; returns behind which of them the text ends, or 0. */
static size_t look(struct net_rb_search *at, const char *bytes, size_t n) {
  if (at->len == 1) {
    const char *found = memchr(bytes, at->what[0], n);
    return found ? (size_t)(found - bytes) + 1 : 0;
  }
  for (size_t i = 0; i < n; i++) {
    if (at->matched == 0) {
      const char *first = memchr(bytes + i, at->what[0], n - i);
      if (first == NULL)
        return 0;
      i = (size_t)(first - bytes);
    }
    while (at->matched > 0 && bytes[i] != at->what[at->matched])
      at->matched = fall_back(at->what, at->matched);
    if (bytes[i] == at->what[at->matched] && ++at->matched == at->len)
      return i + 1;
  }
  return 0;
}

size_t net_rb_find(lua_State *L, int idx, const struct net_readbuffer *b,
                   struct net_rb_search *at) {
  size_t found = 0;
  int top = lua_gettop(L);
  if (at->moves != b->moves)
    net_rb_search(at, b, at->what, at->len);
  if (net_rare_get(L, idx, SLOT_RBUF) != LUA_TTABLE)
    at->chunk = b->tail;
  for (; at->chunk != b->tail && found == 0; at->chunk++) {
    size_t len, off = at->chunk == b->head ? b->off : 0;
    lua_rawgeti(L, top + 1, rbuf_key(at->chunk));
    const char *chunk = lua_tolstring(L, -1, &len);
    lua_pop(L, 1); /* the table still holds it */
    size_t end = look(at, chunk + off, len - off);
    if (end > 0)
      found = at->before + end;
    at->before += len - off;
  }
  lua_settop(L, top);
  return found;
}

int net_rb_byte(lua_State *L, int idx, const struct net_readbuffer *b, size_t n) {
  int top = lua_gettop(L), byte = -1;
  size_t len, off = b->off;
  if (net_rare_get(L, idx, SLOT_RBUF) == LUA_TTABLE)
    for (uint32_t i = b->head; i != b->tail && byte < 0; i++, off = 0) {
      lua_rawgeti(L, top + 1, rbuf_key(i));
      const char *chunk = lua_tolstring(L, -1, &len);
      lua_pop(L, 1);
      if (n < len - off)
        byte = (unsigned char)chunk[off + n];
      n -= len - off;
    }
  lua_settop(L, top);
  return byte;
}

/* In the first chunk's slot, which is there, so that no memory is needed. */
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
  b->moves++;
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
  b->moves++;
}

size_t net_rb_first(lua_State *L, int idx, const struct net_readbuffer *b) {
  rbuf_push(L, idx);
  size_t len = rbuf_first_len(L, b);
  lua_pop(L, 1);
  return len;
}

void net_rb_reset(struct net_readbuffer *b) {
  b->moves++;
  b->len = b->off = 0;
  b->head = b->tail = 1;
}
