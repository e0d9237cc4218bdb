/* SPDX-License-Identifier: MIT
 *
 * encoding.h - text encodings of Node's streams: bytes from the wire to UTF-8
 * text (setEncoding), and text to bytes (the encoding argument of write).
 *
 * Semantics 4.3. Pure byte work: no loop, no stream. A decoder keeps at most
 * three bytes between two chunks. */
#ifndef NET_ENCODING_H
#define NET_ENCODING_H

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

enum net_encoding {
  NET_ENC_UTF8,
  NET_ENC_UTF16LE,
  NET_ENC_LATIN1,
  NET_ENC_ASCII,
  NET_ENC_HEX,
  NET_ENC_BASE64,
  NET_ENC_BASE64URL,
  NET_ENC_UNKNOWN,
};

/* Plain memory, owns nothing: put it by value into whatever reads. */
struct net_decoder {
  unsigned char encoding; /* enum net_encoding, never NET_ENC_UNKNOWN */
  unsigned char held;     /* bytes kept back, 0..3 */
  unsigned char hold[3];
};

/* Case-insensitive, with Node's aliases; NET_ENC_UNKNOWN for anything else,
 * "" too: what an absent name stands for is for the caller to say. */
enum net_encoding net_encoding_of(const char *name, size_t len);
/* The encoding named at 'idx'; raises ERR_UNKNOWN_ENCODING for anything else. [-0, +0, e] */
enum net_encoding net_encoding_check(lua_State *L, int idx);
/* Node's canonical name: "utf8", "utf16le", "latin1", ...; NULL for
 * NET_ENC_UNKNOWN. */
const char *net_encoding_name(enum net_encoding e);

void net_decoder_init(struct net_decoder *d, enum net_encoding e);
/* Pushes the text that 'data' completes (may be ""). [-0, +1, m] */
void net_decoder_write(lua_State *L, struct net_decoder *d, const char *data, size_t len);
/* Pushes what was kept back, as Node does at EOF (may be ""); the decoder may
 * then begin anew. [-0, +1, m] */
void net_decoder_end(lua_State *L, struct net_decoder *d);

/* Pushes the bytes that writing the string at 'idx' with 'e' sends; the very
 * string where that changes nothing, as always for NET_ENC_UTF8. [-0, +1, m] */
void net_encoding_encode(lua_State *L, int idx, enum net_encoding e);

/* Into the core table on the top:
 *   encodingName(name)  -> canonical name, or nil if unknown
 *   encode(text, name)  -> bytes
 *   decoder(name)       -> userdata; d:write(bytes), d:finish() -> text
 * The last two raise on an unknown name. [-0, +0, m] */
void net_encoding_open(lua_State *L);

#endif
