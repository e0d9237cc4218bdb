/* SPDX-License-Identifier: MIT
 *
 * fuzz.c - the program of `make fuzz`: libFuzzer with Lua in it.
 *
 * A script (NET_FUZZ) is run once and returns a function; each input that libFuzzer makes
 * up is given to it as a string. It raises where a promise is broken, which ends the program
 * as a crash does: libFuzzer writes the input down and says so. The core is a module as
 * always, built with the counters that lead libFuzzer on. Leaks are looked for each 5000 inputs:
 * libFuzzer's own way would do so behind each input, as Lua frees when it likes. */
#include <lauxlib.h>
#include <lualib.h>
#include <sanitizer/lsan_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { INPUTS_A_LEAK_CHECK = 5000 };

static lua_State *L;

static int show(lua_State *from) {
  luaL_traceback(from, from, luaL_tolstring(from, 1, NULL), 1);
  return 1;
}

/* Calls what is on the stack below its one argument. [-(nargs + 1), +nresults, -] */
static void call(int nargs, int nresults) {
  int at = lua_gettop(L) - nargs;
  lua_pushcfunction(L, show);
  lua_insert(L, at);
  if (lua_pcall(L, nargs, nresults, at) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    abort();
  }
  lua_remove(L, at);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  const char *script = getenv("NET_FUZZ");
  (void)argc, (void)argv;
  L = luaL_newstate();
  luaL_openlibs(L);
  if (script == NULL || luaL_loadfile(L, script) != LUA_OK) {
    fprintf(stderr, "fuzz: %s\n", script ? lua_tostring(L, -1) : "NET_FUZZ has no script");
    exit(2);
  }
  call(0, 1);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  static unsigned long inputs;
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)bytes, n);
  call(1, 0);
  if (++inputs % INPUTS_A_LEAK_CHECK == 0) {
    lua_gc(L, LUA_GCCOLLECT);
    __lsan_do_leak_check();
  }
  return 0;
}
