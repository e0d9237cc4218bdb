/* SPDX-License-Identifier: MIT
 *
 * call.c - protected calls in a task, after which the call that made them may go on. */
#include <lauxlib.h>

#include "loop/uncaught.h"
#include "task/task.h"

/* The error of a scope comes by for a reason that nobody looks for in a traceback. */
int net_task_on_error(lua_State *L) {
  const struct net_task *t = net_wait_task(net_loop_get(L), L);
  if (t && net_scope_raised(L, t, 1))
    return 1;
  return net_uncaught_note(L);
}

int net_task_pcall(lua_State *L, int fn, lua_KFunction k) {
  lua_pushcfunction(L, net_task_on_error);
  lua_insert(L, fn + 1);
  int nargs = lua_gettop(L) - fn - 2;
  return k(L, lua_pcallk(L, nargs, LUA_MULTRET, fn + 1, 0, k), 0);
}

int net_task_rethrow(lua_State *L) { return net_uncaught_again(L); }
