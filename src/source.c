/* SPDX-License-Identifier: MIT
 *
 * source.c - the text of a Lua module, read now and compiled when it is needed.
 *
 * Every program that requires "net" reads all of its modules' texts, though it
 * compiles few (see lua/net/lazy.lua). io.open and file:read take eight system
 * calls for a file, and copy it three times; that was a sixth of the time until a
 * server listens. Here it is four calls, and the text is read to where it stays:
 * a userdata, which its loader lets go of once it is compiled. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT = 1, SIZE, PATH }; /* the upvalues of a loader */

/* Takes a module's loader, and with it the text, out of package.preload. The name
 * is at 1. [-0, +0, e] */
static void source_forget(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* loader(name) -> module: compiles and runs it, [-0, +1, e] */
static int source_load(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  const char *text = lua_touserdata(L, lua_upvalueindex(TEXT));
  size_t size = (size_t)lua_tointeger(L, lua_upvalueindex(SIZE));
  const char *chunk = lua_pushfstring(L, "@%s", lua_tostring(L, lua_upvalueindex(PATH)));
  if (luaL_loadbufferx(L, text, size, chunk, "t") != LUA_OK)
    return lua_error(L);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, lua_upvalueindex(PATH));
  lua_call(L, 2, 1);
  source_forget(L);
  return 1;
}

/* Fills 'text' from the file; fewer bytes if it ends early. */
static ssize_t read_all(int fd, char *text, size_t size) {
  size_t have = 0;
  while (have < size) {
    ssize_t n = read(fd, text + have, size - have);
    if (n == 0)
      break;
    if (n > 0)
      have += (size_t)n;
    else if (errno != EINTR)
      return -1;
  }
  return (ssize_t)have;
}

/* keep_source(path) -> loader, for package.preload; nil if it cannot be read.
 * [-0, +1, e] */
static int core_keep_source(lua_State *L) {
  struct stat st;
  const char *path = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
    return 0;
  char *text = lua_newuserdatauv(L, (size_t)st.st_size, 0); /* may raise: before there is an fd */
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  ssize_t size = read_all(fd, text, (size_t)st.st_size);
  close(fd);
  if (size < 0)
    return 0;
  lua_pushinteger(L, size);
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, source_load, PATH);
  return 1;
}

static const luaL_Reg source_functions[] = {{"keep_source", core_keep_source}, {NULL, NULL}};

void net_source_open(lua_State *L) { luaL_setfuncs(L, source_functions, 0); }
