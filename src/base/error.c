/* SPDX-License-Identifier: MIT
 *
 * error.c - error values: Node's Error objects as Lua tables.
 *
 * An error is a plain table under one metatable, which Lua code gets as
 * core.error_metatable, so that errors made on either side are the same kind
 * of thing. System errors (`read ECONNRESET`) come from the data path and are
 * made here from an errno. Errors with an ERR_* code are made by the
 * constructors in lua/net/internal/errors.lua; it hands its table over once, and C calls
 * them by code: no text of Node's is kept in two languages.
 *
 * An error that is raised also gets a field 'stack', the traceback of where,
 * since Lua adds a position to strings only. One that travels to a listener
 * gets none: it would cost more than all else on that path. */
#include "base/error.h"

#include <lauxlib.h>

#include "base/errname.h"
#include "base/errortext.h"

/* Registry keys; the addresses count, not the values. */
static const char metatable_key;
static const char codes_key;

/* Pushes an error that has a name and nothing else. [-0, +1, m] */
static void push_bare(lua_State *L, const char *name) {
  luaL_checkstack(L, 8, "no room for an error");
  lua_createtable(L, 0, 8);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_setmetatable(L, -2);
}

/* A port is what the user gave, of whatever size: Node shows it so. [-0, +1, -] */
static void push_port(lua_State *L, lua_Number port) {
  int is_whole;
  lua_pushnumber(L, port);
  lua_Integer whole = lua_tointegerx(L, -1, &is_whole);
  if (is_whole) {
    lua_pop(L, 1);
    lua_pushinteger(L, whole);
  }
}

/* Pushes ` ADDRESS:PORT`, ` PATH` or nothing, from the host at 'host'; returns
 * how many values that took. By concatenation, because the name of an abstract
 * socket starts with a NUL. [-0, +(0|2|4), m] */
static int push_where(lua_State *L, int host, lua_Number port) {
  if (lua_isnil(L, host) || lua_rawlen(L, host) == 0)
    return 0;
  lua_pushliteral(L, " ");
  lua_pushvalue(L, host);
  if (port <= 0)
    return 2;
  lua_pushliteral(L, ":");
  push_port(L, port);
  luaL_tolstring(L, -1, NULL);
  lua_replace(L, -2);
  return 4;
}

/* Replaces the host on the top, a string or nil, by the system error about it.
 * 'described' adds libuv's sentence. The field 'port' is set unless 0; the
 * text shows it only when positive. [-1, +1, m] */
static void make_system(lua_State *L, int err, const char *syscall, lua_Number port,
                        int described) {
  const char *code = net_errname(err);
  int host = lua_gettop(L);
  push_bare(L, "Error");
  if (described)
    lua_pushfstring(L, "%s %s: %s", syscall, code, net_errname_text(err));
  else
    lua_pushfstring(L, "%s %s", syscall, code);
  lua_concat(L, 1 + push_where(L, host, port));
  lua_setfield(L, -2, "message");
  lua_pushinteger(L, err);
  lua_setfield(L, -2, "errno");
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
  lua_pushstring(L, syscall);
  lua_setfield(L, -2, "syscall");
  lua_pushvalue(L, host);
  lua_setfield(L, -2, "address");
  if (port != 0) {
    push_port(L, port);
    lua_setfield(L, -2, "port");
  }
  lua_replace(L, host);
}

void net_error_push_sys(lua_State *L, int err, const char *syscall) {
  luaL_checkstack(L, 1, "no room for an error");
  lua_pushnil(L);
  make_system(L, err, syscall, 0, 0);
}

void net_error_push_code(lua_State *L, const char *code, int nargs) {
  luaL_checkstack(L, 4, "no room for an error");
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &codes_key) != LUA_TTABLE ||
      lua_getfield(L, -1, code) == LUA_TNIL)
    luaL_error(L, "net.errors has no constructor for '%s'", code);
  lua_remove(L, -2);
  lua_insert(L, -1 - nargs);
  lua_call(L, nargs, 1);
}

int net_error_throw(lua_State *L) {
  luaL_traceback(L, L, net_errortext_push(L, -1), 0);
  lua_setfield(L, -3, "stack");
  lua_pop(L, 1);
  return lua_error(L);
}

int net_error_raise(lua_State *L, const char *code, int nargs) {
  net_error_push_code(L, code, nargs);
  return net_error_throw(L);
}

