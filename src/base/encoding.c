/* SPDX-License-Identifier: MIT
 *
 * encoding.c - text encodings of Node's streams: their names, decoders, and for Lua.
 *
 * A decoder turns each chunk into UTF-8 text, keeping back the bytes of a character (or of
 * a base64 group) that the chunk leaves unfinished. How many these are, and what text the
 * others make, codecs.c knows; nothing else depends on where the chunks were cut.
 *
 * What is kept back follows the shape of the lead byte alone, as in Node's
 * StringDecoder: "E0 80" waits for a third byte although no third byte can
 * make it valid. So each chunk gives the same text as under Node. The one
 * exception is utf16le, where a JavaScript string may end in half a surrogate
 * pair and UTF-8 may not: that half waits here even if an odd byte follows it. */
#include "base/encoding.h"

#include <string.h>

#include "base/codecs.h"
#include "base/error.h"

#define DECODER_TYPE "net.Decoder"

typedef unsigned char byte;

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
  return e < NET_ENC_UNKNOWN ? net_codecs[e].name : NULL;
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
    done = n - net_codecs[d->encoding].tail(head, n);
  } while (done < held && n - held < len);

  net_codecs[d->encoding].text(L, head, done);
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
  keep = net_codecs[d->encoding].tail(s, len);
  net_codecs[d->encoding].text(L, s, len - keep);
  if (joined)
    lua_concat(L, 2);
  decoder_hold(d, s + len - keep, keep);
}

void net_decoder_end(lua_State *L, struct net_decoder *d) {
  net_codecs[d->encoding].text(L, d->hold, d->held);
  d->held = 0;
}

void net_encoding_encode(lua_State *L, int idx, enum net_encoding e) {
  net_codecs[e].encode(L, idx);
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
