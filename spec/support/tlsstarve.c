/* SPDX-License-Identifier: MIT
 *
 * tlsstarve.c - a C program in which Lua or OpenSSL runs out of memory, for
 * tls_memory_spec.lua.
 *
 *     tlsstarve SCRIPT lua|openssl
 *
 * Runs the script again and again, each time in a new Lua state. Between its calls
 * starve(true) and starve(false) the n-th request for memory and all behind it are refused,
 * to Lua or to OpenSSL, and then those from a later one on; the last time none is. Prints what the script returns, if anything,
 * and what is left when its state was closed. */
#include <lauxlib.h>
#include <lualib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  PATIENCE = 60, /* s; for all runs, then SIGALRM ends it */
  STEP = 20      /* of the requests behind so many only some are refused: OpenSSL makes
                    thousands to read a key */
};

static int starving; /* requests are counted, and refused */
static int of_openssl;
static long first, seen;
static size_t used; /* bytes, by Lua */

static int refuse(void) { return starving && ++seen >= first; }

static void *lua_allocate(void *ud, void *old, size_t had, size_t size) {
  size_t before = old ? had : 0;
  (void)ud;
  if (!of_openssl && size > before && refuse())
    return NULL;
  used += size - before;
  if (size == 0) {
    free(old);
    return NULL;
  }
  return realloc(old, size);
}

static void *ssl_malloc(size_t size, const char *file, int line) {
  (void)file, (void)line;
  return of_openssl && refuse() ? NULL : malloc(size);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return of_openssl && refuse() ? NULL : realloc(old, size);
}

static void ssl_free(void *old, const char *file, int line) {
  (void)file, (void)line;
  free(old);
}

static int lua_starve(lua_State *L) {
  starving = lua_toboolean(L, 1);
  return 0;
}

static int run(const char *script) {
  used = 0;
  seen = starving = 0;
  lua_State *L = lua_newstate(lua_allocate, NULL);
  luaL_openlibs(L);
  lua_register(L, "starve", lua_starve);
  int failed = luaL_dofile(L, script);
  starving = 0;
  if (failed || !lua_isnil(L, -1))
    printf("%ld: %s\n", first, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  if (used)
    printf("%ld: %zu bytes left\n", first, used);
  if (ERR_peek_error())
    printf("%ld: an error is left in the queue\n", first);
  ERR_clear_error();
  return seen >= first;
}

int main(int argc, char **argv) {
  int refused = 1;
  if (argc < 3 || !CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free))
    return 1;
  of_openssl = strcmp(argv[2], "openssl") == 0;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  (void)alarm(PATIENCE);
  for (first = 1; refused; first += 1 + first / STEP)
    refused = run(argv[1]);
  printf("the end\n");
  return 0;
}
