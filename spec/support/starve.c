/* SPDX-License-Identifier: MIT
 *
 * starve.c - a C program whose Lua runs out of memory, for memory_spec.lua.
 *
 *     starve SCRIPT LENGTH
 *
 * Runs the script again and again, each time in a new Lua state. Between the calls
 * starve(true) and starve(false) of the n-th time its n-th request for memory and
 * those behind it, LENGTH in all, are refused; the last time none is. Prints what
 * the script returns, if anything, and what is left when its state was closed. */
#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

static int starving; /* requests are counted, and refused */
static long length, first, seen;
static size_t used; /* bytes */

/* Does the same for each request that asks for more. What grows always moves. */
static void *allocate(void *ud, void *old, size_t had, size_t size) {
  size_t before = old ? had : 0;
  (void)ud;
  if (starving && size > before && ++seen >= first && seen < first + length)
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

/* starve(on) -> requests refused so far */
static int lua_starve(lua_State *L) {
  starving = lua_toboolean(L, 1);
  lua_pushinteger(L, seen < first ? 0 : seen - first + 1 < length ? seen - first + 1 : length);
  return 1;
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
