/* SPDX-License-Identifier: MIT
 *
 * waitall.c - somebody who waits for any child, as a library should not. */
#include <lauxlib.h>
#include <lua.h>
#include <sys/wait.h>

__attribute__((visibility("default"))) int luaopen_net_spec_waitall(lua_State *L);

/* wait() -> pid */
static int wait_any(lua_State *L) {
  lua_pushinteger(L, waitpid(-1, NULL, 0));
  return 1;
}

int luaopen_net_spec_waitall(lua_State *L) {
  static const luaL_Reg functions[] = { { "wait", wait_any }, { NULL, NULL } };
  luaL_newlib(L, functions);
  return 1;
}