int net_error_raise_sys(lua_State *L, int err, const char *syscall) {
  net_error_push_sys(L, err, syscall);
  return net_error_throw(L);
}

int net_push_result(lua_State *L, int err) {
  if (err < 0) {
    lua_pushnil(L);
    lua_pushinteger(L, err);
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

int net_error_push_stack(lua_State *L, int err) {
  if (!net_errortext_is_error(L, err))
    return 0;
  lua_pushliteral(L, "stack");
  if (lua_rawget(L, err) == LUA_TSTRING)
    return 1;
  lua_pop(L, 1);
  return 0;
}

/* Lua keeps this text for itself, so the push finds it. */
int net_error_memory(lua_State *L) {
  lua_pushliteral(L, "not enough memory");
  return lua_error(L);
}

void net_error_set_stack(lua_State *L, int err, int trace) {
  if (!net_errortext_is_error(L, err))
    return;
  lua_pushliteral(L, "stack");
  lua_pushvalue(L, trace);
  lua_rawset(L, err);
}

void net_error_push_arg_type(lua_State *L, const char *name, const char *expected, int idx) {
  luaL_checkstack(L, 3, "no room for an error");
  if (lua_isnone(L, idx))
    lua_pushnil(L);
  else
    lua_pushvalue(L, idx);
  lua_pushstring(L, name);
  lua_pushstring(L, expected);
  lua_rotate(L, -3, 2); /* the offender goes last */
  net_error_push_code(L, "ERR_INVALID_ARG_TYPE", 3);
}

int net_error_arg_type(lua_State *L, const char *name, const char *expected, int idx) {
  net_error_push_arg_type(L, name, expected, idx);
  return net_error_throw(L);
}

int net_error_this(lua_State *L, const char *class_name) {
  luaL_checkstack(L, 1, "no room for an error");
  lua_pushstring(L, class_name);
  return net_error_raise(L, "ERR_INVALID_THIS", 1);
}

/* errno_error(errno, syscall [, address [, port [, described]]]) -> error
 * 'errno' is negative; a port of -1 shows as a field only, as Node has it for
 * paths; 'described' adds the sentence that listen errors carry. [-0, +1, e] */
static int core_errno_error(lua_State *L) {
  int err = (int)luaL_checkinteger(L, 1);
  const char *syscall = luaL_checkstring(L, 2);
  lua_Number port = luaL_optnumber(L, 4, 0);
  luaL_optstring(L, 3, NULL);
  lua_settop(L, 5);
  lua_pushvalue(L, 3);
  make_system(L, err, syscall, port, lua_toboolean(L, 5));
  return 1;
}

/* errname(errno) -> "ECONNRESET", [-0, +1, e] */
static int core_errname(lua_State *L) {
  lua_pushstring(L, net_errname((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* errtext(errno) -> "connection reset by peer", [-0, +1, e] */
static int core_errtext(lua_State *L) {
  lua_pushstring(L, net_errname_text((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* errnum("ECONNRESET") -> -104, or nil for a name that is unknown. [-0, +1, e] */
static int core_errnum(lua_State *L) {
  int err = net_errname_number(luaL_checkstring(L, 1));
  if (err == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, err);
  return 1;
}

/* stack(value) -> the field 'stack' of an error of ours, or nil. [-0, +1, e] */
static int core_stack(lua_State *L) {
  lua_settop(L, 1);
  if (!net_error_push_stack(L, 1))
    lua_pushnil(L);
  return 1;
}

/* set_error_codes(table): where net_error_push_code looks from now on.
 * [-0, +0, e] */
static int core_set_error_codes(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &codes_key);
  return 0;
}

static const luaL_Reg error_functions[] = { { "errno_error", core_errno_error },
                                            { "errname", core_errname },
                                            { "errtext", core_errtext },
                                            { "errnum", core_errnum },
                                            { "stack", core_stack },
                                            { "set_error_codes", core_set_error_codes },
                                            { NULL, NULL } };

/* What __tostring calls that is called by hand, with what is no error. */
static int no_error(lua_State *L) { return net_error_this(L, "Error"); }

void net_error_open(lua_State *L) {
  luaL_setfuncs(L, error_functions, 0);
  net_errortext_open(L);
  lua_createtable(L, 0, 2);
  lua_pushliteral(L, "Error");
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, no_error);
  lua_pushcclosure(L, net_errortext_tostring, 1);
  lua_setfield(L, -2, "__tostring");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_setfield(L, -2, "error_metatable");
}
