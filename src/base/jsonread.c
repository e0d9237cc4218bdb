/* SPDX-License-Identifier: MIT
 *
 * jsonread.c - a JSON text as a Lua value.
 *
 * One loop over the text. What is open is a frame; its values wait on the Lua stack until
 * it is closed, or there are many, so that most tables are made once, of the right size:
 * letting them grow from nothing took half of the time. A frame's first slot is for its
 * table.
 *
 * What is no JSON ends the loop with a kind and the byte to blame. The words are
 * JSON.parse's, and are made in Lua, by net.internal.jsonerrors, of which the kinds are
 * keys. Nothing has been made then that the collector does not know. */
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <string.h>

#include "base/base64.h"
#include "base/decimal.h"
#include "base/json.h"
#include "base/jsonplain.h"
#include "base/jsonvalues.h"
#include "base/utf8.h"

#define BATCH 64 /* stack slots that wait until a table is made for them; even */
#define SLOTS (BATCH + 12)

typedef unsigned char byte;

enum kind { ARRAY, OBJECT };

/* A table that is open. */
struct frame {
  int base;        /* the stack index of the table, nil as long as it is not made */
  byte kind;       /* enum kind */
  byte is_made;    /* the table, or it is still to be */
  int waiting;     /* values that stand on the stack behind it; a name and a value are two */
  lua_Integer put; /* elements that are in the table */
};

struct reader {
  lua_State *L;
  const byte *start, *at, *end; /* borrowed */
  const char *problem;          /* the kind of what is wrong, for Lua; NULL: nothing */
  int flags;
  int depth;     /* frames in use */
  int metatable; /* stack index of that of arrays, or of nil before it is needed */
  struct frame frames[NET_JSON_DEPTH + 1];
};

