/* SPDX-License-Identifier: MIT
 *
 * want.c - what a task reads of a socket: the arguments that say it, and whether it has
 * come. See want.h. */
#include "task/want.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

#define LIMIT 65536 /* bytes; the most of a line, a delimited text, a piece, by default */

/* --- what is asked for ----------------------------------------------------------------- */

static void raise_range(lua_State *L, const char *name, const char *range, int idx) {
  lua_pushstring(L, name);
  lua_pushstring(L, range);
  lua_pushvalue(L, idx);
  net_error_raise(L, "ERR_OUT_OF_RANGE", 3);
}

/* The count of bytes at 'idx', or the default. [-0, +0, e] */
static size_t check_max(lua_State *L, int idx, size_t otherwise) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, idx, &is_integer);
  if (lua_isnil(L, idx))
    return otherwise;
  if (lua_type(L, idx) != LUA_TNUMBER)
    net_error_arg_type(L, "max", "of type number", idx);
  if (lua_tonumber(L, idx) >= HUGE_VAL)
    return NET_WANT_MAX;
  if (!is_integer || n < 1)
    raise_range(L, "max", "an integer >= 1", idx);
  return (size_t)n < NET_WANT_MAX ? (size_t)n : NET_WANT_MAX;
}

size_t net_want_limit(lua_State *L, int idx) { return check_max(L, idx, LIMIT); }

static int is_word(const char *what, const char *word, char letter) {
  return strcmp(what, word) == 0 || (what[0] == letter && what[1] == '\0') ||
         (what[0] == '*' && what[1] == letter && what[2] == '\0');
}

static void want_text(lua_State *L, struct net_want *w) {
  const char *what = lua_tostring(L, READ_WHAT);
  if (is_word(what, "line", 'l'))
    w->what = WANT_LINE;
  else if (is_word(what, "L", 'L'))
    w->what = WANT_LINE_WITH_END;
  else if (strcmp(what, "some") == 0)
    w->what = WANT_SOME;
  else if (is_word(what, "all", 'a'))
    w->what = WANT_ALL;
  else {
    lua_pushliteral(L, "what");
    lua_pushvalue(L, READ_WHAT);
    lua_pushliteral(L, "must be a count of bytes, 'line', 'L', 'some' or 'all'");
    net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
  }
  w->n = check_max(L, READ_MAX, w->what == WANT_ALL ? NET_WANT_MAX : LIMIT);
}

void net_want_read(lua_State *L, struct net_want *w) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, READ_WHAT, &is_integer);
  if (lua_isnil(L, READ_WHAT)) {
    w->what = WANT_LINE;
    w->n = check_max(L, READ_MAX, LIMIT);
  } else if (lua_type(L, READ_WHAT) == LUA_TSTRING) {
    want_text(L, w);
  } else if (lua_type(L, READ_WHAT) != LUA_TNUMBER) {
    net_error_arg_type(L, "what", "of type string or number", READ_WHAT);
  } else if (!is_integer || n < 0) {
    raise_range(L, "what", "an integer >= 0", READ_WHAT);
  } else {
    w->what = WANT_BYTES;
    w->n = (size_t)n;
    if ((size_t)n > check_max(L, READ_MAX, NET_WANT_MAX))
      w->n = SIZE_MAX; /* too long, whatever comes */
  }
}

void net_want_until(lua_State *L, struct net_want *w) {
  if (lua_type(L, READ_WHAT) != LUA_TSTRING)
    net_error_arg_type(L, "delimiter", "of type string", READ_WHAT);
  if (lua_rawlen(L, READ_WHAT) == 0) {
    lua_pushliteral(L, "delimiter");
    lua_pushvalue(L, READ_WHAT);
    lua_pushliteral(L, "must not be empty");
    net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
  }
  w->what = WANT_UNTIL;
  w->n = check_max(L, READ_MAX, LIMIT);
}

