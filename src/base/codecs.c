/* SPDX-License-Identifier: MIT
 *
 * codecs.c - what is known of each text encoding. See codecs.h.
 *
 * Writing takes a Lua string as UTF-8 text and sees it as Node does, as UTF-16 units.
 * Invalid UTF-8 counts as U+FFFD both ways.
 *
 * Each x_text pushes the text of bytes, each x_push the bytes of a text, all
 * with [-0, +1, m]. Chunks of pure ASCII and valid UTF-8 are the common case:
 * they are checked and pushed whole, without a luaL_Buffer. */
#include "base/codecs.h"

#include <stdint.h>

#include "base/base64.h"
#include "base/utf8.h"

typedef unsigned char byte;

/* luaL_buffinitsize for 'len' units of 'each' bytes, when that can be counted. */
static byte *text_room(lua_State *L, luaL_Buffer *b, size_t len, size_t each) {
  if (len > SIZE_MAX / each)
    luaL_error(L, "text too large");
  return (byte *)luaL_buffinitsize(L, b, len * each);
}

static void push_bytes(lua_State *L, const byte *s, size_t len) {
  lua_pushlstring(L, (const char *)s, len);
}

/* How long a sequence its lead byte announces; 1 for what leads nothing. */
static size_t utf8_announced(byte lead) {
  if (lead < 0xC0 || lead >= 0xF8)
    return 1;
  return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Looks at the last three bytes alone: a sequence of four is never kept. */
static size_t utf8_tail(const byte *s, size_t len) {
  for (size_t n = 1; n <= 3 && n <= len; n++)
    if (!net_utf8_is_trail(s[len - n]))
      return utf8_announced(s[len - n]) > n ? n : 0;
  return 0;
}

static void utf8_text(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  const byte *end = s + len;
  byte *start, *out;
  size_t run = net_utf8_run(s, len);
  if (run == len) {
    push_bytes(L, s, len);
    return;
  }
  start = text_room(L, &b, len, 3);
  memcpy(start, s, run);
  s += run, out = start + run;
  while (s < end)
    out = net_utf8_put(out, net_utf8_next(&s, end));
  luaL_pushresultsize(&b, (size_t)(out - start));
}

static uint32_t utf16_unit(const byte *s) { return s[0] | (uint32_t)s[1] << 8; }

static int is_high(uint32_t unit) { return (unit & 0xFC00) == 0xD800; }

static int is_low(uint32_t unit) { return (unit & 0xFC00) == 0xDC00; }

/* An odd byte, and a high surrogate in front of it or at the end. */
static size_t utf16_tail(const byte *s, size_t len) {
  size_t odd = len % 2;
  if (len >= 2 && is_high(utf16_unit(s + len - odd - 2)))
    return 2 + odd;
  return odd;
}

/* An odd byte at the very end (there is one only at EOF) is dropped. */
static void utf16_text(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *start = text_room(L, &b, len / 2, 3), *out = start;
  const byte *end = s + (len - len % 2);
  while (s < end) {
    uint32_t code = utf16_unit(s);
    s += 2;
    if (is_high(code) && s < end && is_low(utf16_unit(s))) {
      code = 0x10000 + ((code & 0x3FF) << 10 | (utf16_unit(s) & 0x3FF));
      s += 2;
    } else if (is_high(code) || is_low(code)) {
      code = NET_UTF8_REPLACEMENT;
    }
    out = net_utf8_put(out, code);
  }
  luaL_pushresultsize(&b, (size_t)(out - start));
}

static void utf16_push(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  const byte *end = s + len;
  /* A character of n bytes in UTF-8 has at most 2n in UTF-16. */
  byte *start = text_room(L, &b, len, 2), *out = start;
  while (s < end) {
    uint32_t code = net_utf8_next(&s, end);
    if (code >= 0x10000) {
      uint32_t high = 0xD800 + ((code - 0x10000) >> 10);
      *out++ = (byte)high;
      *out++ = (byte)(high >> 8);
      code = 0xDC00 + (code & 0x3FF);
    }
    *out++ = (byte)code;
    *out++ = (byte)(code >> 8);
  }
  luaL_pushresultsize(&b, (size_t)(out - start));
}

/* For encodings whose stretches may end anywhere. */
static size_t no_tail(const byte *s, size_t len) {
  (void)s, (void)len;
  return 0;
}

static void latin1_text(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *start, *out;
  if (net_utf8_ascii_run(s, len) == len) {
    push_bytes(L, s, len);
    return;
  }
  start = out = text_room(L, &b, len, 2);
  for (size_t i = 0; i < len; i++)
    out = net_utf8_put(out, s[i]);
  luaL_pushresultsize(&b, (size_t)(out - start));
}

static void ascii_text(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *out;
  if (net_utf8_ascii_run(s, len) == len) {
    push_bytes(L, s, len);
    return;
  }
  out = text_room(L, &b, len, 1);
  for (size_t i = 0; i < len; i++)
    out[i] = s[i] & 0x7F;
  luaL_pushresultsize(&b, len);
}

/* The low byte of each UTF-16 unit of the string at 'idx'. That is what Node
 * writes for latin1 and ascii, and what its hex and base64 parsers look at:
 * both halves of an astral character count, and U+0159 reads as "Y". The very
 * string if it is ASCII. */
static void narrow_push(lua_State *L, int idx) {
  luaL_Buffer b;
  size_t len;
  const byte *s = (const byte *)lua_tolstring(L, idx, &len);
  const byte *end = s + len;
  byte *start, *out;
  if (net_utf8_ascii_run(s, len) == len) {
    lua_pushvalue(L, idx);
    return;
  }
  start = out = text_room(L, &b, len, 1);
  while (s < end) {
    uint32_t code = net_utf8_next(&s, end);
    if (code >= 0x10000)
      *out++ = (byte)((code - 0x10000) >> 10); /* of the high surrogate */
    *out++ = (byte)code;
  }
  luaL_pushresultsize(&b, (size_t)(out - start));
}

/* One more than the digit's value, 0 for what is no digit. */
static const byte hex_value[256] = {
  ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
  ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static void hex_text(lua_State *L, const byte *s, size_t len) {
  static const char digits[] = "0123456789abcdef";
  luaL_Buffer b;
  byte *out = text_room(L, &b, len, 2);
  for (size_t i = 0; i < len; i++) {
    *out++ = (byte)digits[s[i] >> 4];
    *out++ = (byte)digits[s[i] & 15];
  }
  luaL_pushresultsize(&b, len * 2);
}

/* Stops at the first pair that is no pair of digits; half a pair is none. */
static void hex_push(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *out = text_room(L, &b, len / 2, 1);
  size_t n;
  for (n = 0; n < len / 2; n++) {
    byte high = hex_value[s[2 * n]], low = hex_value[s[2 * n + 1]];
    if (high == 0 || low == 0)
      break;
    out[n] = (byte)((high - 1) << 4 | (low - 1));
  }
  luaL_pushresultsize(&b, n);
}

static size_t base64_tail(const byte *s, size_t len) {
  (void)s;
  return len % 3;
}

static void base64_text(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *start = text_room(L, &b, len / 3 + 1, 4);
  luaL_pushresultsize(&b, net_base64_put(start, s, len));
}

static void base64url_text(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *start = text_room(L, &b, len / 3 + 1, 4);
  luaL_pushresultsize(&b, net_base64url_put(start, s, len));
}

static void base64_push(lua_State *L, const byte *s, size_t len) {
  luaL_Buffer b;
  byte *start = text_room(L, &b, len / 4 + 1, 3);
  luaL_pushresultsize(&b, net_base64_read(start, s, len));
}

/* --- the table ------------------------------------------------------------------ */

static void utf8_encode(lua_State *L, int idx) { lua_pushvalue(L, idx); }

static void utf16_encode(lua_State *L, int idx) {
  size_t len;
  const byte *s = (const byte *)lua_tolstring(L, idx, &len);
  utf16_push(L, s, len);
}

/* The bytes of the digits in the string at 'idx'. [-0, +1, m] */
static void digits_encode(lua_State *L, int idx, void (*push)(lua_State *, const byte *, size_t)) {
  size_t len;
  narrow_push(L, idx);
  const byte *s = (const byte *)lua_tolstring(L, -1, &len);
  push(L, s, len);
  lua_remove(L, -2);
}

static void hex_encode(lua_State *L, int idx) { digits_encode(L, idx, hex_push); }
static void base64_encode(lua_State *L, int idx) { digits_encode(L, idx, base64_push); }

const struct net_codec net_codecs[] = {
  [NET_ENC_UTF8] = { "utf8", utf8_tail, utf8_text, utf8_encode },
  [NET_ENC_UTF16LE] = { "utf16le", utf16_tail, utf16_text, utf16_encode },
  [NET_ENC_LATIN1] = { "latin1", no_tail, latin1_text, narrow_push },
  [NET_ENC_ASCII] = { "ascii", no_tail, ascii_text, narrow_push },
  [NET_ENC_HEX] = { "hex", no_tail, hex_text, hex_encode },
  [NET_ENC_BASE64] = { "base64", base64_tail, base64_text, base64_encode },
  [NET_ENC_BASE64URL] = { "base64url", base64_tail, base64url_text, base64_encode },
};
