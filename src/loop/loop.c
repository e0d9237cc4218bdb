/* SPDX-License-Identifier: MIT
 *
 * loop.c - libev's default loop as the rest knows it: what holds it, and what waits for
 * its turn. See loop.h.
 *
 * All watchers of ours are unref'd in libev's eyes; net_loop_ref counts what
 * holds the program. Who calls what waits here is dispatch.c and turn.c.
 *
 * The loop's memory is a userdata in the registry, made before any other of
 * our objects, hence finalised after them. */
#include "loop/loop.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "base/sys.h"

enum { ROOM = 32 }; /* objects */

static const char loop_key; /* registry: the loop's userdata */

struct net_loop *net_loop_get(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key);
  struct net_loop *loop = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (loop == NULL || loop->ev == NULL)
    luaL_error(L, "net: the Lua state is closing");
  return loop;
}

uint64_t net_loop_now(struct net_loop *loop) {
  if (loop->L == NULL && loop->depth == 0)
    return net_sys_now_ms(); /* no turn is under way, and Lua may have run for long */
  if (loop->now == 0)
    loop->now = net_sys_now_ms();
  return loop->now;
}

void net_loop_ref(struct net_loop *loop) {
  loop->refs++;
  if (loop->ev)
    ev_ref(loop->ev);
}

void net_loop_unref(struct net_loop *loop) {
  loop->refs--;
  if (loop->ev)
    ev_unref(loop->ev);
}

void net_tick(lua_State *L, struct net_loop *loop, int nargs) {
  net_steps_reserve(L, &loop->ticks, 1);
  net_calls_push(L, &loop->calls, nargs);
  net_steps_mark(&loop->ticks);
}

void net_tick_step(lua_State *L, int idx, struct net_object *o, net_step_fn *run, lua_Integer n) {
  net_steps_push(L, &o->loop->ticks, idx, o, run, n);
}

void net_tick_reserve(lua_State *L, struct net_loop *loop, int count, int slots) {
  net_steps_reserve(L, &loop->ticks, (size_t)count);
  net_calls_reserve(L, &loop->calls, slots);
}

/* A completion or close event that is still to come holds the loop, although
 * the handle it belongs to is closed already. So do postponed ticks, and tasks that are ready. */
void net_loop_hold(struct net_loop *loop) {
  int busy = loop->pending.count > 0 || loop->closing.count > 0 || loop->closing_now.count > 0 ||
             loop->wakes.len > 0 || loop->tasks.ready > 0 || loop->postponed;
  if (busy && !loop->holding)
    net_loop_ref(loop);
  else if (!busy && loop->holding)
    net_loop_unref(loop);
  loop->holding = busy;
}

void net_pend(lua_State *L, int idx, struct net_object *o, net_step_fn *run) {
  net_steps_push(L, &o->loop->pending, idx, o, run, 0);
  net_loop_hold(o->loop);
}

void net_closing(lua_State *L, int idx, struct net_object *o, net_step_fn *run) {
  net_steps_push(L, &o->loop->closing, idx, o, run, 0);
  net_loop_hold(o->loop);
}

void net_loop_wake(struct net_loop *loop, void *stream) {
  net_wakes_add(&loop->wakes, stream);
  net_loop_hold(loop);
}

void net_loop_halt(struct net_loop *loop) {
  loop->halted = 1;
  ev_break(loop->ev, EVBREAK_ALL);
}

void net_loop_starve(struct net_loop *loop) {
  loop->starved = 1;
  net_loop_halt(loop);
}

void net_loop_make_room(lua_State *L) {
  int refs[ROOM];
  for (int i = 0; i < ROOM; i++) {
    lua_pushboolean(L, 1);
    refs[i] = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  for (int i = ROOM - 1; i >= 0; i--) /* the first is given away first */
    luaL_unref(L, LUA_REGISTRYINDEX, refs[i]);
}

void net_loop_set(lua_State *L) { lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key); }

/* --- what is to be flushed ------------------------------------------------------ */

int net_loop_grow_dirty(struct net_loop *loop) {
  uint32_t cap = loop->dirty_cap ? loop->dirty_cap * 2 : 64;
  struct net_flushable **grown = realloc(loop->dirty, cap * sizeof *grown);
  if (grown == NULL)
    return -ENOMEM;
  loop->dirty = grown;
  loop->dirty_cap = cap;
  return 0;
}

void net_loop_clean(struct net_loop *loop, struct net_flushable *f) {
  if (f->index)
    loop->dirty[f->index - 1] = NULL;
  f->index = 0;
}

void net_loop_flush(lua_State *L, struct net_loop *loop) {
  for (uint32_t i = 0; i < loop->dirty_len; i++) {
    struct net_flushable *f = loop->dirty[i];
    if (f == NULL)
      continue;
    f->index = 0;
    loop->dirty[i] = NULL;
    if (f->is_channel)
      loop->flush_channel(L, f);
    else
      loop->flush(L, f);
  }
  loop->dirty_len = 0;
}
