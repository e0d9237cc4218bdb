/* SPDX-License-Identifier: MIT
 *
 * allocations.c - a Lua that counts what it asks memory for, for task_cost_spec.lua.
 *
 *     allocations SCRIPT
 *
 * counted() in the script gives how many requests for more memory there were since the last
 * call, and how many bytes are in use. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static long requests;
static size_t used; /* bytes */

static void *allocate(void *ud, void *old, size_t had, size_t size) {
  size_t before = old ? had : 0;
  (void)ud;
  requests += size > before;
  used += size - before;
  if (size > 0)
    return realloc(old, size);
  free(old);
  return NULL;
}

static int counted(lua_State *L) {
  lua_pushinteger(L, requests);
  lua_pushinteger(L, (lua_Integer)used);
  requests = 0;
  return 2;
}

int main(int argc, char **argv) {
  lua_State *L = argc > 1 ? lua_newstate(allocate, NULL) : NULL;
  if (L == NULL)
    return 2;
  luaL_openlibs(L);
  lua_register(L, "counted", counted);
  int failed = luaL_dofile(L, argv[1]) != LUA_OK;
  if (failed)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}
