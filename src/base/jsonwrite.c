/* SPDX-License-Identifier: MIT
 *
 * jsonwrite.c - a Lua value as a JSON text.
 *
 * One loop over the value. Each table that is open is a level, with two slots on the Lua
 * stack: the table, and the key that was written last, from which lua_next goes on. The
 * value behind it stands in the third, which is the first of the level below if it is a
 * table. lua_next gives the keys 1 to n in order where they are in a table's array; where
 * they are not, its keys are counted first, and then asked for.
 *
 * The text grows in the C stack, and in a block of its own when it is longer. That belongs
 * to a userdata, so that a raise frees it. No metamethod is called, so nothing changes
 * meanwhile, but by finalizers: then lua_next may raise. */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/base64.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/json.h"
#include "base/jsonplain.h"
#include "base/jsonvalues.h"
#include "base/utf8.h"

#define BOX_TYPE "net.JsonBox"
#define FIRST_ROOM 4096 /* bytes in the C stack */
#define STRETCH 1024    /* bytes of a string for which there is room at once */
#define ESCAPED 6       /* bytes that one becomes at most */
#define SPARE 64        /* bytes of room before a value or a name: what is no string fits in */
#define SLOTS 8         /* of the Lua stack, for a level and what it calls */

typedef unsigned char byte;

/* What a long text stands in. */
struct box {
  char *text; /* owned; NULL: none */
  size_t room;
};

/* A table that is open. */
struct level {
  lua_Integer at;    /* of an array: the element that was written last */
  lua_Integer count; /* of an array whose elements are asked for; else 0 */
  int is_array;
};

struct writer {
  lua_State *L;
  char *start, *at, *end; /* the text, its next byte, the end of the room */
  struct box *box;        /* NULL as long as it is in 'first' */
  int base;               /* stack index of the box; the outermost value is the next */
  int flags;
  int depth; /* levels in use */
  const void *tables[NET_JSON_DEPTH];
  struct level levels[NET_JSON_DEPTH];
  char first[FIRST_ROOM];
};

/* The text */

static void box_free(lua_State *L, struct box *box) {
  void *ud;
  lua_Alloc allocate = lua_getallocf(L, &ud);
  if (box->text != NULL)
    allocate(ud, box->text, box->room, 0);
  box->text = NULL;
}

static int box_gc(lua_State *L) {
  box_free(L, lua_touserdata(L, 1));
  return 0;
}

/* [-0, +0, m] */
static void make_box(struct writer *w) {
  struct box *box = lua_newuserdatauv(w->L, sizeof *box, 0);
  box->text = NULL;
  box->room = 0;
  luaL_setmetatable(w->L, BOX_TYPE);
  lua_replace(w->L, w->base);
  w->box = box;
}

/* Makes room for 'n' bytes more. [-0, +0, m] */
__attribute__((noinline, cold)) static void grow(struct writer *w, size_t n) {
  size_t used = (size_t)(w->at - w->start), room = (size_t)(w->end - w->start);
  void *ud;
  lua_Alloc allocate = lua_getallocf(w->L, &ud);
  char *text;
  if (w->box == NULL)
    make_box(w);
  room = room * 2 > used + n ? room * 2 : used + n;
  text = allocate(ud, w->box->text, w->box->room, room);
  if (text == NULL) {
    net_error_memory(w->L);
    return; /* never */
  }
  if (w->box->text == NULL)
    memcpy(text, w->first, used);
  w->box->text = w->start = text;
  w->box->room = room;
  w->at = text + used;
  w->end = text + room;
}

static inline void reserve(struct writer *w, size_t n) {
  if ((size_t)(w->end - w->at) < n)
    grow(w, n);
}

/* The next two write into room that there is: SPARE bytes, or what was reserved. */

static inline void put_byte(struct writer *w, char c) { *w->at++ = c; }

static inline void put_literal(struct writer *w, const char *text, size_t len) {
  memcpy(w->at, text, len);
  w->at += len;
}

/* What has no JSON */

/* Pushes a list of the keys on the way to the value in question, of 'levels' levels.
 * [-0, +1, m] */
static void push_path(struct writer *w, int levels) {
  lua_createtable(w->L, levels, 0);
  for (int i = 0; i < levels; i++) {
    if (w->levels[i].is_array)
      lua_pushinteger(w->L, w->levels[i].at);
    else
      lua_pushvalue(w->L, w->base + 2 * i + 2);
    lua_rawseti(w->L, -2, i + 1);
  }
}

