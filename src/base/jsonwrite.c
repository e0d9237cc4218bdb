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
 * No metamethod is called, so nothing changes meanwhile, but by finalizers: then lua_next
 * may raise. */
#include <lauxlib.h>
#include <lua.h>
#include <math.h>

#include "base/decimal.h"
#include "base/error.h"
#include "base/json.h"
#include "base/jsonagain.h"
#include "base/jsontext.h"
#include "base/jsonvalues.h"

#define SLOTS 8                        /* of the Lua stack, for a level and what it calls */
#define EXACT_LIMIT (INT64_C(1) << 53) /* up to it a whole number is written as any integer */

typedef unsigned char byte;

/* A table that is open. */
struct level {
  lua_Integer at;    /* of an array: the element that was written last */
  lua_Integer count; /* of an array whose elements are asked for; else 0 */
  int table, key;    /* stack indices; the value's is the next */
  int is_array;
};

struct writer {
  lua_State *L;
  struct net_jsontext text;
  struct net_jsonagain again;
  int base; /* stack index of the text's box; the outermost value is the next */
  int flags;
  int depth;   /* levels in use */
  int deepest; /* for which there is room on the stack */
  const void *tables[NET_JSON_DEPTH];
  struct level levels[NET_JSON_DEPTH];
};

/* What has no JSON */

/* Pushes a list of the keys on the way to the value in question, of 'levels' levels.
 * [-0, +1, m] */
static void push_path(struct writer *w, int levels) {
  lua_createtable(w->L, levels, 0);
  for (int i = 0; i < levels; i++) {
    if (w->levels[i].is_array)
      lua_pushinteger(w->L, w->levels[i].at);
    else
      lua_pushvalue(w->L, w->levels[i].key);
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
    lua_pushvalue(w->L, w->levels[i].table);
    lua_rawseti(w->L, -2, i - first + 1);
  }
  push_path(w, w->depth);
  lua_pushinteger(w->L, first);
  net_json_explain(w->L, "circle", 3);
  net_error_throw(w->L);
}

/* Scalars */

/* Writes what stands at 'idx', if it is a string that is known; returns whether it is.
 * [-0, +0, -] */
static inline int put_known(struct writer *w, int idx) {
  return w->again.slots && net_jsonagain_put(&w->again, &w->text, lua_topointer(w->L, idx));
}

/* Writes the string at 'idx', which is not known; returns whether it is UTF-8. [-0, +0, m] */
static int put_string(struct writer *w, int idx) {
  size_t len, before = (size_t)(w->text.at - w->text.start);
  const char *text = lua_tolstring(w->L, idx, &len);
  if (!net_jsontext_string(&w->text, text, len))
    return 0;
  if (w->again.slots)
    net_jsonagain_keep(&w->again, &w->text, idx, w->text.start + before);
  return 1;
}

/* Writes the string on the top, which is not known. [-0, +0, e] */
static void put_value_string(struct writer *w) {
  size_t len, before = (size_t)(w->text.at - w->text.start);
  const char *text;
  if (put_string(w, -1))
    return;
  if (!(w->flags & NET_JSON_BINARY))
    refuse(w, "value", w->depth);
  w->text.at = w->text.start + before;
  text = lua_tolstring(w->L, -1, &len);
  net_jsontext_binary(&w->text, text, len);
}

/* Writes the number on the top. A float that is a whole number reads as an integer. [-0, +0, m] */
static void put_number(struct writer *w) {
  int is_whole;
  lua_Integer whole = lua_tointegerx(w->L, -1, &is_whole);
  if (is_whole && ((whole >= -EXACT_LIMIT && whole <= EXACT_LIMIT) || lua_isinteger(w->L, -1))) {
    w->text.at = net_decimal_put_integer(w->text.at, whole);
  } else {
    lua_Number n = lua_tonumber(w->L, -1);
    if (isfinite(n))
      w->text.at = net_decimal_put(w->text.at, n);
    else
      net_jsontext_literal(&w->text, "null", 4);
  }
}

/* Tables */

static int table_index(const struct writer *w) { return w->levels[w->depth - 1].table; }

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

