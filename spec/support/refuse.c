/* SPDX-License-Identifier: MIT
 *
 * refuse.c - a C program with Lua in it whose calls to watch descriptors are refused,
 * for watch_spec.lua.
 *
 *     refuse SCRIPT CALL FIRST LENGTH ERRNO
 *
 * The n-th call of CALL, and those behind it, LENGTH in all, fail with ERRNO. CALL is
 * epoll_ctl, epoll_add (that with EPOLL_CTL_ADD, which alone may run out of something) or
 * epoll_create; behind "child_" it is one after the script has called become_child().
 * Prints what the script prints, then "refused N" or "refused none". */
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 20 /* seconds */

static const char *call;
static long first, length, seen, refused;
static int error;
static int waits_for_child;

/* Whether this one fails. */
static int fails(const char *name) {
  if (waits_for_child || strcmp(name, call) != 0 || ++seen < first || seen >= first + length)
    return 0;
  refused++;
  errno = error;
  return 1;
}

static void *next(const char *name) {
  void *fn = dlsym(RTLD_NEXT, name);
  if (fn == NULL)
    abort();
  return fn;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event) {
  int (*ctl)(int, int, int, struct epoll_event *);
  *(void **)&ctl = next("epoll_ctl");
  if (fails("epoll_ctl") || (op == EPOLL_CTL_ADD && fails("epoll_add")))
    return -1;
  return ctl(epfd, op, fd, event);
}

int epoll_create(int size) {
  int (*create)(int);
  *(void **)&create = next("epoll_create");
  return fails("epoll_create") ? -1 : create(size);
}

int epoll_create1(int flags) {
  int (*create)(int);
  *(void **)&create = next("epoll_create1");
  return fails("epoll_create") ? -1 : create(flags);
}

/* The parent ends as its child does, and keeps no end of a connection open. */
static void follow(pid_t child) {
  int status;
  for (int fd = 3; fd < 256; fd++)
    close(fd);
  _exit(waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* become_child(): goes on as a child of fork(2). */
static int become_child(lua_State *L) {
  pid_t child = fork();
  if (child < 0)
    return luaL_error(L, "fork: %s", strerror(errno));
  if (child > 0)
    follow(child);
  (void)alarm(PATIENCE);
  waits_for_child = 0;
  return 0;
}

/* CALL, without "child_". */
static const char *call_of(const char *text) {
  waits_for_child = strncmp(text, "child_", 6) == 0;
  return waits_for_child ? text + 6 : text;
}

int main(int argc, char **argv) {
  if (argc < 6)
    return 2;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  call = call_of(argv[2]);
  first = atol(argv[3]);
  length = atol(argv[4]);
  error = atoi(argv[5]);
  (void)alarm(PATIENCE);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_register(L, "become_child", become_child);
  if (luaL_dofile(L, argv[1]) != LUA_OK)
    printf("error: %s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  if (refused)
    printf("refused %ld\n", refused);
  else
    printf("refused none\n");
  return 0;
}
