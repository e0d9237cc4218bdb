/* SPDX-License-Identifier: MIT
 *
 * chld.c - a handler for SIGCHLD of somebody else's, which counts. */
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>

__attribute__((visibility("default"))) int luaopen_net_spec_chld(lua_State *L);

static volatile sig_atomic_t count;
static struct sigaction before;

static void on_signal(int signum) {
  (void)signum;
  count++;
}

static int install(lua_State *L) {
  struct sigaction ours = { .sa_flags = SA_RESTART };
  (void)L;
  ours.sa_handler = on_signal;
  sigaction(SIGCHLD, &ours, &before);
  return 0;
}

static int restore(lua_State *L) {
  (void)L;
  sigaction(SIGCHLD, &before, NULL);
  return 0;
}

static int is_installed(lua_State *L) {
  struct sigaction now;
  sigaction(SIGCHLD, NULL, &now);
  lua_pushboolean(L, !(now.sa_flags & SA_SIGINFO) && now.sa_handler == on_signal);
  return 1;
}

static int get_count(lua_State *L) {
  lua_pushinteger(L, count);
  return 1;
}

int luaopen_net_spec_chld(lua_State *L) {
  static const luaL_Reg functions[] = { { "install", install },
                                        { "restore", restore },
                                        { "is_installed", is_installed },
                                        { "count", get_count },
                                        { NULL, NULL } };
  luaL_newlib(L, functions);
  return 1;
}
