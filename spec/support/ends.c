/* SPDX-License-Identifier: MIT
 *
 * ends.c - a C program that opens and closes Lua states, for close_state_spec.lua and others.
 *
 *     ends TIMES SCRIPT
 *
 * Runs the script TIMES times, each time in a state of its own, which is closed before the next
 * one is opened; with ENDS_THREADS in the environment each in a thread of its own. Says of the last two rounds how many bytes of the heap, and how many
 * descriptors, were in use behind each: what grows from one to the next was left behind. With
 * an allocator that does not tell, as a sanitizer's, that is 0 bytes. */
#include <dirent.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static int descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir && readdir(dir))
    count++;
  if (dir)
    closedir(dir);
  return count;
}

static size_t heap(void) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  return mallinfo2().uordblks;
#else
  return 0;
#endif
}

static void *play(void *argument) {
  const char *script = argument;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_warning(L, "@on", 0);
  if (luaL_dofile(L, script) != LUA_OK) {
    printf("%s\n", luaL_tolstring(L, -1, NULL));
    exit(2);
  }
  lua_close(L);
  return NULL;
}

/* In this thread, or in one of its own. */
static void play_once(char *script) {
  pthread_t thread;
  if (getenv("ENDS_THREADS") == NULL)
    play(script);
  else if (pthread_create(&thread, NULL, play, script) != 0 || pthread_join(thread, NULL) != 0)
    exit(2);
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  int times = atoi(argv[1]);
  static char line[BUFSIZ]; /* of no heap */
  setvbuf(stdout, line, _IOLBF, sizeof line);
  for (int i = 1; i <= times; i++) {
    play_once(argv[2]);
    if (i >= times - 1)
      printf("%zu bytes, %d descriptors\n", heap(), descriptors());
  }
  return 0;
}
