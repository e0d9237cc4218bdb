/* SPDX-License-Identifier: MIT
 *
 * calls.c - a first-in first-out queue of Lua calls, kept in a Lua table.
 *
 * An entry takes nargs + 2 slots: the count, the function, the arguments. The
 * cursors go back to the first slot whenever the queue runs empty, which keeps
 * the table's array part small and warm. A ring of C structs with registry
 * references was the alternative: it costs a reference a value. */
#include "loop/calls.h"

#include <lauxlib.h>

#include "base/error.h"

#define FEW_ARGUMENTS 4 /* for which there is always room on the stack */
/* Slots; behind them what was taken leaves nothing, so that a queue that never runs empty does
 * not grow for ever. */
#define ROOM_MAX 256

void net_calls_init(lua_State *L, struct net_calls *q) {
  lua_createtable(L, 16, 0);
  q->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  q->head = q->tail = q->room = 1;
}

/* The slots before 'end' hold something. Such a slot takes another value without an
 * allocation. */
static void note_room(struct net_calls *q, lua_Integer end) {
  if (end > q->room)
    q->room = end < ROOM_MAX ? end : ROOM_MAX;
}

void net_calls_push(lua_State *L, struct net_calls *q, int nargs) {
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
  note_room(q, q->tail);
}

void net_calls_reserve(lua_State *L, struct net_calls *q, int slots) {
  lua_Integer end = q->tail + slots;
  if (end <= q->room)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->ref);
  for (lua_Integer i = q->tail; i < end; i++) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
  note_room(q, end);
}

/* Moves slot 'i' of the table at 'table' to the stack. [-0, +1, m] */
static void queue_take(lua_State *L, int table, lua_Integer i) {
  lua_rawgeti(L, table, i);
  if (i < ROOM_MAX)
    lua_pushboolean(L, 0);
  else
    lua_pushnil(L);
  lua_rawseti(L, table, i);
}

int net_calls_pop(lua_State *L, struct net_calls *q) {
  int table = lua_gettop(L) + 1;
  lua_rawgeti(L, LUA_REGISTRYINDEX, q->ref);
  lua_rawgeti(L, table, q->head);
  int nargs = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (nargs > FEW_ARGUMENTS && !lua_checkstack(L, nargs + 4))
    net_error_memory(L);
  for (int i = 1; i <= nargs + 1; i++)
    queue_take(L, table, q->head + i);
  lua_remove(L, table);
  q->head += nargs + 2;
  if (q->head == q->tail)
    q->head = q->tail = 1;
  return nargs;
}
