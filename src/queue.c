/* SPDX-License-Identifier: MIT
 *
 * queue.c - first-in first-out queues of Lua calls, kept in a Lua table.
 *
 * An entry takes nargs + 2 slots: the count, the function, the arguments. The
 * cursors go back to the first slot whenever a queue runs empty, which keeps
 * the table's array part small and warm. A ring of C structs with registry
 * references was the alternative: it costs a reference a value. */
#include "queue.h"

#include <lauxlib.h>

#define FEW_ARGUMENTS 4 /* for which there is always room on the stack */

void net_queue_init(lua_State *L, struct net_queue *q) {
  lua_createtable(L, 16, 0);
  q->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  q->head = q->tail = 1;
  q->count = 0;
}

void net_queue_push(lua_State *L, struct net_queue *q, int nargs) {
  int table = lua_gettop(L) - nargs;
  if (nargs > FEW_ARGUMENTS)
    luaL_checkstack(L, 2, "too many arguments");
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->ref);
  lua_insert(L, table);
  for (int i = nargs + 1; i >= 1; i--)
    lua_rawseti(L, table, q->tail + i);
  lua_pushinteger(L, nargs);
  lua_rawseti(L, table, q->tail);
  lua_pop(L, 1);
  q->tail += nargs + 2;
  q->count++;
}

/* A slot that holds something takes another value without an allocation. */
void net_queue_reserve(lua_State *L, struct net_queue *q, int slots) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->ref);
  for (int i = 0; i < slots; i++) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, q->tail + i);
  }
  lua_pop(L, 1);
}

/* Moves slot 'i' of the table at 'table' to the stack. [-0, +1, m] */
static void queue_take(lua_State *L, int table, lua_Integer i) {
  lua_rawgeti(L, table, i);
  lua_pushnil(L);
  lua_rawseti(L, table, i);
}

/* Counts one entry less; back to the first slot when it was the last. */
static void queue_taken(struct net_queue *q) {
  if (--q->count == 0)
    q->head = q->tail = 1;
}

int net_queue_pop(lua_State *L, struct net_queue *q) {
  int table = lua_gettop(L) + 1;
  if (net_queue_empty(q))
    return -1;
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->ref);
  lua_rawgeti(L, table, q->head);
  int nargs = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (nargs > FEW_ARGUMENTS)
    luaL_checkstack(L, nargs + 4, "too many arguments");
  for (int i = 1; i <= nargs + 1; i++)
    queue_take(L, table, q->head + i);
  lua_remove(L, table);
  q->head += nargs + 2;
  queue_taken(q);
  return nargs;
}

int net_queue_pop_newest(lua_State *L, struct net_queue *q) {
  int table = lua_gettop(L) + 1;
  if (net_queue_empty(q))
    return -1;
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->ref);
  queue_take(L, table, q->tail - 2);
  queue_take(L, table, q->tail - 1);
  lua_remove(L, table);
  q->tail -= 3;
  queue_taken(q);
  return 1;
}
