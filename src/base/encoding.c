/* SPDX-License-Identifier: MIT
 *
 * encoding.c - text encodings of Node's streams.
 *
 * Reading: a decoder turns each chunk into UTF-8 text, keeping back the bytes
 * of a character (or of a base64 group) that the chunk leaves unfinished. All
 * of an encoding's knowledge is one row of 'codecs': how many bytes at the end
 * of a stretch to keep back, and the text of a stretch that keeps none back.
 * Nothing else depends on where the chunks were cut.
 *
 * What is kept back follows the shape of the lead byte alone, as in Node's
 * StringDecoder: "E0 80" waits for a third byte although no third byte can
 * make it valid. So each chunk gives the same text as under Node. The one
 * exception is utf16le, where a JavaScript string may end in half a surrogate
 * pair and UTF-8 may not: that half waits here even if an odd byte follows it.
 *
 * Writing: net_encoding_encode takes a Lua string as UTF-8 text and sees it as
 * Node does, as UTF-16 units. Invalid UTF-8 counts as U+FFFD both ways.
 *
 * Each x_text pushes the text of bytes, each x_push the bytes of a text, all
 * with [-0, +1, m]. Chunks of pure ASCII and valid UTF-8 are the common case:
 * they are checked and pushed whole, without a luaL_Buffer. */
#include "base/encoding.h"

#include <stdint.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/utf8.h"

#define DECODER_TYPE "net.Decoder"

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

/* What a decoder knows of an encoding, by enum net_encoding. */
static const struct {
  const char *name;                                /* Node's canonical one */
  size_t (*tail)(const byte *s, size_t len);       /* bytes at the end to keep back */
  void (*text)(lua_State *, const byte *, size_t); /* pushes; [-0, +1, m] */
} codecs[] = {
  [NET_ENC_UTF8] = { "utf8", utf8_tail, utf8_text },
  [NET_ENC_UTF16LE] = { "utf16le", utf16_tail, utf16_text },
  [NET_ENC_LATIN1] = { "latin1", no_tail, latin1_text },
  [NET_ENC_ASCII] = { "ascii", no_tail, ascii_text },
  [NET_ENC_HEX] = { "hex", no_tail, hex_text },
  [NET_ENC_BASE64] = { "base64", base64_tail, base64_text },
  [NET_ENC_BASE64URL] = { "base64url", base64_tail, base64url_text },
};

static const struct {
  const char *name;
  enum net_encoding encoding;
} aliases[] = {
  { "utf8", NET_ENC_UTF8 },        { "utf-8", NET_ENC_UTF8 },    { "utf16le", NET_ENC_UTF16LE },
  { "utf-16le", NET_ENC_UTF16LE }, { "ucs2", NET_ENC_UTF16LE },  { "ucs-2", NET_ENC_UTF16LE },
  { "latin1", NET_ENC_LATIN1 },    { "binary", NET_ENC_LATIN1 }, { "ascii", NET_ENC_ASCII },
  { "hex", NET_ENC_HEX },          { "base64", NET_ENC_BASE64 }, { "base64url", NET_ENC_BASE64URL },
};

/* 'lower' is in lower case. strcasecmp would ask the locale. */
static int same_name(const char *lower, const char *name, size_t len) {
  if (strlen(lower) != len)
    return 0;
  for (size_t i = 0; i < len; i++) {
    char c = name[i];
    if (c >= 'A' && c <= 'Z')
      c = (char)(c - 'A' + 'a');
    if (c != lower[i])
      return 0;
  }
  return 1;
}

enum net_encoding net_encoding_of(const char *name, size_t len) {
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
    if (same_name(aliases[i].name, name, len))
      return aliases[i].encoding;
  return NET_ENC_UNKNOWN;
}

const char *net_encoding_name(enum net_encoding e) {
  return e < NET_ENC_UNKNOWN ? codecs[e].name : NULL;
}

void net_decoder_init(struct net_decoder *d, enum net_encoding e) {
  d->encoding = e;
  d->held = 0;
}

static void decoder_hold(struct net_decoder *d, const byte *s, size_t len) {
  memcpy(d->hold, s, len);
  d->held = (unsigned char)len;
}

/* Pushes the text that begins in the held bytes, borrowing from 's' ('len' is
 * at least 1) as far as it takes, and returns how many bytes of 's' that text
 * covers. If 's' is too short, all of it is held. [-0, +1, m] */
