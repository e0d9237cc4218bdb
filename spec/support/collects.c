/* SPDX-License-Identifier: MIT
 *
 * collects.c - a Lua that collects all garbage before each wait and each resume of a
 * coroutine, for task_collect_spec.lua.
 *
 *     collects SCRIPT [ARGUMENT...]
 *
 * It stands before the library that it is linked with, so the calls of the core's come here
 * first. Writes how many collections there were to the file that NET_COLLECTED names. */
#include <dlfcn.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static long collections;

static void collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  collections++;
}

int lua_yieldk(lua_State *L, int nresults, lua_KContext ctx, lua_KFunction k) {
  static int (*next)(lua_State *, int, lua_KContext, lua_KFunction);
  if (next == NULL)
    *(void **)&next = dlsym(RTLD_NEXT, "lua_yieldk");
  collect(L);
  return next(L, nresults, ctx, k);
}

int lua_resume(lua_State *L, lua_State *from, int nargs, int *nresults) {
  static int (*next)(lua_State *, lua_State *, int, int *);
  if (next == NULL)
    *(void **)&next = dlsym(RTLD_NEXT, "lua_resume");
  if (from)
    collect(from);
  return next(L, from, nargs, nresults);
}

static void write_down(void) {
  const char *path = getenv("NET_COLLECTED");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file, "%ld\n", collections);
    fclose(file);
  }
}

/* As the interpreter does it: arguments in the table 'arg', of which 0 is the script. */
static int run(lua_State *L) {
  char **argv = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_newtable(L);
  for (int i = 0; argv[i]; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  if (luaL_loadfile(L, argv[1]) != LUA_OK)
    return lua_error(L);
  int n = 0;
  for (; argv[n + 2]; n++)
    lua_pushstring(L, argv[n + 2]);
  lua_call(L, n, 0);
  return 0;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  (void)argc;
  atexit(write_down);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, argv);
  int failed = lua_pcall(L, 1, 0, 0) != LUA_OK;
  if (failed)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}