/* Writes the key below the value on the top, if it would read as a binary string; returns
 * whether it is. [-0, +0, e] */
static int put_dollars(struct writer *w) {
  size_t len;
  const char *name = lua_tolstring(w->L, -2, &len);
  if (!is_dollars(name, len) || !is_only_name(w))
    return 0;
  net_jsontext_literal(&w->text, "\"$", 2);
  net_jsontext_reserve(&w->text, len + NET_JSONTEXT_SPARE);
  net_jsontext_literal(&w->text, name, len);
  net_jsontext_byte(&w->text, '"');
  return 1;
}

/* The same of a key that has not been written yet. [-0, +0, e] */
static void put_new_name(struct writer *w) {
  if (lua_type(w->L, -2) != LUA_TSTRING) {
    lua_pop(w->L, 1);
    refuse(w, "mixed", w->depth - 1);
  }
  if ((w->flags & NET_JSON_BINARY) && put_dollars(w))
    return;
  if (!put_string(w, -2)) {
    lua_pop(w->L, 1);
    refuse(w, "name", w->depth - 1);
  }
}

/* Writes the key below the value on the top. No key but a string is known. [-0, +0, e] */
static inline void put_name(struct writer *w) {
  if (!put_known(w, -2))
    put_new_name(w);
  net_jsontext_byte(&w->text, ':');
}

/* Makes sure of the keys of an array whose elements do not come in order, and sets its
 * count. The stack ends before its key. [-0, +0, e] */
static void count_elements(struct writer *w, struct level *level) {
  lua_State *L = w->L;
  lua_Integer count = 0, last = 0;
  lua_pushnil(L);
  while (lua_next(L, level->table)) {
    lua_pop(L, 1);
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
      refuse(w, "mixed", w->depth - 1);
    if (lua_tointeger(L, -1) > last)
      last = lua_tointeger(L, -1);
    count++;
  }
  if (count != last) {
    lua_settop(L, level->table);
    refuse(w, "hole", w->depth - 1);
  }
  level->count = count;
}

/* Pushes the element that is due, of those that are asked for, behind nil in the place of
 * a key; returns 0 behind the last one. [-n, +(0|2), e] */
static int ask_element(struct writer *w, struct level *level) {
  lua_settop(w->L, level->key - 1);
  if (level->at == level->count)
    return 0;
  lua_pushnil(w->L);
  if (lua_rawgeti(w->L, level->table, ++level->at) != LUA_TNIL)
    return 1;
  lua_settop(w->L, level->table);
  refuse(w, "hole", w->depth - 1);
  return 0;
}

static inline int is_due(struct writer *w, struct level *level) {
  if (!lua_isinteger(w->L, -2) || lua_tointeger(w->L, -2) != level->at + 1)
    return 0;
  level->at++;
  return 1;
}

/* Puts the element that is due in the place of the key and value on the top, which are not;
 * returns 0 if there are none. [-n, +(0|2), e] */
static int check_element(struct writer *w, struct level *level) {
  lua_settop(w->L, level->key - 1);
  count_elements(w, level);
  return ask_element(w, level);
}

/* Pushes the next element behind its key, which is on the top; 0 if there is none.
 * [-1, +(0|2), e] */
static int next_element(struct writer *w, struct level *level) {
  if (level->count > 0)
    return ask_element(w, level);
  return lua_next(w->L, level->table) && (is_due(w, level) || check_element(w, level));
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
  if (w->depth == w->deepest) {
    net_json_room(w->L, SLOTS);
    w->deepest++;
  }
  level->table = w->depth == 0 ? w->base + 1 : level[-1].key + 1;
  level->key = level->table + 1;
  w->tables[w->depth++] = table;
  level->at = level->count = 0;
  return level;
}

/* The strings in the tables of an array are kept, which are often records, from its first
 * element on, behind whose key it is on the top. Their slots are below both. [-0, +n, m] */
