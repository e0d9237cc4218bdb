/* SPDX-License-Identifier: MIT
 *
 * jsonscan.c - the scalars of a JSON text: strings, numbers, words.
 *
 * A string is looked over first, and then pushed as it stands there, if nothing in it is
 * to be changed, or written anew into a buffer that is large enough.
 *
 * In a long text a short one may have come before. Lua would hash its bytes, walk a chain of
 * strings and compare; here the bytes are one word, or begin with one, by which it is found
 * on the stack, in one of two places. */
#include "base/jsonscan.h"

#include <lauxlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/jsonplain.h"
#include "base/jsonvalues.h"
#include "base/utf8.h"

#define SHORT 256  /* bytes that fit into the C stack */
#define LONGEST 32 /* bytes of a string that is kept, with its closing quote */

typedef unsigned char byte;

/* What a letter stands for behind a backslash, 0 for none. */
static const byte escape_value[256] = {
  ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
  ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static int is_digit(byte c) { return c >= '0' && c <= '9'; }

static int is_hex_digit(byte c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

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
static const byte *skip_escape(struct net_jsonscan *s, const byte *at) {
  if (at < s->end && escape_value[*at])
    return at + 1;
  if (at == s->end || *at != 'u')
    return net_jsonscan_fail(s, is_latin1(at, s->end) ? "escape" : "token", at), NULL;
  at++;
  for (int i = 0; i < 4; i++, at++)
    if (at == s->end || !is_hex_digit(*at))
      return net_jsonscan_fail(s, "unicode", at), NULL;
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
    at = net_json_skip_plain(at, end);
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

/* [-0, +1, m] */
static void push_unescaped(lua_State *L, const byte *at, const byte *end, size_t room) {
  if (room <= SHORT) {
    byte text[SHORT];
    lua_pushlstring(L, (char *)text, (size_t)(unescape(text, at, end) - text));
  } else {
    luaL_Buffer b;
    byte *text = (byte *)luaL_buffinitsize(L, &b, room);
    luaL_pushresultsize(&b, (size_t)(unescape(text, at, end) - text));
  }
}

void net_jsonscan_know(struct net_jsonscan *s) {
  net_json_room(s->L, NET_JSONSCAN_KNOWN + LUA_MINSTACK);
  s->known = lua_gettop(s->L) + 1;
  memset(s->words, 0, sizeof s->words);
  memset(s->lens, 0, sizeof s->lens);
  lua_settop(s->L, s->known - 1 + NET_JSONSCAN_KNOWN);
}

static inline unsigned slot_of(uint64_t key) {
  return (unsigned)(key * UINT64_C(0x9E3779B97F4A7C15) >> (64 - NET_JSONSCAN_BITS));
}

/* The string on the top is to be known by that key. [-0, +0, -] */
static void keep_string(struct net_jsonscan *s, uint64_t key, const byte *longer, size_t len) {
  unsigned slot = slot_of(key);
  slot ^= s->words[slot] != 0 && s->words[slot ^ 1] == 0;
  lua_copy(s->L, -1, s->known + (int)slot);
  s->words[slot] = key;
  s->longer[slot] = longer;
  s->lens[slot] = (byte)len;
}

/* A string of up to seven plain bytes, which are a word with its length. Records have the
 * same names, and often the same values. [-0, +1, m] */
static int push_short(struct net_jsonscan *s, const byte *first, int len, uint64_t word) {
  uint64_t key = (word & ((UINT64_C(1) << 8 * len) - 1)) | (uint64_t)(len + 1) << 56;
  unsigned slot = slot_of(key);
  s->at = first + len + 1;
  if (s->words[slot] == key || s->words[slot ^= 1] == key) {
    lua_pushvalue(s->L, s->known + (int)slot);
  } else {
    lua_pushlstring(s->L, (const char *)first, (size_t)len);
    keep_string(s, key, NULL, 0);
  }
  return 1;
}

/* What is not to be changed is pushed as it stands there. [-0, +(0|1), m] */
static int push_any(struct net_jsonscan *s, const byte *first) {
  const byte *at = first, *end = s->end;
  size_t broken = 0; /* sequences that are no UTF-8; two bytes more for each */
  int changes = 0;
  for (;;) {
    at = net_json_skip_plain(at, end);
    if (at == end)
      return net_jsonscan_fail(s, "string", at);
    if (*at == '"')
      break;
    if (*at == '\\') {
      changes = 1;
      if ((at = skip_escape(s, at + 1)) == NULL)
        return 0;
    } else if (*at < 0x20) {
      return net_jsonscan_fail(s, "control", at);
    } else {
      int n = net_utf8_measure(at, (size_t)(end - at));
      broken += n < 0;
      at += n < 0 ? -n : n;
    }
  }
  s->at = at + 1;
  if (changes || broken)
    push_unescaped(s->L, first, at, (size_t)(at - first) + 2 * broken);
  else
    lua_pushlstring(s->L, (const char *)first, (size_t)(at - first));
  return 1;
}

/* Whether the text of a slot, which begins with the same word, stands at 'first' again, up to
 * its closing quote: then it is the same string, without another look at what is in it. */
static inline int is_again(const struct net_jsonscan *s, unsigned slot, const byte *first) {
  const byte *before = s->longer[slot];
  size_t len = s->lens[slot];
  if (len == 0 || (size_t)(s->end - first) < len)
    return 0;
  for (size_t i = NET_JSON_WORD; i < len; i += NET_JSON_WORD) {
    size_t at = i + NET_JSON_WORD <= len ? i : len - NET_JSON_WORD;
    if (memcmp(before + at, first + at, NET_JSON_WORD) != 0)
      return 0;
  }
  return 1;
}

/* Any other, of which that are the first bytes. They are in no short one's key, as no string
 * has a byte like its length. [-0, +(0|1), m] */
static int push_longer(struct net_jsonscan *s, const byte *first, uint64_t word) {
  unsigned slot = slot_of(word);
  if ((s->words[slot] == word && is_again(s, slot, first)) ||
      (s->words[slot ^= 1] == word && is_again(s, slot, first))) {
    s->at = first + s->lens[slot];
    lua_pushvalue(s->L, s->known + (int)slot);
    return 1;
  }
  if (!push_any(s, first))
    return 0;
  if (s->at - first <= LONGEST)
    keep_string(s, word, first, (size_t)(s->at - first));
  return 1;
}

int net_jsonscan_string(struct net_jsonscan *s) {
  const byte *first = s->at + 1;
  uint64_t word, marks;
  if (!s->known || s->end - first < NET_JSON_WORD)
    return push_any(s, first);
  memcpy(&word, first, sizeof word);
  marks = net_json_marks(word);
  if (marks != 0 && first[net_json_plain(marks)] == '"')
    return push_short(s, first, net_json_plain(marks), word);
  return push_longer(s, first, word);
}

/* Whether up to 19 digits are an integer of Lua's; 'n' is their value. */
static int fits(uint64_t n, ptrdiff_t digits, int negative) {
  return digits < 19 || (digits == 19 && n <= (uint64_t)INT64_MAX + (negative != 0));
}

static const byte *skip_digits(const byte *at, const byte *end) {
  while (at < end && is_digit(*at))
    at++;
  return at;
}

/* Where a fraction and an exponent end that may stand at 'at'; NULL when it has failed. */
static const byte *skip_fraction(struct net_jsonscan *s, const byte *at) {
  const byte *digits;
  if (at < s->end && *at == '.') {
    digits = at + 1;
    if ((at = skip_digits(digits, s->end)) == digits)
      return net_jsonscan_fail(s, "fraction", at), NULL;
  }
  if (at < s->end && (*at | 0x20) == 'e') {
    digits = at + 1;
    digits += digits < s->end && (*digits == '-' || *digits == '+');
    if ((at = skip_digits(digits, s->end)) == digits)
      return net_jsonscan_fail(s, "exponent", at), NULL;
  }
  return at;
}

int net_jsonscan_number(struct net_jsonscan *s) {
  const byte *start = s->at, *at = start, *first, *whole;
  int negative = *at == '-';
  uint64_t n = 0;
  for (first = at += negative; at < s->end && is_digit(*at); at++)
    n = n * 10 + (*at - '0'); /* of too many digits it is not used */
  if (at == first)
    return net_jsonscan_fail(s, "minus", at);
  if (*first == '0' && at - first > 1)
    return net_jsonscan_fail(s, "token", first + 1);
  whole = at;
  if (at < s->end && (*at == '.' || (*at | 0x20) == 'e') && (at = skip_fraction(s, at)) == NULL)
    return 0;
  s->at = at;
  if (at == whole && fits(n, whole - first, negative))
    lua_pushinteger(s->L, (lua_Integer)(negative ? 0 - n : n));
  else
    lua_pushnumber(s->L, net_decimal_read((const char *)start, (size_t)(at - start)));
  return 1;
}

unsigned char net_jsonscan_peek_on(struct net_jsonscan *s) {
  const byte *at = s->at, *end = s->end;
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  s->at = at;
  return at < end ? *at : 0;
}

int net_jsonscan_word(struct net_jsonscan *s, const char *word) {
  const byte *at = s->at;
  for (; *word != '\0'; word++, at++)
    if (at == s->end || *at != (byte)*word)
      return net_jsonscan_fail(s, "token", at);
  s->at = at;
  return 1;
}
