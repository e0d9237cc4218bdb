/* SPDX-License-Identifier: MIT
 *
 * jsonread.c - a JSON text as a Lua value.
 *
 * One loop over the text. What is open is a frame; its values wait on the Lua stack until
 * it is closed, or there are many, so that most tables are made once, of the right size:
 * letting them grow from nothing took half of the time. A frame's first slot is for its
 * table. Where one was closed at the same depth, the next is taken to be as large, and is
 * made before its values: records of one shape need not wait. That is wrong but once for
 * each that was large, so a text has no more of memory by it than some times its length.
 *
 * Refused: to know a name again by its place, as records have the same ones, and to fetch
 * the string from a list. It made the reader no faster; to know any short string again by
 * its bytes, on the stack, does (jsonscan.c).
 *
 * What is no JSON ends the loop with a kind and the byte to blame. The words are
 * JSON.parse's, and are made in Lua, by net.internal.jsonerrors, of which the kinds are
 * keys. Nothing has been made then that the collector does not know. */
#include <lauxlib.h>
#include <lua.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/jsonscan.h"
#include "base/jsonvalues.h"

#define BATCH 64 /* stack slots that wait until a table is made for them; even */
#define SLOTS (BATCH + 12)

#define LONG 512 /* bytes of a text in which strings may come again */

typedef unsigned char byte;

enum kind { ARRAY, OBJECT };

/* A table that is open. */
struct frame {
  int base;        /* the stack index of the table, nil as long as it is not made */
  byte kind;       /* enum kind */
  byte is_made;    /* the table, or it is still to be */
  int waiting;     /* values that stand on the stack behind it; a name and a value are two */
  lua_Integer put; /* elements, or names, that are in the table */
  int before;      /* 'put' of the last one of this depth, if it is BATCH at most; else 0 */
  byte kind_before;
};

struct reader {
  struct net_jsonscan scan;
  lua_State *L;
  int flags;
  int depth;     /* frames in use */
  int deepest;   /* that have been in use */
  int room;      /* the stack index up to which there are slots */
  int metatable; /* stack index of that of arrays, or of nil before it is needed */
  int has_metatable;
  struct frame frames[NET_JSON_DEPTH + NET_JSON_WRAPS + 1];
};

/* null as the value of an object is nothing, by which a name is taken back. [-0, +1, -] */
static int read_null(struct reader *r) {
  if (!net_jsonscan_word(&r->scan, "null"))
    return 0;
  if (r->depth > 0 && r->frames[r->depth - 1].kind == OBJECT)
    lua_pushnil(r->L);
  else
    net_json_push_null(r->L);
  return 1;
}

static int read_boolean(struct reader *r, int value) {
  if (!net_jsonscan_word(&r->scan, value ? "true" : "false"))
    return 0;
  lua_pushboolean(r->L, value);
  return 1;
}

/* Tables */

static void set_elements(struct reader *r, struct frame *f, int n) {
  for (int i = n; i >= 1; i--)
    lua_rawseti(r->L, f->base, i);
  f->put = n;
}

/* In order, as of a name that stands there twice the last counts. */
static void set_names(struct reader *r, struct frame *f, int n) {
  lua_State *L = r->L;
  for (int i = 1; i < n; i += 2) {
    lua_pushvalue(L, f->base + i);
    lua_pushvalue(L, f->base + i + 1);
    lua_rawset(L, f->base);
  }
  lua_settop(L, f->base);
  f->put = n / 2;
}

static void mark_array(struct reader *r, int idx) {
  if (!r->has_metatable) {
    net_json_push_array_metatable(r->L);
    lua_replace(r->L, r->metatable);
    r->has_metatable = 1;
  }
  lua_pushvalue(r->L, r->metatable);
  lua_setmetatable(r->L, idx);
}

/* Makes the table of what waits for it, with that room. [-n, +0, m] */
static void make_table(struct reader *r, struct frame *f, int room) {
  int n = f->waiting;
  if (f->kind == ARRAY)
    lua_createtable(r->L, room, 0);
  else
    lua_createtable(r->L, 0, room / 2);
  lua_replace(r->L, f->base);
  f->is_made = 1;
  if (f->kind == ARRAY) {
    mark_array(r, f->base);
    set_elements(r, f, n);
  } else {
    set_names(r, f, n);
  }
}

