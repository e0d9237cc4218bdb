/* SPDX-License-Identifier: MIT
 *
 * jsontext.c - a JSON text that grows: room for it, and strings in it.
 *
 * A short one stands in the C stack; a longer one in a block of its own, which is the
 * allocator's that Lua has, and belongs to a userdata, so that a raise frees it. A
 * luaL_Buffer wants to be on the top of Lua's stack, where the writer has its tables. */
#include "base/jsontext.h"

#include <lauxlib.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/jsonplain.h"
#include "base/utf8.h"

#define BOX_TYPE "net.JsonBox"
#define STRETCH 1024 /* bytes of a string for which there is room at once */
#define SHORT 32     /* bytes of a string that fits into the room there is */
#define ESCAPED 6    /* bytes that one becomes at most */

typedef unsigned char byte;

static void box_free(lua_State *L, struct net_jsonbox *box) {
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
static void make_box(struct net_jsontext *t) {
  struct net_jsonbox *box = lua_newuserdatauv(t->L, sizeof *box, 0);
  box->text = NULL;
  box->room = 0;
  luaL_setmetatable(t->L, BOX_TYPE);
  lua_replace(t->L, t->slot);
  t->box = box;
}

void net_jsontext_grow(struct net_jsontext *t, size_t n) {
  size_t used = (size_t)(t->at - t->start), room = (size_t)(t->end - t->start);
  void *ud;
  lua_Alloc allocate = lua_getallocf(t->L, &ud);
  char *text;
  if (t->box == NULL)
    make_box(t);
  room = room * 2 > used + n ? room * 2 : used + n;
  text = allocate(ud, t->box->text, t->box->room, room);
  if (text == NULL) {
    net_error_memory(t->L);
    return; /* never */
  }
  if (t->box->text == NULL)
    memcpy(text, t->first, used);
  t->box->text = t->start = text;
  t->box->room = room;
  t->at = text + used;
  t->end = text + room;
}

void net_jsontext_init(struct net_jsontext *t, lua_State *L) {
  t->L = L;
  t->start = t->at = t->first;
  t->end = t->first + sizeof t->first;
  t->box = NULL;
  lua_pushnil(L);
  t->slot = lua_gettop(L);
}

void net_jsontext_finish(struct net_jsontext *t) {
  if (t->box != NULL)
    box_free(t->L, t->box);
  lua_settop(t->L, t->slot - 1);
}

/* What stands behind the backslash for a byte, 'u' for those that have no letter; 0 for
 * what stays. */
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
static const byte *put_stretch(struct net_jsontext *t, const byte *s, const byte *stop,
                               const byte *end) {
  char *out = t->at;
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
  t->at = out;
  return s;
}

/* Copies up to SHORT bytes, in words that overlap; returns whether all are plain. */
static inline int copy_short(char *out, const byte *s, size_t len) {
  uint64_t word, marks = 0;
  uint32_t half;
  if (len >= NET_JSON_WORD) {
    for (size_t i = 0; i < len - NET_JSON_WORD; i += NET_JSON_WORD) {
      memcpy(&word, s + i, sizeof word);
      memcpy(out + i, &word, sizeof word);
      marks |= net_json_marks(word);
    }
    memcpy(&word, s + len - sizeof word, sizeof word);
    memcpy(out + len - sizeof word, &word, sizeof word);
    return (marks | net_json_marks(word)) == 0;
  }
  if (len >= 4) {
    memcpy(&half, s, sizeof half);
    memcpy(out, &half, sizeof half);
    word = half;
    memcpy(&half, s + len - sizeof half, sizeof half);
    memcpy(out + len - sizeof half, &half, sizeof half);
    return net_json_marks(word << 32 | half) == 0;
  }
  for (size_t i = 0; i < len; i++) {
    if (!net_json_is_plain(s[i]))
      return 0;
    out[i] = (char)s[i];
  }
  return 1;
}

int net_jsontext_string(struct net_jsontext *t, const char *text, size_t len) {
  const byte *s = (const byte *)text, *end = s + len;
  if (len <= SHORT && copy_short(t->at + 1, s, len)) {
    t->at[0] = t->at[len + 1] = '"';
    t->at += len + 2;
    return 1;
  }
  net_jsontext_byte(t, '"');
  while (s < end) {
    const byte *stop = end - s > STRETCH ? s + STRETCH : end;
    net_jsontext_reserve(t, (size_t)(stop - s) * ESCAPED + NET_JSONTEXT_SPARE + 8);
    s = put_stretch(t, s, stop, end);
    if (s < stop)
      return 0;
  }
  net_jsontext_byte(t, '"');
  return 1;
}

void net_jsontext_binary(struct net_jsontext *t, const char *text, size_t len) {
  if (len > SIZE_MAX / 2)
    net_error_memory(t->L);
  net_jsontext_literal(t, "{\"$b\":\"", 7);
  net_jsontext_reserve(t, (len / 3 + 1) * 4 + NET_JSONTEXT_SPARE);
  t->at += net_base64_put((byte *)t->at, (const byte *)text, len);
  net_jsontext_literal(t, "\"}", 2);
}

void net_jsontext_open(lua_State *L) {
  luaL_newmetatable(L, BOX_TYPE);
  lua_pushcfunction(L, box_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}
