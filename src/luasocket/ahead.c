/* SPDX-License-Identifier: MIT
 *
 * ahead.c - what was read from a plain socket and nobody has received yet. See ahead.h.
 *
 * Refused: the chunks as Lua strings in a list, as they were. A line was searched, cut and
 * copied by Lua code then, which took five times as long as all that LuaSocket does for it. */
#include "luasocket/ahead.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "luasocket/plain.h"

/* Moves the bytes to the front, into more room if there is not enough. 0: no memory. */
static int make_room(struct net_ahead *a, size_t more) {
  if (a->at > 0 && a->len > 0)
    memmove(a->base, a->base + a->at, a->len);
  a->at = 0;
  if (a->len + more <= a->room)
    return 1;
  size_t room = a->len + more > 2 * a->len ? a->len + more : 2 * a->len;
  char *base = realloc(a->base, room);
  if (base == NULL)
    return 0;
  a->base = base;
  a->room = room;
  return 1;
}

/* Room for 'more' bytes behind those that are there. [-0, +0, e] */
static void reserve(lua_State *L, struct net_ahead *a, size_t more) {
  if (a->at + a->len + more > a->room && !make_room(a, more))
    net_error_memory(L);
}

/* fill(socket, most) -> how many bytes have come to what is there, 0 at the end */
static int ahead_fill(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  lua_Integer most = luaL_checkinteger(L, 2);
  luaL_argcheck(L, most > 0, 2, "out of range");
  reserve(L, &p->ahead, (size_t)most);
  ssize_t got = p->lost
                  ? -ENOMEM
                  : net_sys_recv(p->fd, p->ahead.base + p->ahead.at + p->ahead.len, (size_t)most);
  if (got > 0)
    p->ahead.len += (size_t)got;
  else if (p->ahead.len == 0)
    net_ahead_free(&p->ahead); /* who waits for a line may wait long */
  if (got < 0)
    return net_push_result(L, (int)got);
  lua_pushinteger(L, got);
  return 1;
}

/* append(socket, bytes): they have come by another way */
static int ahead_append(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  reserve(L, &p->ahead, len);
  if (len > 0)
    memcpy(p->ahead.base + p->ahead.at + p->ahead.len, bytes, len);
  p->ahead.len += len;
  return 0;
}

/* size(socket) -> how many bytes there are */
static int ahead_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)net_plain_check(L, 1)->ahead.len);
  return 1;
}

/* received(socket[, n]) -> how many bytes were taken; or n are, from here on */
static int ahead_received(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  p->received = luaL_optinteger(L, 2, p->received);
  lua_pushinteger(L, p->received);
  return 1;
}

/* --- taking ------------------------------------------------------------------------------ */

enum { KEPT = 131072 }; /* room that is worth keeping while nothing is in it */

static void drop(struct net_plain *p, size_t n) {
  p->ahead.at += n;
  p->ahead.len -= n;
  p->received += (lua_Integer)n;
  if (p->ahead.len == 0 && p->ahead.room > KEPT)
    net_ahead_free(&p->ahead);
  else if (p->ahead.len == 0)
    p->ahead.at = 0;
}

/* Pushes bytes without their CRs. [-0, +1, m] */
static void push_without_cr(lua_State *L, const char *bytes, size_t len) {
  const char *cr = len > 0 ? memchr(bytes, '\r', len) : NULL;
  if (cr == NULL || cr == bytes + len - 1) {
    lua_pushlstring(L, bytes, len - (cr != NULL));
    return;
  }
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len);
  size_t kept = 0;
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != '\r')
      out[kept++] = bytes[i];
  }
  luaL_pushresultsize(&b, kept);
}

static size_t count_at(lua_State *L, int idx, const struct net_plain *p) {
  lua_Integer n = luaL_checkinteger(L, idx);
  luaL_argcheck(L, n >= 0 && (size_t)n <= p->ahead.len, idx, "out of range");
  return (size_t)n;
}

/* take(socket, n) -> the first n bytes, of which there are so many */
static int ahead_take(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  size_t n = count_at(L, 2, p);
  lua_pushlstring(L, n > 0 ? p->ahead.base + p->ahead.at : "", n);
  drop(p, n);
  return 1;
}

/* take_text(socket, n) -> the same without CRs */
static int ahead_take_text(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  size_t n = count_at(L, 2, p);
  push_without_cr(L, n > 0 ? p->ahead.base + p->ahead.at : "", n);
  drop(p, n);
  return 1;
}

/* take_line(socket[, from]) -> the first line, without LF and CRs; nil and how many bytes have
 * none, for the next time */
static int ahead_take_line(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  size_t from = lua_isnoneornil(L, 2) ? 0 : count_at(L, 2, p);
  const char *bytes = p->ahead.base + p->ahead.at;
  const char *lf = from < p->ahead.len ? memchr(bytes + from, '\n', p->ahead.len - from) : NULL;
  if (lf == NULL) {
    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)p->ahead.len);
    return 2;
  }
  push_without_cr(L, bytes, (size_t)(lf - bytes));
  drop(p, (size_t)(lf - bytes) + 1);
  return 1;
}

void net_ahead_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "fill", ahead_fill },           { "append", ahead_append },
    { "size", ahead_size },           { "received", ahead_received },
    { "take", ahead_take },           { "take_text", ahead_take_text },
    { "take_line", ahead_take_line }, { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
}