/* Whether the table is made now, as the one before it at this depth was of that kind. A
 * binary string is to be no table. */
static int is_expected(const struct reader *r, const struct frame *f, int kind) {
  return f->before > 0 && f->kind_before == kind && !(r->flags & NET_JSON_BINARY);
}

/* The frame of the next depth. */
static struct frame *next_frame(struct reader *r) {
  struct frame *f = &r->frames[r->depth];
  if (r->depth == r->deepest) {
    r->deepest++;
    f->before = 0;
  }
  r->depth++;
  return f;
}

static int deepest(const struct reader *r) {
  return NET_JSON_DEPTH + (r->flags & NET_JSON_WRAPPED ? NET_JSON_WRAPS : 0);
}

/* Opens one, whose bracket has been taken. The level beyond the last is for what closes
 * as a binary string. [-0, +1, m] */
static int open_frame(struct reader *r, int kind) {
  int limit = deepest(r) + (kind == OBJECT && (r->flags & NET_JSON_BINARY));
  struct frame *f;
  if (r->depth >= limit)
    return net_jsonscan_fail(&r->scan, "deep", r->scan.at - 1);
  f = next_frame(r);
  f->base = lua_gettop(r->L) + 1;
  if (f->base + SLOTS > r->room) {
    net_json_room(r->L, 2 * SLOTS);
    r->room = f->base + 2 * SLOTS - 1;
  }
  f->kind = (byte)kind;
  f->is_made = (byte)is_expected(r, f, kind);
  f->waiting = 0;
  f->put = 0;
  if (!f->is_made) {
    lua_pushnil(r->L);
  } else if (kind == OBJECT) {
    lua_createtable(r->L, 0, f->before);
  } else {
    lua_createtable(r->L, f->before, 0);
    mark_array(r, f->base);
  }
  return 1;
}

/* Replaces the table at 'base' by the bytes of the text behind its name, if it is such a
 * text; returns whether it is. [-n, +0, m] */
static int take_bytes(lua_State *L, int base) {
  luaL_Buffer b;
  size_t len;
  const byte *text = (const byte *)lua_tolstring(L, base + 2, &len);
  byte *out;
  if (!net_base64_is(text, len))
    return 0;
  out = (byte *)luaL_buffinitsize(L, &b, (len / 4 + 1) * 3);
  luaL_pushresultsize(&b, net_base64_read(out, text, len));
  lua_replace(L, base);
  lua_settop(L, base);
  return 1;
}

/* Of {"$b":"base64"}, not a table yet, makes the string, and returns whether it has; of an
 * only name with more dollars takes one off. [-n, +0, m] */
static int read_binary(lua_State *L, int base) {
  size_t len, dollars = 0;
  const char *name = lua_tolstring(L, base + 1, &len);
  while (dollars < len && name[dollars] == '$')
    dollars++;
  if (dollars == 0 || dollars + 1 != len || name[dollars] != 'b')
    return 0;
  if (dollars == 1)
    return lua_type(L, base + 2) == LUA_TSTRING && take_bytes(L, base);
  lua_pushlstring(L, name + 1, len - 1);
  lua_replace(L, base + 1);
  return 0;
}

/* Closes the innermost, whose bracket is due: its value is on the top then. [-n, +0, m] */
static int close_frame(struct reader *r) {
  struct frame *f = &r->frames[r->depth - 1];
  int is_pair = f->kind == OBJECT && f->waiting == 2 && !f->is_made;
  if (!(is_pair && (r->flags & NET_JSON_BINARY) && read_binary(r->L, f->base))) {
    if (r->depth > deepest(r))
      return net_jsonscan_fail(&r->scan, "deep", r->scan.at);
    if (!f->is_made)
      make_table(r, f, f->waiting);
  }
  f->before = f->put > BATCH ? 0 : (int)f->put;
  f->kind_before = f->kind;
  r->scan.at++;
  r->depth--;
  return 1;
}

/* The value on the top belongs to the innermost table. [-(0|1|2), +0, m] */
static void keep_value(struct reader *r) {
  struct frame *f = &r->frames[r->depth - 1];
  if (!f->is_made) {
    f->waiting += f->kind == ARRAY ? 1 : 2;
    if (f->waiting > BATCH)
      make_table(r, f, 2 * BATCH);
  } else if (f->kind == ARRAY) {
    lua_rawseti(r->L, f->base, ++f->put);
  } else {
    lua_rawset(r->L, f->base);
    f->put++;
  }
}

