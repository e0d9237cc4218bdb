/* SPDX-License-Identifier: MIT
 *
 * errortext.h - how an error value reads: in one line, as Node has it, or with the
 * place where it was raised, for who shows an error that nobody took. */
#ifndef NET_ERRORTEXT_H
#define NET_ERRORTEXT_H

#include <lua.h>

/* __tostring of our errors: `TypeError [ERR_X]: message`. Where no program asks,
 * but the host, which is about to show the error, with the traceback of where it
 * was raised. Its upvalue is called for what is no table, and raises. [-0, +1, e] */
int net_errortext_tostring(lua_State *L);

/* Pushes what a report says of any error value: a string as it is, an error of
 * ours in one line, a table that has no text of its own with its fields.
 * [-0, +1, m] */
const char *net_errortext_push(lua_State *L, int idx);

/* Whether the value at 'idx' is an error of ours. [-0, +0, -] */
int net_errortext_is_error(lua_State *L, int idx);

/* Whether no Lua code can catch what the running C function raises: those that
 * called it, down to the host, are Lua functions, 'require' and 'dofile'. False
 * in a coroutine, of which one cannot tell. [-0, +0, m] */
int net_errortext_is_last(lua_State *L);

/* Into the core table on the top: describe(value), on_describe(fn). [-0, +0, m] */
void net_errortext_open(lua_State *L);

#endif
