/* SPDX-License-Identifier: MIT
 *
 * json.c - core.json: the reader and the writer for Lua, and what goes with them. */
#include "base/json.h"

#include <lauxlib.h>

#include "base/error.h"
#include "base/jsontext.h"
#include "base/jsonvalues.h"
#include "base/utf8.h"

/* [-0, +0, m] */
static void keep_text(lua_State *L, const char *text, size_t len, void *idx) {
  lua_pushlstring(L, text, len);
  lua_replace(L, *(int *)idx);
}

void net_json_encode(lua_State *L, int idx, int flags) {
  int slot = lua_gettop(L) + 1;
  idx = lua_absindex(L, idx);
  net_json_room(L, 2);
  lua_pushnil(L);
  net_json_write(L, idx, flags, keep_text, &slot);
}

/* encode(value [, binary]) -> text, [-0, +1, e] */
static int json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  net_json_encode(L, 1, lua_toboolean(L, 2) ? NET_JSON_BINARY : 0);
  return 1;
}

/* decode(text [, binary]) -> value, or nil and what is wrong, [-0, +(1|2), e] */
static int json_decode(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  if (net_json_decode(L, text, len, lua_toboolean(L, 2) ? NET_JSON_BINARY : 0))
    return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* array(list) -> list, marked as array. Raises ERR_INVALID_ARG_TYPE for what is no table,
 * ERR_INVALID_ARG_VALUE for one that has another metatable. [-0, +1, e] */
static int json_array(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE)
    return net_error_arg_type(L, "list", "Array", 1);
  lua_settop(L, 1);
  net_json_push_array_metatable(L);
  if (lua_getmetatable(L, 1) && !lua_rawequal(L, -1, 2)) {
    lua_pushliteral(L, "list");
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "must have no metatable");
    return net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

/* A place in a text, counted as JavaScript does, which has U+FFFD for what is no UTF-8. */
struct place {
  lua_Integer units, line, column; /* UTF-16 units; the last two from 1 */
};

static void place_move(struct place *p, const unsigned char *at, const unsigned char *end) {
  while (at < end) {
    uint32_t code = net_utf8_next(&at, end);
    p->units += 1 + (code > 0xFFFF);
    p->column += 1 + (code > 0xFFFF);
    if (code == '\n' || (code == '\r' && (at == end || *at != '\n'))) {
      p->line++;
      p->column = 1;
    }
  }
}

/* place(text, at) -> units before the byte 'at', units of the whole text, line and column
 * of the byte, [-0, +4, e] */
static int json_place(lua_State *L) {
  size_t len;
  const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &len);
  lua_Integer at = luaL_checkinteger(L, 2);
  struct place p = { 0, 1, 1 };
  luaL_argcheck(L, at >= 1 && (size_t)at <= len + 1, 2, "out of the text");
  place_move(&p, text, text + at - 1);
  lua_pushinteger(L, p.units);
  lua_pushnil(L);
  lua_pushinteger(L, p.line);
  lua_pushinteger(L, p.column);
  place_move(&p, text + at - 1, text + len);
  lua_pushinteger(L, p.units);
  lua_replace(L, -4);
  return 4;
}

static const luaL_Reg functions[] = {
  { "encode", json_encode },
  { "decode", json_decode },
  { "array", json_array },
  { "place", json_place },
  { NULL, NULL },
};

void net_json_open(lua_State *L) {
  net_jsontext_open(L);
  luaL_newlib(L, functions);
  net_jsonvalues_open(L);
  lua_setfield(L, -2, "json");
}
