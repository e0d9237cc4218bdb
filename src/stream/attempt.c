/* SPDX-License-Identifier: MIT
 *
 * attempt.c - the attempt of a stream to connect. See attempt.h. */
#include "stream/attempt.h"

void net_attempt_set(lua_State *L, int idx) {
  struct net_dial *d = lua_touserdata(L, -1);
  if (net_stream_at(L, idx)->life.destroyed) {
    lua_pop(L, 1); /* by a finalizer, while the dial was made */
    return;
  }
  net_rare_set(L, idx, SLOT_DIAL);
  net_dial_hold(d);
}

void net_attempt_push(lua_State *L, int idx) { net_rare_get(L, idx, SLOT_DIAL); }

struct net_dial *net_attempt_dial(lua_State *L, int idx) {
  net_attempt_push(L, idx);
  struct net_dial *d = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return d;
}

int net_attempt_waits(lua_State *L, int idx) {
  const struct net_dial *d = net_attempt_dial(L, idx);
  return d && net_dial_waits(d);
}

int net_attempt_has_failed(lua_State *L, int idx) {
  const struct net_dial *d = net_attempt_dial(L, idx);
  return d && net_dial_has_answer(d) && !net_stream_at(L, idx)->life.connecting;
}

void net_attempt_unhold(lua_State *L, int idx) {
  struct net_dial *d = net_attempt_dial(L, idx);
  if (d)
    net_dial_unhold(d);
}

/* The slot has been there: to empty it needs no memory. */
static void forget(lua_State *L, int idx) {
  lua_pushnil(L);
  net_rare_set(L, idx, SLOT_DIAL);
}

int net_attempt_take(lua_State *L, int idx, enum net_fd_kind *kind) {
  struct net_dial *d = net_attempt_dial(L, idx);
  int fd = d ? net_dial_take(d, kind) : -1;
  if (fd < 0)
    luaL_error(L, "there is no dial that is connected");
  forget(L, idx);
  return fd;
}

void net_attempt_close(lua_State *L, int idx) {
  struct net_dial *d = net_attempt_dial(L, idx);
  if (d == NULL)
    return;
  net_dial_close(d);
  forget(L, idx);
}
