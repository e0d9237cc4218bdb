/* SPDX-License-Identifier: MIT
 *
 * tlsstarve.c - a C program in which Lua, OpenSSL or net.tls runs out of memory, for
 * tls_memory_spec.lua and its like: see tlsstarve.lua.
 *
 *     tlsstarve SCRIPT lua|openssl|ours [once [STEP]]
 *
 * Runs the script again and again, each time in a new Lua state. Between its calls
 * starve(true) and starve(false) the n-th request for memory and all behind it are refused,
 * or that one alone: to Lua, to OpenSSL, or to the C code of net.tls, whose calls of malloc(3)
 * are told by where they come from. Then those from a later one on; the last time none is.
 * Prints what the script returns, if anything, what is left in OpenSSL's error queue, and
 * what of Lua's memory when its state was closed.
 *
 * It is the C library's malloc that stands behind ours; under AddressSanitizer it is that
 * one's, and "ours" refuses nothing. */
#define _GNU_SOURCE 1

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  PATIENCE = 300, /* s; for all runs, then SIGALRM ends it */
  STEP = 20       /* of the requests behind so many only some are refused, unless told
                    otherwise: OpenSSL makes thousands to read a key */
};

static int starving; /* requests are counted, and refused */
static enum { LUA, OPENSSL, OURS } who;
static int once;
static long first, seen;
static size_t used; /* bytes, by Lua */

static int refuse(void) {
  if (!starving)
    return 0;
  seen++;
  return once ? seen == first : seen >= first;
}

static void *lua_allocate(void *ud, void *old, size_t had, size_t size) {
  size_t before = old ? had : 0;
  (void)ud;
  if (who == LUA && size > before && refuse())
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
  return who == OPENSSL && refuse() ? NULL : malloc(size);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return who == OPENSSL && refuse() ? NULL : realloc(old, size);
}

static void ssl_free(void *old, const char *file, int line) {
  (void)file, (void)line;
  free(old);
}

#ifndef __SANITIZE_ADDRESS__

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

/* Is it net.tls that asks? */
static int is_ours(const void *from) {
  Dl_info info;
  if (!starving || who != OURS)
    return 0;
  starving = 0; /* dladdr may ask for memory itself */
  int is = dladdr(from, &info) && strstr(info.dli_fname, "net/tls/core");
  starving = 1;
  return is;
}

#define REFUSED (is_ours(__builtin_return_address(0)) && refuse())

void *malloc(size_t size) { return REFUSED ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return REFUSED ? NULL : __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return REFUSED ? NULL : __libc_realloc(old, size); }

#endif

/* starve(on): OpenSSL's queue of errors has to be empty when that ends */
static int lua_starve(lua_State *L) {
  int was = starving;
  starving = lua_toboolean(L, 1);
  if (was && !starving && ERR_peek_error())
    printf("%ld: in the queue is %s\n", first, ERR_error_string(ERR_get_error(), NULL));
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
  who = strcmp(argv[2], "openssl") == 0 ? OPENSSL : strcmp(argv[2], "ours") == 0 ? OURS : LUA;
  once = argc > 3 && strcmp(argv[3], "once") == 0;
  long step = argc > 4 ? atol(argv[4]) : STEP;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  (void)alarm(PATIENCE);
  for (first = 1; refused; first += 1 + first / step)
    refused = run(argv[1]);
  printf("the end\n");
  return 0;
}
