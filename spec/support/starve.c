/* SPDX-License-Identifier: MIT
 *
 * starve.c - a C program whose Lua runs out of memory, for memory_spec.lua.
 *
 *     starve SCRIPT LENGTH [grown]
 *
 * Runs the script again and again, each time in a new Lua state. Between the calls
 * starve(true) and starve(false) of the n-th time, or in choke, its n-th request for
 * memory and those behind it, LENGTH in all, or all if that is 0, are refused; the last
 * time none is. Prints what the script returns, if anything, and what is left when its
 * state was closed. 'grown' says whether the stack of Lua keeps the room that it had. */
#include <dirent.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#define TURNS 15     /* of the loop that choke runs */
#define PATIENCE 30  /* s; for one run, then SIGALRM ends it */

static int starving; /* requests are counted, and refused */
static int grown;
static long length, first, seen;
static size_t used; /* bytes */

/* Does the same for each request that asks for more. What grows always moves. */
static void *allocate(void *ud, void *old, size_t had, size_t size) {
  size_t before = old ? had : 0;
  (void)ud;
  if (starving && size > before && ++seen >= first && seen - first < length)
    return NULL;
  void *new = size ? malloc(size) : NULL;
  if (size && new == NULL)
    return NULL;
  if (old && size)
    memcpy(new, old, before < size ? before : size);
  free(old);
  used += size - before;
  return new;
}

/* starve(on) */
static int lua_starve(lua_State *L) {
  starving = lua_toboolean(L, 1);
  return 0;
}

/* libev's poller, which can be read when it has something to tell; -1: none. */
static int poller(void) {
  char path[32], target[32];
  for (int fd = 3; fd < 32; fd++) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    if (strcmp(target, "anon_inode:[eventpoll]") == 0)
      return fd;
  }
  return -1;
}

/* await(): until the loop has something to do, or for a moment: what it waits for
 * may never come, as the memory to ask for it was refused. */
static int lua_await(lua_State *L) {
  struct timeval moment = {0, 300};
  int fd = poller();
  fd_set set;
  (void)L;
  FD_ZERO(&set);
  if (fd >= 0)
    FD_SET(fd, &set);
  (void)select(fd + 1, &set, NULL, NULL, &moment);
  return 0;
}

/* Calls the function below its 'nargs' arguments. Counts an error, and makes one that is
 * about something else than memory 'problem', which stands at 3. [-(nargs+1), +1, m] */
static void choked_call(lua_State *L, int nargs, int *errors) {
  if (lua_pcall(L, nargs, 1, 0) == LUA_OK)
    return;
  ++*errors;
  starving = 0;
  if (lua_type(L, -1) == LUA_TTABLE)
    lua_getfield(L, -1, "code");
  else
    lua_pushvalue(L, -1);
  const char *text = lua_tostring(L, -1);
  if (text == NULL || (strcmp(text, "ENOMEM") != 0 && strcmp(text, "not enough memory") != 0))
    lua_copy(L, -2, 3);
  lua_settop(L, -3);
  lua_pushboolean(L, 1);
  starving = 1;
}

/* choke(fn, run) -> errors, problem: fn() and then run("nowait") as long as it returns
 * true, in want of memory, called from here, as Lua code might not even get that far. */
static int lua_choke(lua_State *L) {
  int errors = 0, alive = 1;
  lua_settop(L, 2);
  lua_pushnil(L);
  lua_pushliteral(L, "nowait");
  for (int i = 0; i < 20 && !grown; i++)
    lua_gc(L, LUA_GCCOLLECT);
  starving = 1;
  lua_pushvalue(L, 1);
  choked_call(L, 0, &errors);
  lua_pop(L, 1);
  for (int i = 0; i < TURNS && alive; i++) {
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 4);
    choked_call(L, 1, &errors);
    alive = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (alive)
      (void)lua_await(L);
  }
  starving = 0;
  lua_pushinteger(L, errors);
  lua_pushvalue(L, 3);
  return 2;
}

/* pipes() -> two new descriptors, for reading and for writing. */
static int lua_pipes(lua_State *L) {
  int ends[2];
  if (pipe(ends) < 0)
    return 0;
  lua_pushinteger(L, ends[0]);
  lua_pushinteger(L, ends[1]);
  return 2;
}

static int descriptors(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir && readdir(dir))
    n++;
  if (dir)
    closedir(dir);
  return n;
}

static int panic(lua_State *L) {
  printf("%ld: panic: %s\n", first, lua_tostring(L, -1));
  exit(2);
}

/* Whether a request was refused. */
static int run(const char *script) {
  lua_State *L = lua_newstate(allocate, NULL);
  used = seen = starving = 0;
  used = lua_gc(L, LUA_GCCOUNT, 0) * (size_t)1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
  lua_atpanic(L, panic);
  luaL_openlibs(L);
  lua_register(L, "starve", lua_starve);
  lua_register(L, "await", lua_await);
  lua_register(L, "choke", lua_choke);
  lua_register(L, "pipes", lua_pipes);
  lua_pushboolean(L, grown);
  lua_setglobal(L, "grown");
  (void)alarm(PATIENCE);
  int failed = luaL_dofile(L, script);
  starving = 0;
  if (failed || !lua_isnil(L, -1))
    printf("%ld: %s\n", first, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  if (used)
    printf("%ld: %zu bytes left\n", first, used);
  return seen >= first;
}

int main(int argc, char **argv) {
  int before = 0, refused = 1;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  length = argc > 2 ? atol(argv[2]) : 1;
  length = length ? length : LONG_MAX;
  grown = argc > 3;
  for (first = 1; refused; first++) {
    refused = run(argv[1]);
    int now = descriptors();
    if (first > 2 && now != before)
      printf("%ld: %d descriptors, not %d\n", first, now, before);
    before = now;
  }
  printf("the end\n");
  return 0;
}
