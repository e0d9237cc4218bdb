/* SPDX-License-Identifier: MIT
 *
 * json.h - values as JSON, and back: the messages of a channel between processes.
 *
 * Section 2.3 of the law on processes. Objects are tables of names, arrays tables with the
 * keys 1 to n under a metatable that all share, null is a value of its own. Linear in
 * time, without recursion, and without metamethods. */
#ifndef NET_JSON_H
#define NET_JSON_H

#include <lua.h>
#include <stddef.h>

#define NET_JSON_DEPTH 1000 /* tables in one another */
#define NET_JSON_WRAPS 2    /* more of them, around a message in an internal line */

enum net_json_flags {
  NET_JSON_BINARY = 1, /* strings that are no UTF-8 go as {"$b":"base64"} */
  NET_JSON_LINE = 2,   /* of the writer: an LF behind it */
  NET_JSON_WRAPPED = 4 /* of the reader: it is an internal line */
};

typedef void net_json_use(lua_State *L, const char *text, size_t len, void *arg);

/* Pushes the text of the value at 'idx'. Raises ERR_INVALID_ARG_VALUE with the path to
 * what has no JSON, or a TypeError for a table that is inside of itself. [-0, +1, e] */
void net_json_encode(lua_State *L, int idx, int flags);
/* The same, but 'use' is called with the text, which is gone when it returns; it has its room
 * on the stack, and leaves nothing there. [-0, +0, e] */
void net_json_write(lua_State *L, int idx, int flags, net_json_use *use, void *arg);

/* Pushes the value of a text, and returns 1; or what is wrong with it, in the words of
 * JSON.parse, and returns 0. The text has to stay where it is. [-0, +1, m] */
int net_json_decode(lua_State *L, const char *text, size_t len, int flags);

/* Into the core table on the top, as its field 'json': encode(value [, binary]) -> text,
 * decode(text [, binary]) -> value, or nil and a message; null, array(list),
 * place(text, at). [-0, +0, m] */
void net_json_open(lua_State *L);

#endif
