/* SPDX-License-Identifier: MIT
 *
 * errortext.c - how an error value reads. See errortext.h.
 *
 * A program that prints an error, or compares its text, shall find Node's line.
 * But lua.c, and hosts that do as it does, ask __tostring of an error that nobody
 * took, and show that and nothing else: of a wrong argument in a script of 500
 * lines one would not learn which. So the place is told to the host alone, known
 * by this: it asks from a C function that no module has, a message handler,
 * called by the C function that raises; or, after its lua_pcall, from no function
 * at all. A switch was refused: who needs it has not set it. */
#include "base/errortext.h"

#include <lauxlib.h>
#include <string.h>

static const char describe_key; /* registry: Lua's function that shows a table's fields */

/* Pushes the error's own field 'key', or "" for what is no text: an error is
 * the user's table too, and must not fail while it is being reported.
 * [-0, +1, m] */
static const char *push_field(lua_State *L, int err, const char *key) {
  lua_pushstring(L, key);
  if (lua_rawget(L, err) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushliteral(L, "");
  }
  return lua_tostring(L, -1);
}

/* True for errors that Node makes with a code in brackets. ERR_INVALID_ADDRESS
 * comes from its C++ side without; an AggregateError borrows its first error's
 * code. */
static int is_coded(const char *name, const char *code) {
  return strncmp(code, "ERR_", 4) == 0 && strcmp(code, "ERR_INVALID_ADDRESS") != 0 &&
         strcmp(name, "AggregateError") != 0;
}

/* Pushes `Error: message`, `TypeError [ERR_X]: message`, or the name alone for an
 * empty message. [-0, +1, m] */
static const char *push_line(lua_State *L, int err) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 6, "no room for an error");
  const char *code = push_field(L, err, "code");
  const char *name = push_field(L, err, "name");
  if (*name == '\0')
    name = "Error";
  if (is_coded(name, code))
    lua_pushfstring(L, "%s [%s]: ", name, code);
  else
    lua_pushfstring(L, "%s: ", name);
  push_field(L, err, "message");
  if (lua_rawlen(L, -1) == 0)
    lua_pushstring(L, name);
  else
    lua_concat(L, 2);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return lua_tostring(L, -1);
}

/* Whether the table on the top has the value at 'idx'. [-0, +0, m] */
static int has_value(lua_State *L, int idx) {
  int found = 0;
  for (lua_pushnil(L); !found && lua_next(L, -2); lua_pop(L, 1))
    found = lua_rawequal(L, -1, idx);
  if (found)
    lua_pop(L, 1); /* the key, which a loop to its end has taken */
  return found;
}

/* Whether the function on the top is in a table of a module. [-0, +0, m] */
static int is_named(lua_State *L) {
  int fn = lua_gettop(L), found = 0;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); !found && lua_next(L, fn + 1); lua_pop(L, 1))
    found = lua_istable(L, -1) && has_value(L, fn);
  lua_settop(L, fn);
  return found;
}

static int is_c(lua_State *L, lua_Debug *ar, const char *what) {
  lua_getinfo(L, what, ar);
  return *ar->what == 'C';
}

/* Whether __tostring was called by the host for an error that nobody took.
 * [-0, +0, m] */
static int is_host_asking(lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 1, &ar))
    return 1;
  int handler = is_c(L, &ar, "Sf") && !is_named(L);
  lua_pop(L, 1);
  return handler && (!lua_getstack(L, 2, &ar) || is_c(L, &ar, "S"));
}

int net_errortext_tostring(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_call(L, 0, 0);
  }
  lua_settop(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, "no room for an error");
  if (!is_host_asking(L)) {
    push_line(L, 1);
  } else if (*push_field(L, 1, "stack") == '\0') {
    luaL_traceback(L, L, push_line(L, 1), 2); /* the handler's caller, which raises it */
  }
  return 1;
}

int net_errortext_is_error(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TTABLE || luaL_getmetafield(L, idx, "__tostring") == LUA_TNIL)
    return 0;
  int ours = lua_tocfunction(L, -1) == net_errortext_tostring;
  lua_pop(L, 1);
  return ours;
}

/* describe(value), by the Lua half. [-0, +1, e] */
static int describe_fields(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &describe_key);
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* Pushes the table at 'idx' with its fields; returns 0, with nothing pushed, if
 * that fails: a report must not. [-0, +(0|1), m] */
static int push_fields(lua_State *L, int idx) {
  lua_pushcfunction(L, describe_fields);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING)
    return 1;
  lua_pop(L, 1);
  return 0;
}

const char *net_errortext_push(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 8, "no room for an error");
  if (net_errortext_is_error(L, idx))
    return push_line(L, idx);
  if (lua_type(L, idx) == LUA_TTABLE) {
    if (luaL_getmetafield(L, idx, "__tostring") != LUA_TNIL)
      lua_pop(L, 1);
    else if (push_fields(L, idx))
      return lua_tostring(L, -1);
  }
  return luaL_tolstring(L, idx, NULL);
}

/* Whether the function on the top is one of Lua's that call Lua code and let its
 * errors pass. [-0, +0, m] */
static int lets_pass(lua_State *L) {
  static const char *const names[] = { "require", "dofile" };
  int found = 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  for (int i = 0; i < 2 && !found; i++) {
    lua_pushstring(L, names[i]);
    lua_rawget(L, -2);
    found = lua_rawequal(L, -1, -3);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

int net_errortext_is_last(lua_State *L) {
  lua_Debug ar, below;
  if (lua_pushthread(L) == 0) {
    lua_pop(L, 1);
    return 0;
  }
  lua_pop(L, 1);
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    int passes = !is_c(L, &ar, "Sf") || lets_pass(L) || !lua_getstack(L, level + 1, &below);
    lua_pop(L, 1);
    if (!passes)
      return 0;
  }
  return 1;
}

/* describe(value) -> what a report says of an error value, [-0, +1, e] */
static int core_describe(lua_State *L) {
  luaL_checkany(L, 1);
  net_errortext_push(L, 1);
  return 1;
}

/* on_describe(fn): fn(table) returns the table with its fields, as text.
 * [-0, +0, e] */
static int core_on_describe(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &describe_key);
  return 0;
}

void net_errortext_open(lua_State *L) {
  static const luaL_Reg functions[] = { { "describe", core_describe },
                                        { "on_describe", core_on_describe },
                                        { NULL, NULL } };
  luaL_setfuncs(L, functions, 0);
}
