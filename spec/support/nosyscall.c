/* SPDX-License-Identifier: MIT
 *
 * nosyscall.c - a C program with Lua in it on a system of which it chooses what there is.
 *
 *     nosyscall SCRIPT WORD...
 *
 * "pidfd": pidfd_open(2) is refused; "close_range": that; "loop": libev's loop was made by
 * the host, so that libev answers SIGCHLD itself. The function syscall of this program is
 * found before the C library's. The script finds the words in 'arg'. */
#include <dlfcn.h>
#include <errno.h>
#include <ev.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static int no_pidfd, no_close_range;

static int is_refused(long number) {
#ifdef SYS_pidfd_open
  if (number == SYS_pidfd_open)
    return no_pidfd;
#endif
#ifdef SYS_close_range
  if (number == SYS_close_range)
    return no_close_range;
#endif
  return 0;
}

long syscall(long number, ...) {
  static long (*real)(long, long, long, long, long, long, long);
  long args[6];
  va_list list;
  if (real == NULL)
    *(void **)&real = dlsym(RTLD_NEXT, "syscall");
  va_start(list, number);
  for (int i = 0; i < 6; i++)
    args[i] = va_arg(list, long);
  va_end(list);
  if (!is_refused(number))
    return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
  errno = ENOSYS;
  return -1;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int status;
  luaL_openlibs(L);
  lua_newtable(L);
  for (int i = 2; i < argc; i++) {
    no_pidfd |= strcmp(argv[i], "pidfd") == 0;
    no_close_range |= strcmp(argv[i], "close_range") == 0;
    if (strcmp(argv[i], "loop") == 0)
      ev_default_loop(0);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, argv[i]);
  }
  lua_setglobal(L, "words");
  status = luaL_dofile(L, argv[1]);
  if (status != LUA_OK)
    printf("%s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return status;
}
