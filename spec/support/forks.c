/* SPDX-License-Identifier: MIT
 *
 * forks.c - runs a script in a Lua that has fork(), which gives the child's process id, and
 * 0 in the child; and wait([pid]), which waits for it, or for any. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int lua_fork(lua_State *L) {
  lua_pushinteger(L, fork());
  return 1;
}

static int lua_wait(lua_State *L) {
  lua_pushinteger(L, waitpid((pid_t)luaL_optinteger(L, 1, -1), NULL, 0));
  return 1;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (argc < 2 || L == NULL)
    return 1;
  luaL_openlibs(L);
  lua_register(L, "fork", lua_fork);
  lua_register(L, "wait", lua_wait);
  if (luaL_loadfile(L, argv[1]) != LUA_OK ||
      (lua_pushstring(L, argc > 2 ? argv[2] : ""), lua_pcall(L, 1, 0, 0)) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  lua_close(L);
  return 0;
}