/* Pushes a property's name, and takes the colon. [-0, +(0|1), m] */
static int read_name(struct reader *r, const char *problem) {
  if (net_jsonscan_peek(&r->scan) != '"')
    return net_jsonscan_fail(&r->scan, problem, r->scan.at);
  if (!net_jsonscan_string(&r->scan))
    return 0;
  if (net_jsonscan_peek(&r->scan) != ':')
    return net_jsonscan_fail(&r->scan, "colon", r->scan.at);
  r->scan.at++;
  return 1;
}

/* Behind a value in a table: closes what ends there, until another value is due. Returns
 * that, or 0 where the outermost has been closed, or something is wrong. */
static int next_value(struct reader *r) {
  while (r->depth > 0) {
    int kind = r->frames[r->depth - 1].kind;
    byte c;
    keep_value(r);
    c = net_jsonscan_peek(&r->scan);
    if (c == ',') {
      r->scan.at++;
      return kind == ARRAY || read_name(r, "next name");
    }
    if (c != (kind == ARRAY ? ']' : '}'))
      return net_jsonscan_fail(&r->scan, kind == ARRAY ? "element" : "property", r->scan.at);
    if (!close_frame(r))
      return 0;
  }
  return 0;
}

enum found { FAILED, WHOLE, OPENED };

/* Behind an opening bracket. */
static enum found read_opening(struct reader *r, int kind) {
  r->scan.at++;
  if (!open_frame(r, kind))
    return FAILED;
  if (net_jsonscan_peek(&r->scan) == (kind == ARRAY ? ']' : '}'))
    return close_frame(r) ? WHOLE : FAILED;
  if (kind == OBJECT && !read_name(r, "name"))
    return FAILED;
  return OPENED;
}

/* Pushes the value that is due, if it is whole. [-0, +(0|1), m] */
static enum found read_value(struct reader *r) {
  byte c = net_jsonscan_peek(&r->scan);
  int ok;
  switch (c) {
    case '"': ok = net_jsonscan_string(&r->scan); break;
    case '{': return read_opening(r, OBJECT);
    case '[': return read_opening(r, ARRAY);
    case 't': ok = read_boolean(r, 1); break;
    case 'f': ok = read_boolean(r, 0); break;
    case 'n': ok = read_null(r); break;
    default:
      if (c != '-' && !(c >= '0' && c <= '9'))
        return net_jsonscan_fail(&r->scan, "token", r->scan.at), FAILED;
      ok = net_jsonscan_number(&r->scan);
  }
  return ok ? WHOLE : FAILED;
}

/* Pushes the value of the text, unless it fails. [-0, +n, m] */
static void read_text(struct reader *r) {
  enum found found;
  do
    found = read_value(r);
  while (found == OPENED || (found == WHOLE && next_value(r)));
  if (r->scan.problem == NULL && (net_jsonscan_peek(&r->scan), r->scan.at != r->scan.end))
    net_jsonscan_fail(&r->scan, "more", r->scan.at);
}

int net_json_decode(lua_State *L, const char *text, size_t len, int flags) {
  struct reader r;
  int top = lua_gettop(L);
  net_json_room(L, SLOTS);
  r.L = r.scan.L = L;
  r.scan.at = (const byte *)text;
  r.scan.end = r.scan.at + len;
  r.scan.problem = NULL;
  r.flags = flags;
  r.depth = 0;
  r.deepest = 0;
  r.room = 0;
  r.has_metatable = 0;
  lua_pushnil(L);
  r.metatable = top + 1;
  r.scan.known = 0;
  if (len >= LONG)
    net_jsonscan_know(&r.scan);
  read_text(&r);
  if (r.scan.problem == NULL) {
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return 1;
  }
  lua_settop(L, top);
  lua_pushstring(L, r.scan.problem);
  lua_pushlstring(L, text, len);
  lua_pushinteger(L, (lua_Integer)(r.scan.at - (const byte *)text) + 1);
  net_json_explain(L, "decode", 3);
  return 0;
}
