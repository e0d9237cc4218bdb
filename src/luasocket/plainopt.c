/* SPDX-License-Identifier: MIT
 *
 * plainopt.c - options of plain sockets, and what LuaSocket tells of the machine: its name,
 * the time, services, and the texts of errors. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/sockopt.h"
#include "base/sys.h"
#include "luasocket/plain.h"

#define MAX_NAME 256 /* bytes, of a machine's name */

/* kind(name, use) -> "boolean", "integer" or "linger": of the option that may be used so,
 * where 'use' is "set", "get" or "unix", which is to set one of a Unix socket; else nil */
static int option_kind(lua_State *L) {
  static const char *const kinds[] = { "boolean", "integer", "linger" };
  static const char *const uses[] = { "set", "get", "unix", NULL };
  static const int bits[] = { NET_OPT_SET, NET_OPT_GET, NET_OPT_SET | NET_OPT_UNIX };
  int use = bits[luaL_checkoption(L, 2, NULL, uses)];
  const struct net_sockopt *option = net_sockopt_find(luaL_checkstring(L, 1), use);
  lua_pushstring(L, option ? kinds[option->kind] : NULL);
  return 1;
}

static const struct net_sockopt *option_at(lua_State *L, int idx, int use) {
  const struct net_sockopt *option = net_sockopt_find(luaL_checkstring(L, idx), use);
  luaL_argcheck(L, option != NULL, idx, "no such option");
  return option;
}

/* set_option(socket, name, value) -> true; of "linger": set_option(socket, name, on, seconds) */
static int option_set(lua_State *L) {
  int fd = net_plain_check(L, 1)->fd;
  const struct net_sockopt *option = option_at(L, 2, NET_OPT_SET);
  if (option->kind == NET_OPT_LINGER) {
    int seconds = (int)luaL_checkinteger(L, 4);
    return net_push_result(L, net_sockopt_set_linger(fd, lua_toboolean(L, 3), seconds));
  }
  int value = option->kind == NET_OPT_BOOLEAN ? lua_toboolean(L, 3) : (int)luaL_checkinteger(L, 3);
  return net_push_result(L, net_sockopt_set(fd, option, value));
}

/* get_option(socket, name) -> value; of "linger": on, seconds */
static int option_get(lua_State *L) {
  int value, seconds, fd = net_plain_check(L, 1)->fd;
  const struct net_sockopt *option = option_at(L, 2, NET_OPT_GET);
  int lingers = option->kind == NET_OPT_LINGER;
  int err =
    lingers ? net_sockopt_get_linger(fd, &value, &seconds) : net_sockopt_get(fd, option, &value);
  if (err < 0)
    return net_push_result(L, err);
  if (option->kind == NET_OPT_INTEGER)
    lua_pushinteger(L, value);
  else
    lua_pushboolean(L, value);
  if (lingers)
    lua_pushinteger(L, seconds);
  return lingers ? 2 : 1;
}

/* error(socket) -> true: how an attempt to connect has ended */
static int plain_error(lua_State *L) {
  return net_push_result(L, net_sys_error(net_plain_check(L, 1)->fd));
}

/* time() -> seconds since the epoch, with a fraction */
static int plain_time(lua_State *L) {
  lua_pushnumber(L, net_sockopt_time());
  return 1;
}

/* now() -> microseconds of the monotonic clock */
static int plain_now(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)net_sockopt_now());
  return 1;
}

/* hostname() -> the name of this machine */
static int plain_hostname(lua_State *L) {
  char name[MAX_NAME];
  int err = net_sockopt_hostname(name, sizeof name);
  if (err < 0)
    return net_push_result(L, err);
  lua_pushstring(L, name);
  return 1;
}

/* service(name) -> the port that it has by TCP */
static int plain_service(lua_State *L) {
  int port, err = net_sockopt_service(luaL_checkstring(L, 1), &port);
  if (err < 0)
    return net_push_result(L, err);
  lua_pushinteger(L, port);
  return 1;
}

/* service_name(port) -> the service that has it, else the number as a string */
static int plain_service_name(lua_State *L) {
  char name[MAX_NAME];
  int err = net_sockopt_service_name((int)luaL_checkinteger(L, 1), name, sizeof name);
  if (err < 0)
    return net_push_result(L, err);
  lua_pushstring(L, name);
  return 1;
}

/* text(err) -> what the C library says of a negative errno */
static int plain_text(lua_State *L) {
  lua_pushstring(L, strerror(-(int)luaL_checkinteger(L, 1)));
  return 1;
}

void net_plainopt_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "kind", option_kind },
    { "set_option", option_set },
    { "get_option", option_get },
    { "error", plain_error },
    { "time", plain_time },
    { "now", plain_now },
    { "hostname", plain_hostname },
    { "service", plain_service },
    { "text", plain_text },
    { "service_name", plain_service_name },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
  lua_createtable(L, 0, 12); /* the errors that Lua knows by name */
  static const struct {
    const char *name;
    int err;
  } known[] = {
    { "EAGAIN", -EAGAIN },
    { "EINPROGRESS", -EINPROGRESS },
    { "EALREADY", -EALREADY },
    { "EISCONN", -EISCONN },
    { "EACCES", -EACCES },
    { "ECONNREFUSED", -ECONNREFUSED },
    { "ECONNABORTED", -ECONNABORTED },
    { "ECONNRESET", -ECONNRESET },
    { "ETIMEDOUT", -ETIMEDOUT },
    { "EADDRINUSE", -EADDRINUSE },
    { "EPIPE", -EPIPE },
    { "EBADF", -EBADF },
    { "ENAMETOOLONG", -ENAMETOOLONG },
    { "EINVAL", -EINVAL },
    { "ENOTCONN", -ENOTCONN },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    lua_pushinteger(L, known[i].err);
    lua_setfield(L, -2, known[i].name);
  }
  lua_setfield(L, -2, "errors");
}