/* What a letter stands for behind a backslash, 0 for none. */
static const byte escape_value[256] = {
  ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
  ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static int fail(struct reader *r, const char *problem, const byte *at) {
  r->problem = problem;
  r->at = at;
  return 0;
}

static int is_digit(byte c) { return c >= '0' && c <= '9'; }

static int is_hex_digit(byte c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/* The byte that is due behind white space; 0, which nothing takes, at the end. */
static inline byte peek(struct reader *r) {
  const byte *at = r->at, *end = r->end;
  while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  r->at = at;
  return at < end ? *at : 0;
}

/* Strings */

/* Where the first byte is that is not plain. */
static inline const byte *skip_plain(const byte *at, const byte *end) {
  uint64_t word, marks;
  for (; end - at >= NET_JSON_WORD; at += NET_JSON_WORD) {
    memcpy(&word, at, sizeof word);
    if ((marks = net_json_marks(word)) != 0) {
      at += net_json_plain(marks);
      break;
    }
  }
  while (at < end && net_json_is_plain(*at))
    at++;
  return at;
}

/* Four digits. */
static uint32_t hex_unit(const byte *at) {
  uint32_t unit = 0;
  for (int i = 0; i < 4; i++)
    unit = unit << 4 | (uint32_t)(is_digit(at[i]) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
  return unit;
}

/* Beyond Latin-1 V8 has another word for what stands behind a backslash. */
static int is_latin1(const byte *at, const byte *end) {
  return at < end && *at < 0xC4 && net_utf8_measure(at, (size_t)(end - at)) > 0;
}

/* Checks an escape of which 'at' is the byte behind the backslash; returns the byte behind
 * it, or NULL when it has failed. */
static const byte *skip_escape(struct reader *r, const byte *at) {
  if (at < r->end && escape_value[*at])
    return at + 1;
  if (at == r->end || *at != 'u')
    return fail(r, is_latin1(at, r->end) ? "escape" : "token", at), NULL;
  at++;
  for (int i = 0; i < 4; i++, at++)
    if (at == r->end || !is_hex_digit(*at))
      return fail(r, "unicode", at), NULL;
  return at;
}

/* Writes what "\u" stands for; 'at' is the first digit. Half of a pair has no place in
 * UTF-8. The quote behind it all stops the look for the other half. */
static const byte *put_unicode(byte **out, const byte *at) {
  uint32_t unit = hex_unit(at);
  at += 4;
  if (unit >> 10 == 0xD800 >> 10 && at[0] == '\\' && at[1] == 'u') {
    uint32_t low = hex_unit(at + 2);
    if (low >> 10 == 0xDC00 >> 10) {
      *out = net_utf8_put(*out, 0x10000 + ((unit & 0x3FF) << 10 | (low & 0x3FF)));
      return at + 6;
    }
  }
  *out = net_utf8_put(*out, unit >> 11 == 0xD800 >> 11 ? NET_UTF8_REPLACEMENT : unit);
  return at;
}

/* Writes the text of a string that has been checked, up to its closing quote at 'end';
 * returns the byte behind it. */
static byte *unescape(byte *out, const byte *at, const byte *end) {
  while (at < end) {
    const byte *plain = at;
    at = skip_plain(at, end);
    memcpy(out, plain, (size_t)(at - plain));
    out += at - plain;
    if (at == end)
      break;
    if (*at != '\\') {
      out = net_utf8_put(out, net_utf8_next(&at, end));
    } else if (at[1] == 'u') {
      at = put_unicode(&out, at + 2);
    } else {
      *out++ = escape_value[at[1]];
      at += 2;
    }
  }
  return out;
}

/* Reads a string, whose opening quote is due, and pushes it. What is not to be changed is
 * pushed as it stands there. [-0, +(0|1), m] */
static int read_string(struct reader *r) {
  const byte *first = r->at + 1, *at = first, *end = r->end;
  size_t broken = 0; /* sequences that are no UTF-8; two bytes more for each */
  int changes = 0;
  for (;;) {
    at = skip_plain(at, end);
    if (at == end)
      return fail(r, "string", at);
    if (*at == '"')
      break;
    if (*at == '\\') {
      changes = 1;
      if ((at = skip_escape(r, at + 1)) == NULL)
        return 0;
    } else if (*at < 0x20) {
      return fail(r, "control", at);
    } else {
      int n = net_utf8_measure(at, (size_t)(end - at));
      broken += n < 0;
      at += n < 0 ? -n : n;
    }
  }
  r->at = at + 1;
  if (changes || broken) {
    luaL_Buffer b;
    byte *out = (byte *)luaL_buffinitsize(r->L, &b, (size_t)(at - first) + 2 * broken);
    luaL_pushresultsize(&b, (size_t)(unescape(out, first, at) - out));
  } else {
    lua_pushlstring(r->L, (const char *)first, (size_t)(at - first));
  }
  return 1;
}

/* Numbers and words */

/* Whether up to 19 digits are an integer of Lua's; 'n' is their value. */
static int fits(uint64_t n, ptrdiff_t digits, int negative) {
  return digits < 19 || (digits == 19 && n <= (uint64_t)INT64_MAX + (negative != 0));
}

/* Pushes it, whose minus sign or first digit is due. [-0, +(0|1), -] */
static int read_number(struct reader *r) {
  const byte *start = r->at, *at = start, *first, *end = r->end;
  int negative = *at == '-', is_float = 0;
  uint64_t n = 0;
  first = at += negative;
  if (at == end || !is_digit(*at))
    return fail(r, "minus", at);
  for (; at < end && is_digit(*at); at++)
    n = n * 10 + (*at - '0'); /* of too many digits it is not used */
  if (*first == '0' && at - first > 1)
    return fail(r, "token", first + 1);
  if (!fits(n, at - first, negative))
    is_float = 1;
  if (at < end && *at == '.') {
    is_float = 1;
    if (++at == end || !is_digit(*at))
      return fail(r, "fraction", at);
    while (at < end && is_digit(*at))
      at++;
  }
  if (at < end && (*at | 0x20) == 'e') {
    is_float = 1;
    at++;
    at += at < end && (*at == '-' || *at == '+');
    if (at == end || !is_digit(*at))
      return fail(r, "exponent", at);
    while (at < end && is_digit(*at))
      at++;
  }
  r->at = at;
  if (is_float)
    lua_pushnumber(r->L, net_decimal_read((const char *)start, (size_t)(at - start)));
  else
    lua_pushinteger(r->L, (lua_Integer)(negative ? 0 - n : n));
  return 1;
}

static int read_word(struct reader *r, const char *word) {
  const byte *at = r->at;
  for (; *word != '\0'; word++, at++)
    if (at == r->end || *at != (byte)*word)
      return fail(r, "token", at);
  r->at = at;
  return 1;
}

/* null as the value of an object is nothing, by which a name is taken back. [-0, +1, -] */
static int read_null(struct reader *r) {
  if (!read_word(r, "null"))
    return 0;
  if (r->depth > 0 && r->frames[r->depth - 1].kind == OBJECT)
    lua_pushnil(r->L);
  else
    net_json_push_null(r->L);
  return 1;
}

static int read_boolean(struct reader *r, int value) {
  if (!read_word(r, value ? "true" : "false"))
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
}

static void mark_array(struct reader *r, int idx) {
  if (lua_isnil(r->L, r->metatable)) {
    net_json_push_array_metatable(r->L);
    lua_replace(r->L, r->metatable);
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

/* Opens one, whose bracket has been taken. The level beyond the last is for what closes
 * as a binary string. [-0, +1, m] */
static int open_frame(struct reader *r, int kind) {
  int limit = NET_JSON_DEPTH + (kind == OBJECT && (r->flags & NET_JSON_BINARY));
  struct frame *f = &r->frames[r->depth];
  if (r->depth >= limit)
    return fail(r, "deep", r->at - 1);
  net_json_room(r->L, SLOTS);
  lua_pushnil(r->L);
  f->base = lua_gettop(r->L);
  f->kind = (byte)kind;
  f->is_made = 0;
  f->waiting = 0;
  f->put = 0;
  r->depth++;
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
    if (r->depth > NET_JSON_DEPTH)
      return fail(r, "deep", r->at);
    if (!f->is_made)
      make_table(r, f, f->waiting);
  }
  r->at++;
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
  }
}

/* Pushes a property's name, and takes the colon. [-0, +(0|1), m] */
static int read_name(struct reader *r, const char *problem) {
  if (peek(r) != '"')
    return fail(r, problem, r->at);
  if (!read_string(r))
    return 0;
  if (peek(r) != ':')
    return fail(r, "colon", r->at);
  r->at++;
  return 1;
}

/* Behind a value in a table: closes what ends there, until another value is due. Returns
 * that, or 0 where the outermost has been closed, or something is wrong. */
static int next_value(struct reader *r) {
  while (r->depth > 0) {
    int kind = r->frames[r->depth - 1].kind;
    byte c;
    keep_value(r);
    c = peek(r);
    if (c == ',') {
      r->at++;
      return kind == ARRAY || read_name(r, "next name");
    }
    if (c != (kind == ARRAY ? ']' : '}'))
      return fail(r, kind == ARRAY ? "element" : "property", r->at);
    if (!close_frame(r))
      return 0;
  }
  return 0;
}

enum found { FAILED, WHOLE, OPENED };

/* Behind an opening bracket. */
static enum found read_opening(struct reader *r, int kind) {
  r->at++;
  if (!open_frame(r, kind))
    return FAILED;
  if (peek(r) == (kind == ARRAY ? ']' : '}'))
    return close_frame(r) ? WHOLE : FAILED;
  if (kind == OBJECT && !read_name(r, "name"))
    return FAILED;
  return OPENED;
}

/* Pushes the value that is due, if it is whole. [-0, +(0|1), m] */
static enum found read_value(struct reader *r) {
  byte c = peek(r);
  int ok;
  switch (c) {
    case '"': ok = read_string(r); break;
    case '{': return read_opening(r, OBJECT);
    case '[': return read_opening(r, ARRAY);
    case 't': ok = read_boolean(r, 1); break;
    case 'f': ok = read_boolean(r, 0); break;
    case 'n': ok = read_null(r); break;
    default:
      if (c != '-' && !is_digit(c))
        return fail(r, "token", r->at), FAILED;
      ok = read_number(r);
  }
  return ok ? WHOLE : FAILED;
}

/* Pushes the value of the text, unless it fails. [-0, +n, m] */
static void read_text(struct reader *r) {
  enum found found;
  do
    found = read_value(r);
  while (found == OPENED || (found == WHOLE && next_value(r)));
  if (r->problem == NULL && (peek(r), r->at != r->end))
    fail(r, "more", r->at);
}

int net_json_decode(lua_State *L, const char *text, size_t len, int flags) {
  struct reader r;
  int top = lua_gettop(L);
  net_json_room(L, SLOTS);
  r.L = L;
  r.start = r.at = (const byte *)text;
  r.end = r.start + len;
  r.problem = NULL;
  r.flags = flags;
  r.depth = 0;
  lua_pushnil(L);
  r.metatable = top + 1;
  read_text(&r);
  if (r.problem == NULL) {
    lua_replace(L, top + 1);
    return 1;
  }
  lua_settop(L, top);
  lua_pushstring(L, r.problem);
  lua_pushlstring(L, text, len);
  lua_pushinteger(L, (lua_Integer)(r.at - r.start) + 1);
  net_json_explain(L, "decode", 3);
  return 0;
}