static void keep_strings(struct writer *w, struct level *level) {
  int key = level->key;
  net_json_room(w->L, NET_JSONAGAIN_SLOTS + SLOTS);
  lua_settop(w->L, key + NET_JSONAGAIN_SLOTS - 1);
  level->key = lua_gettop(w->L) + 1;
  lua_pushvalue(w->L, key);
  lua_pushvalue(w->L, key + 1);
  w->deepest = w->depth; /* the deeper ones stand higher now */
  net_jsonagain_begin(&w->again, key);
}

/* Their array ends, with the stack before its key. [-n, +0, -] */
static void forget_strings(struct writer *w, const struct level *level) {
  lua_settop(w->L, level->table);
  w->again.slots = 0;
}

/* Pushes the first element, as put_opening. [-2, +(0|2), e] */
static int first_element(struct writer *w, struct level *level) {
  net_jsontext_byte(&w->text, '[');
  if (!is_due(w, level) && !check_element(w, level))
    return 0;
  if (!w->again.slots && lua_type(w->L, -1) == LUA_TTABLE && !(w->flags & NET_JSON_BINARY))
    keep_strings(w, level);
  return 1;
}

/* Writes the beginning of the table on the top, and pushes its first key and value; returns
 * 0 if it has none, and is written. [-0, +(0|2), e] */
static int put_opening(struct writer *w) {
  struct level *level = open_level(w);
  int table = table_index(w);
  lua_pushnil(w->L);
  if (!lua_next(w->L, table)) {
    net_jsontext_literal(&w->text, net_json_is_marked(w->L, table) ? "[]" : "{}", 2);
    w->depth--;
    return 0;
  }
  level->is_array = lua_type(w->L, -2) == LUA_TNUMBER || net_json_is_marked(w->L, table);
  if (level->is_array)
    return first_element(w, level);
  net_jsontext_byte(&w->text, '{');
  put_name(w);
  return 1;
}

/* Writes what stands before the next value of the innermost table, and pushes its key and
 * it; or the end of the table. [-1, +(0|2), e] */
static int put_next(struct writer *w) {
  struct level *level = &w->levels[w->depth - 1];
  net_jsontext_reserve(&w->text, NET_JSONTEXT_SPARE);
  if (level->is_array ? next_element(w, level) : lua_next(w->L, table_index(w))) {
    net_jsontext_byte(&w->text, ',');
    if (!level->is_array)
      put_name(w);
    return 1;
  }
  if (level->key > level->table + 1)
    forget_strings(w, level);
  net_jsontext_byte(&w->text, level->is_array ? ']' : '}');
  w->depth--;
  return 0;
}

/* Writes the value on the top; returns 0 if it is a table that goes on. [-0, +(0|2), e] */
static int put_value(struct writer *w) {
  net_jsontext_reserve(&w->text, NET_JSONTEXT_SPARE);
  switch (lua_type(w->L, -1)) {
    case LUA_TSTRING:
      if (!put_known(w, -1))
        put_value_string(w);
      return 1;
    case LUA_TNUMBER: put_number(w); return 1;
    case LUA_TBOOLEAN:
      if (lua_toboolean(w->L, -1))
        net_jsontext_literal(&w->text, "true", 4);
      else
        net_jsontext_literal(&w->text, "false", 5);
      return 1;
    case LUA_TTABLE: return !put_opening(w);
    default:
      if (!net_json_is_null(w->L, -1))
        refuse(w, "kind", w->depth);
      net_jsontext_literal(&w->text, "null", 4);
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

void net_json_write(lua_State *L, int idx, int flags, net_json_use *use, void *arg) {
  struct writer w;
  idx = lua_absindex(L, idx);
  net_json_room(L, SLOTS);
  net_jsontext_init(&w.text, L);
  w.L = L;
  w.base = lua_gettop(L);
  w.flags = flags;
  w.depth = w.deepest = 0;
  w.again.slots = 0;
  lua_pushvalue(L, idx);
  put_all(&w);
  if (flags & NET_JSON_LINE)
    net_jsontext_byte(&w.text, '\n');
  lua_settop(L, w.base);
  use(L, w.text.start, (size_t)(w.text.at - w.text.start), arg);
  net_jsontext_finish(&w.text);
}