/* Raises what the Lua half makes of that and of the value on the top; 'levels' tell the
 * path. [-0, -, e] */
static void refuse(struct writer *w, const char *problem, int levels) {
  net_json_room(w->L, SLOTS);
  lua_pushstring(w->L, problem);
  lua_insert(w->L, -2);
  push_path(w, levels);
  net_json_explain(w->L, "encode", 3);
  net_error_throw(w->L);
}

/* Raises it of a circle that begins with the table of level 'first' and ends with the one
 * on the top. Lua gets the tables of it, too, as their classes show. [-0, -, e] */
static void refuse_circle(struct writer *w, int first) {
  net_json_room(w->L, SLOTS);
  lua_createtable(w->L, w->depth - first, 0);
  for (int i = first; i < w->depth; i++) {
    lua_pushvalue(w->L, w->base + 2 * i + 1);
    lua_rawseti(w->L, -2, i - first + 1);
  }
  push_path(w, w->depth);
  lua_pushinteger(w->L, first);
  net_json_explain(w->L, "circle", 3);
  net_error_throw(w->L);
}

/* Scalars */

/* What stands behind the backslash for a byte, 'u' for those that have no letter, and 1
 * for those beyond ASCII; 0 for what stays. */
static const byte escapes[256] = {
  'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b',         't',           'n', 'u',
  'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u',         'u',           'u', 'u',
  'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', ['"'] = '"', ['\\'] = '\\',
};

static char *put_escape(char *out, byte c) {
  static const char digits[] = "0123456789abcdef";
  *out++ = '\\';
  *out++ = (char)escapes[c];
  if (escapes[c] == 'u') {
    out[0] = out[1] = '0';
    out[2] = digits[c >> 4];
    out[3] = digits[c & 15];
    out += 4;
  }
  return out;
}

/* Copies the plain bytes of a string from '*at' to 'out'; returns the byte behind what it
 * wrote, and moves '*at'. More may be written than is kept, a word. */
static inline char *copy_plain(char *out, const byte **at, const byte *end) {
  const byte *s = *at;
  uint64_t word, marks;
  for (; end - s >= NET_JSON_WORD; s += NET_JSON_WORD, out += NET_JSON_WORD) {
    memcpy(&word, s, sizeof word);
    memcpy(out, &word, sizeof word);
    if ((marks = net_json_marks(word)) != 0) {
      out += net_json_plain(marks);
      s += net_json_plain(marks);
      break;
    }
  }
  if (end - s >= 4) { /* names are short */
    uint32_t half;
    memcpy(&half, s, sizeof half);
    memcpy(out, &half, sizeof half);
    if ((net_json_marks(half) & UINT32_C(0x80808080)) == 0) {
      out += 4;
      s += 4;
    }
  }
  while (s < end && net_json_is_plain(*s))
    *out++ = (char)*s++;
  *at = s;
  return out;
}

/* Writes the text of a string up to 'stop' or a little beyond it, for which there is room.
 * Returns the byte that it got to, which is no UTF-8 if it is before 'stop'. */
static const byte *put_stretch(struct writer *w, const byte *s, const byte *stop, const byte *end) {
  char *out = w->at;
  while (s < stop) {
    out = copy_plain(out, &s, stop);
    if (s == stop)
      break;
    if (*s < 0x80) {
      out = put_escape(out, *s++);
    } else {
      int n = net_utf8_measure(s, (size_t)(end - s));
      if (n < 0)
        break;
      for (; n > 0; n--)
        *out++ = (char)*s++;
    }
  }
  w->at = out;
  return s;
}

/* Writes a string in quotes; returns whether it is UTF-8. Leaves SPARE. [-0, +0, m] */
static int put_string(struct writer *w, const char *text, size_t len) {
  const byte *s = (const byte *)text, *end = s + len;
  put_byte(w, '"');
  while (s < end) {
    const byte *stop = end - s > STRETCH ? s + STRETCH : end;
    reserve(w, (size_t)(stop - s) * ESCAPED + SPARE + 8);
    s = put_stretch(w, s, stop, end);
    if (s < stop)
      return 0;
  }
  put_byte(w, '"');
  return 1;
}

/* Writes {"$b":"base64"}. [-0, +0, m] */
static void put_binary(struct writer *w, const char *text, size_t len) {
  if (len > SIZE_MAX / 2)
    net_error_memory(w->L);
  put_literal(w, "{\"$b\":\"", 7);
  reserve(w, (len / 3 + 1) * 4 + SPARE);
  w->at += net_base64_put((byte *)w->at, (const byte *)text, len);
  put_literal(w, "\"}", 2);
}

