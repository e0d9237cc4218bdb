/* SPDX-License-Identifier: MIT
 *
 * jsonvalues.h - what the reader and the writer of JSON share: null, by which arrays are
 * known, and the words for what fails. */
#ifndef NET_JSONVALUES_H
#define NET_JSONVALUES_H

#include <lua.h>

/* Makes room for that many slots on the stack. [-0, +0, m] */
void net_json_room(lua_State *L, int slots);
/* Pushes null, the metatable of arrays. [-0, +1, -] */
void net_json_push_null(lua_State *L);
void net_json_push_array_metatable(lua_State *L);
/* Whether there is null, a table that is marked as an array. [-0, +0, -] */
int net_json_is_null(lua_State *L, int idx);
int net_json_is_marked(lua_State *L, int idx);
/* Replaces the 'nargs' values on the top by what the Lua half's function of that name in
 * net.internal.jsonerrors makes of them. [-nargs, +1, e] */
void net_json_explain(lua_State *L, const char *name, int nargs);

/* Into the table on the top: null. [-0, +0, m] */
void net_jsonvalues_open(lua_State *L);

#endif