void net_want_words(lua_State *L, const struct net_want *w, lua_State *from) {
  static const char *const words[] = {
    [WANT_LINE] = "line", [WANT_LINE_WITH_END] = "L", [WANT_SOME] = "some", [WANT_ALL] = "all"
  };
  if (w->what == WANT_UNTIL)
    lua_pushliteral(L, "receiveUntil %s from");
  else
    lua_pushstring(L, w->peeks ? "peek %s from" : "receive %s from");
  if (w->what == WANT_BYTES) {
    lua_pushinteger(L, (lua_Integer)w->n);
  } else if (w->what == WANT_UNTIL) {
    lua_pushvalue(from, READ_WHAT);
    lua_xmove(from, L, 1);
  } else {
    lua_pushstring(L, words[w->what]);
  }
}

/* --- is it there ------------------------------------------------------------------------- */

/* Looks for a text from the first byte on. */
static void search(struct net_want *w, const struct net_stream *s, const char *what, size_t len) {
  net_rb_search(&w->search, &s->in, what, len);
  w->found = 0;
}

void net_want_begin(lua_State *L, struct net_want *w, const struct net_stream *s) {
  if (w->what == WANT_UNTIL)
    search(w, s, lua_tostring(L, READ_WHAT), lua_rawlen(L, READ_WHAT));
  else
    search(w, s, "\n", 1);
}

size_t net_want_line(lua_State *L, int idx, const struct net_stream *s, size_t found) {
  int has_cr = found > 1 && net_rb_byte(L, idx, &s->in, found - 2) == '\r';
  return found - 1 - (size_t)has_cr;
}

/* Of a text that ends with a delimiter. A CR may be the begin of a line's end. */
static enum net_there look_for_end(lua_State *L, int idx, struct net_stream *s,
                                   struct net_want *w) {
  int is_line = w->what != WANT_UNTIL;
  if (w->found == 0 || w->search.moves != s->in.moves)
    w->found = net_rb_find(L, idx, &s->in, &w->search);
  if (w->found > 0) {
    size_t n = is_line ? net_want_line(L, idx, s, w->found) : w->found - w->search.len;
    return n <= w->n ? THERE_WHOLE : THERE_TOO_LONG;
  }
  if (s->in.len <= w->n)
    return THERE_NOT_YET;
  if (is_line)
    return s->in.len == w->n + 1 && net_rb_byte(L, idx, &s->in, w->n) == '\r' ? THERE_NOT_YET
                                                                              : THERE_TOO_LONG;
  return s->in.len - w->search.matched > w->n ? THERE_TOO_LONG : THERE_NOT_YET;
}

enum net_there net_want_look(lua_State *L, int idx, struct net_stream *s, struct net_want *w) {
  switch (w->what) {
    case WANT_SOME: return s->in.len > 0 ? THERE_WHOLE : THERE_NOT_YET;
    case WANT_BYTES:
      if (w->n == SIZE_MAX)
        return THERE_TOO_LONG;
      return s->in.len >= w->n ? THERE_WHOLE : THERE_NOT_YET;
    case WANT_ALL: return s->in.len > w->n ? THERE_TOO_LONG : THERE_NOT_YET;
    default: return look_for_end(L, idx, s, w);
  }
}

size_t net_want_whole(const struct net_want *w, const char *bytes, size_t n, size_t *gives) {
  const char *end;
  switch (w->what) {
    case WANT_SOME: return *gives = n < w->n ? n : w->n;
    case WANT_BYTES: return *gives = w->n <= n ? w->n : 0;
    case WANT_LINE:
    case WANT_LINE_WITH_END:
      end = memchr(bytes, '\n', n);
      if (end == NULL)
        return 0;
      *gives = (size_t)(end - bytes);
      *gives -= *gives > 0 && end[-1] == '\r';
      if (*gives > w->n)
        return 0;
      if (w->what == WANT_LINE_WITH_END)
        *gives = (size_t)(end - bytes) + 1;
      return (size_t)(end - bytes) + 1;
    default: return 0;
  }
}