/* Writes the string on the top. [-0, +0, e] */
static void put_value_string(struct writer *w) {
  size_t len, before = (size_t)(w->at - w->start);
  const char *text = lua_tolstring(w->L, -1, &len);
  if (put_string(w, text, len))
    return;
  if (!(w->flags & NET_JSON_BINARY))
    refuse(w, "value", w->depth);
  w->at = w->start + before;
  put_binary(w, text, len);
}

/* Writes the number on the top. [-0, +0, m] */
static void put_number(struct writer *w) {
  if (lua_isinteger(w->L, -1)) {
    w->at = net_decimal_put_integer(w->at, lua_tointeger(w->L, -1));
  } else {
    lua_Number n = lua_tonumber(w->L, -1);
    if (isfinite(n))
      w->at = net_decimal_put(w->at, n);
    else
      put_literal(w, "null", 4);
  }
}

static int is_null(struct writer *w) {
  int found;
  net_json_push_null(w->L);
  found = lua_rawequal(w->L, -1, -2);
  lua_pop(w->L, 1);
  return found;
}

/* Tables */

static int table_index(const struct writer *w) { return w->base + 2 * w->depth - 1; }

/* Whether the object that is open has no name but the one behind which the value on the
 * top stands. [-0, +0, e] */
static int is_only_name(struct writer *w) {
  lua_State *L = w->L;
  int more;
  lua_pushnil(L);
  more = lua_next(L, table_index(w));
  lua_pop(L, 1); /* the value, the key is the first one */
  more = more && lua_next(L, table_index(w));
  if (more)
    lua_pop(L, 2);
  return !more;
}

/* Whether a name would read as that of a binary string, with dollars before it. */
static int is_dollars(const char *name, size_t len) {
  size_t i = 0;
  while (i < len && name[i] == '$')
    i++;
  return i > 0 && i + 1 == len && name[i] == 'b';
}

/* Writes the key below the value on the top. [-0, +0, e] */
static void put_name(struct writer *w) {
  size_t len;
  const char *name;
  if (lua_type(w->L, -2) != LUA_TSTRING) {
    lua_pop(w->L, 1);
    refuse(w, "mixed", w->depth - 1);
  }
  name = lua_tolstring(w->L, -2, &len);
  if ((w->flags & NET_JSON_BINARY) && is_dollars(name, len) && is_only_name(w)) {
    put_literal(w, "\"$", 2);
    reserve(w, len + SPARE);
    put_literal(w, name, len);
    put_byte(w, '"');
  } else if (!put_string(w, name, len)) {
    lua_pop(w->L, 1);
    refuse(w, "name", w->depth - 1);
  }
  put_byte(w, ':');
}

/* Makes sure of the keys of an array whose elements do not come in order, and sets its
 * count. The stack ends with the table. [-0, +0, e] */
static void count_elements(struct writer *w, struct level *level) {
  lua_State *L = w->L;
  lua_Integer count = 0, last = 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pop(L, 1);
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
      refuse(w, "mixed", w->depth - 1);
    if (lua_tointeger(L, -1) > last)
      last = lua_tointeger(L, -1);
    count++;
  }
  if (count != last)
    refuse(w, "hole", w->depth - 1);
  level->count = count;
}

/* Pushes the element that is due, of those that are asked for, behind nil in the place of
 * a key; returns 0 behind the last one. [-n, +(0|2), e] */
static int ask_element(struct writer *w, struct level *level) {
  lua_settop(w->L, table_index(w));
  if (level->at == level->count)
    return 0;
  lua_pushnil(w->L);
  if (lua_rawgeti(w->L, -2, ++level->at) != LUA_TNIL)
    return 1;
  lua_settop(w->L, table_index(w));
  refuse(w, "hole", w->depth - 1);
  return 0;
}

/* Whether the key and value on the top are the element that is due; else puts those there,
 * returns 0 if there are none. [-n, +(0|2), e] */
static int check_element(struct writer *w, struct level *level) {
  if (lua_isinteger(w->L, -2) && lua_tointeger(w->L, -2) == level->at + 1) {
    level->at++;
    return 1;
  }
  lua_settop(w->L, table_index(w));
  count_elements(w, level);
  return ask_element(w, level);
}

