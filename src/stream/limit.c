/* SPDX-License-Identifier: MIT
 *
 * limit.c - a limit of time that is a stream's own: what a layer above has to have done by
 * then, as TLS its handshake.
 *
 * Lua could start a timer, and end it in a listener of 'close'. But where there is no memory
 * that listener is not called, and then the timer holds the program until it is due, two
 * minutes for nothing. This one ends in destroy(), which needs no memory for it. */
#include "loop/timeout.h"
#include "stream/stream.h"

void net_stream_unlimit(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (!s->watch.limited)
    return;
  s->watch.limited = 0;
  if (net_rare_get(L, idx, SLOT_LIMIT) == LUA_TUSERDATA)
    net_timeout_clear(L, lua_gettop(L));
  lua_pop(L, 1);
  lua_pushnil(L);
  net_rare_set(L, idx, SLOT_LIMIT); /* which is there, and so asks for nothing */
}

void net_stream_limit(lua_State *L, int idx, uint64_t ms) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_unlimit(L, idx);
  lua_pushvalue(L, idx);
  net_timeout_push(L, s->o.loop, ms);
  lua_pushvalue(L, -1);
  net_rare_set(L, idx, SLOT_LIMIT);
  if (!s->life.destroyed) { /* nor by a finalizer, meanwhile */
    net_timeout_start(L, lua_gettop(L));
    s->watch.limited = 1;
  }
  lua_pop(L, 1);
}
