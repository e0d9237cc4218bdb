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
  struct net_ahead *a = &p->ahead;
  a->at += n;
  a->len -= n;
  a->searched = a->searched > n ? a->searched - n : 0;
  a->takes++;
  p->received += (lua_Integer)n;
  if (a->len == 0 && a->room > KEPT)
    net_ahead_free(a);
  else if (a->len == 0)
    a->at = 0;
}

static const char *first(const struct net_ahead *a) { return a->base ? a->base + a->at : ""; }

/* Pushes the first bytes. [-0, +1, m] */
static void push_bytes(lua_State *L, const struct net_ahead *a, size_t len) {
  lua_pushlstring(L, first(a), len);
}

/* Pushes them without their CRs. [-0, +1, m] */
static void push_text(lua_State *L, const struct net_ahead *a, size_t len) {
  const char *cr = len > 0 ? memchr(first(a), '\r', len) : NULL;
  if (cr == NULL || cr == first(a) + len - 1) {
    push_bytes(L, a, len - (cr != NULL));
    return;
  }
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len);
  const char *bytes = first(a); /* where they are by now, as far as they still are */
  size_t kept = 0;
  for (size_t i = 0; i < len && i < a->len; i++) {
    if (bytes[i] != '\r')
      out[kept++] = bytes[i];
  }
  luaL_pushresultsize(&b, kept);
}

/* Takes the first 'n' bytes, of which 'len' are pushed; 0, and nothing is pushed: a finalizer
 * has taken some meanwhile, so all has to be looked at anew. [-0, +(0|1), m] */
static int take(lua_State *L, struct net_plain *p, size_t n, size_t len,
                void (*push)(lua_State *L, const struct net_ahead *a, size_t len)) {
  unsigned takes = p->ahead.takes;
  push(L, &p->ahead, len);
  if (p->ahead.takes != takes) {
    lua_pop(L, 1);
    return 0;
  }
  drop(p, n);
  return 1;
}

/* take(socket[, n]) -> the first n bytes, or nil if there are not so many; without n all */
static int ahead_take(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  int has_all = lua_isnoneornil(L, 2);
  lua_Integer n = has_all ? 0 : luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0, 2, "out of range");
  while (has_all || (lua_Unsigned)n <= p->ahead.len) {
    size_t len = has_all ? p->ahead.len : (size_t)n;
    if (take(L, p, len, len, push_bytes))
      return 1;
  }
  lua_pushnil(L);
  return 1;
}

/* take_text(socket) -> all bytes without CRs */
static int ahead_take_text(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  size_t len;
  do
    len = p->ahead.len;
  while (!take(L, p, len, len, push_text));
  return 1;
}

/* How long the first line is, with its LF; 0: there is none. */
static size_t find_line(struct net_ahead *a) {
  size_t rest = a->len - a->searched;
  const char *lf = rest > 0 ? memchr(first(a) + a->searched, '\n', rest) : NULL;
  a->searched = lf ? (size_t)(lf - first(a)) : a->len;
  return lf ? a->searched + 1 : 0;
}

/* take_line(socket) -> the first line, without LF and CRs, or nil */
static int ahead_take_line(lua_State *L) {
  struct net_plain *p = net_plain_check(L, 1);
  for (size_t n; (n = find_line(&p->ahead)) > 0;) {
    if (take(L, p, n, n - 1, push_text))
      return 1;
  }
  lua_pushnil(L);
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