/* Pushes the next element behind its key, which is on the top; 0 if there is none.
 * [-1, +(0|2), e] */
static int next_element(struct writer *w, struct level *level) {
  if (level->count > 0)
    return ask_element(w, level);
  return lua_next(w->L, table_index(w)) && check_element(w, level);
}

/* The table on the top becomes a level. [-0, +0, e] */
static struct level *open_level(struct writer *w) {
  struct level *level = &w->levels[w->depth];
  const void *table = lua_topointer(w->L, -1);
  for (int i = 0; i < w->depth; i++)
    if (w->tables[i] == table)
      refuse_circle(w, i);
  if (w->depth == NET_JSON_DEPTH)
    refuse(w, "deep", w->depth);
  net_json_room(w->L, SLOTS);
  w->tables[w->depth++] = table;
  level->at = level->count = 0;
  return level;
}

/* Whether a table is an array whatever its keys. [-0, +0, -] */
static int is_marked(struct writer *w, int table) {
  int marked;
  if (!lua_getmetatable(w->L, table))
    return 0;
  net_json_push_array_metatable(w->L);
  marked = lua_rawequal(w->L, -1, -2);
  lua_pop(w->L, 2);
  return marked;
}

/* Writes the beginning of the table on the top, and pushes its first key and value; returns
 * 0 if it has none, and is written. [-0, +(0|2), e] */
static int put_opening(struct writer *w) {
  struct level *level = open_level(w);
  int table = table_index(w);
  lua_pushnil(w->L);
  if (!lua_next(w->L, table)) {
    put_literal(w, is_marked(w, table) ? "[]" : "{}", 2);
    w->depth--;
    return 0;
  }
  level->is_array = lua_type(w->L, -2) == LUA_TNUMBER || is_marked(w, table);
  put_byte(w, level->is_array ? '[' : '{');
  if (level->is_array)
    return check_element(w, level);
  put_name(w);
  return 1;
}

/* Writes what stands before the next value of the innermost table, and pushes its key and
 * it; or the end of the table. [-1, +(0|2), e] */
static int put_next(struct writer *w) {
  struct level *level = &w->levels[w->depth - 1];
  reserve(w, SPARE);
  if (level->is_array ? next_element(w, level) : lua_next(w->L, table_index(w))) {
    put_byte(w, ',');
    if (!level->is_array)
      put_name(w);
    return 1;
  }
  put_byte(w, level->is_array ? ']' : '}');
  w->depth--;
  return 0;
}

/* Writes the value on the top; returns 0 if it is a table that goes on. [-0, +(0|2), e] */
static int put_value(struct writer *w) {
  reserve(w, SPARE);
  switch (lua_type(w->L, -1)) {
    case LUA_TSTRING: put_value_string(w); return 1;
    case LUA_TNUMBER: put_number(w); return 1;
    case LUA_TBOOLEAN:
      if (lua_toboolean(w->L, -1))
        put_literal(w, "true", 4);
      else
        put_literal(w, "false", 5);
      return 1;
    case LUA_TTABLE: return !put_opening(w);
    default:
      if (!is_null(w))
        refuse(w, "kind", w->depth);
      put_literal(w, "null", 4);
      return 1;
  }
}

/* Writes the value on the top. [-0, +0, e] */
static void put_all(struct writer *w) {
  for (;;) {
    if (!put_value(w))
      continue;
    for (;;) { /* the value on the top is written */
      if (w->depth == 0)
        return;
      lua_pop(w->L, 1);
      if (put_next(w))
        break;
    }
  }
}

void net_json_encode(lua_State *L, int idx, int flags) {
  struct writer w;
  idx = lua_absindex(L, idx);
  net_json_room(L, SLOTS);
  w.L = L;
  w.start = w.at = w.first;
  w.end = w.first + sizeof w.first;
  w.box = NULL;
  w.base = lua_gettop(L) + 1;
  w.flags = flags;
  w.depth = 0;
  lua_pushnil(L); /* in the place of the box */
  lua_pushvalue(L, idx);
  put_all(&w);
  if (flags & NET_JSON_LINE)
    put_byte(&w, '\n');
  lua_pushlstring(L, w.start, (size_t)(w.at - w.start));
  if (w.box != NULL)
    box_free(L, w.box);
  lua_replace(L, w.base);
  lua_settop(L, w.base);
}

void net_jsonwrite_open(lua_State *L) {
  luaL_newmetatable(L, BOX_TYPE);
  lua_pushcfunction(L, box_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
