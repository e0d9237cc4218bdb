/* SPDX-License-Identifier: MIT
 *
 * tasks.c - opens the room, from the bottom up, when a program first asks for tasks. */
#include <lauxlib.h>

#include "task/socket.h"
#include "task/task.h"

/* open_tasks() -> what lua/net/co.lua is built on: the class, and functions. The first call
 * makes the scheduler; a program that has no tasks has none. */
static int core_open_tasks(lua_State *L) {
  static const char opened_key; /* registry: the table */
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &opened_key) == LUA_TTABLE)
    return 1;
  struct net_loop *loop = net_loop_get(L);
  lua_createtable(L, 0, 40);
  net_schedule_open(L, loop);
  net_task_object_open(L);
  net_await_open(L);
  net_task_fields_open(L);
  net_wait_open(L);
  net_suspend_open(L);
  net_deadline_open(L);
  net_generator_open(L);
  net_task_socket_open(L, loop);
  lua_newtable(L);
  net_receive_open(L);
  net_send_open(L);
  lua_setfield(L, -2, "socket");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &opened_key);
  return 1;
}

void net_task_open(lua_State *L) {
  lua_pushcfunction(L, core_open_tasks);
  lua_setfield(L, -2, "open_tasks");
}