static size_t decoder_join(lua_State *L, struct net_decoder *d, const byte *s, size_t len) {
  byte head[8]; /* six are the most: two halves of pairs after three held bytes */
  size_t held = d->held, n = held, done;
  memcpy(head, d->hold, held);
  do {
    head[n] = s[n - held];
    n++;
    done = n - codecs[d->encoding].tail(head, n);
  } while (done < held && n - held < len);

  codecs[d->encoding].text(L, head, done);
  if (done < held) {
    decoder_hold(d, head + done, n - done);
    return len;
  }
  d->held = 0; /* what is left of 'head' is taken from 's' again */
  return done - held;
}

void net_decoder_write(lua_State *L, struct net_decoder *d, const char *data, size_t len) {
  const byte *s = (const byte *)data;
  size_t keep;
  int joined = d->held > 0;
  if (len == 0) { /* 's' may be NULL */
    lua_pushliteral(L, "");
    return;
  }
  if (joined) {
    size_t used = decoder_join(L, d, s, len);
    if (used == len)
      return;
    s += used, len -= used;
  }
  keep = codecs[d->encoding].tail(s, len);
  codecs[d->encoding].text(L, s, len - keep);
  if (joined)
    lua_concat(L, 2);
  decoder_hold(d, s + len - keep, keep);
}

void net_decoder_end(lua_State *L, struct net_decoder *d) {
  codecs[d->encoding].text(L, d->hold, d->held);
  d->held = 0;
}

void net_encoding_encode(lua_State *L, int idx, enum net_encoding e) {
  size_t len;
  const byte *s;
  if (e == NET_ENC_UTF8) {
    lua_pushvalue(L, idx);
    return;
  }
  if (e == NET_ENC_UTF16LE) {
    s = (const byte *)lua_tolstring(L, idx, &len);
    utf16_push(L, s, len);
    return;
  }
  narrow_push(L, idx);
  if (e == NET_ENC_LATIN1 || e == NET_ENC_ASCII)
    return;
  s = (const byte *)lua_tolstring(L, -1, &len);
  if (e == NET_ENC_HEX)
    hex_push(L, s, len);
  else
    base64_push(L, s, len);
  lua_remove(L, -2);
}

enum net_encoding net_encoding_check(lua_State *L, int idx) {
  size_t len = 0;
  const char *name = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : "";
  enum net_encoding e = net_encoding_of(name, len);
  if (e == NET_ENC_UNKNOWN) {
    lua_pushvalue(L, idx);
    net_error_raise(L, "ERR_UNKNOWN_ENCODING", 1);
  }
  return e;
}

/* The encoding named by argument 'arg'; raises if there is none. */
static enum net_encoding check_encoding(lua_State *L, int arg) {
  size_t len;
  const char *name = luaL_checklstring(L, arg, &len);
  enum net_encoding e = net_encoding_of(name, len);
  luaL_argcheck(L, e != NET_ENC_UNKNOWN, arg, "unknown encoding");
  return e;
}

static int encoding_name(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  lua_pushstring(L, net_encoding_name(net_encoding_of(name, len)));
  return 1;
}

static int encoding_encode(lua_State *L) {
  luaL_checkstring(L, 1);
  net_encoding_encode(L, 1, check_encoding(L, 2));
  return 1;
}

static int encoding_decoder(lua_State *L) {
  enum net_encoding e = check_encoding(L, 1);
  struct net_decoder *d = lua_newuserdatauv(L, sizeof *d, 0);
  net_decoder_init(d, e);
  luaL_setmetatable(L, DECODER_TYPE);
  return 1;
}

static int decoder_write(lua_State *L) {
  struct net_decoder *d = luaL_checkudata(L, 1, DECODER_TYPE);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  net_decoder_write(L, d, data, len);
  return 1;
}

static int decoder_finish(lua_State *L) {
  net_decoder_end(L, luaL_checkudata(L, 1, DECODER_TYPE));
  return 1;
}

static const luaL_Reg decoder_methods[] = {
  { "write", decoder_write },
  { "finish", decoder_finish },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "encodingName", encoding_name },
  { "encode", encoding_encode },
  { "decoder", encoding_decoder },
  { NULL, NULL },
};

void net_encoding_open(lua_State *L) {
  luaL_newmetatable(L, DECODER_TYPE);
  luaL_newlib(L, decoder_methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
