/* SPDX-License-Identifier: MIT
 *
 * timers.c - timers of the loop: a heap of due times.
 *
 * libev has timers of its own; a heap of ours gives what Node's have and
 * libev's do not: whole milliseconds, equal due times in order of starting,
 * the timer phase in one place of the turn, and no cost per re-arm but the
 * heap. The heap is binary; a timer knows its place in it. */
#include "loop/timers.h"

#include <errno.h>
#include <stdlib.h>

#include "loop/dispatch.h"
#include "loop/loop.h"

static int sooner(const struct net_timer *a, const struct net_timer *b) {
  return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void heap_put(struct net_loop *loop, size_t place, struct net_timer *t) {
  loop->heap[place - 1] = t;
  t->place = place;
}

/* Moves 't', whose place is free, up to where it belongs. */
static void heap_up(struct net_loop *loop, size_t place, struct net_timer *t) {
  for (; place > 1 && sooner(t, loop->heap[place / 2 - 1]); place /= 2)
    heap_put(loop, place, loop->heap[place / 2 - 1]);
  heap_put(loop, place, t);
}

/* Moves 't', whose place is free, down below those that are sooner. */
static void heap_down(struct net_loop *loop, size_t place, struct net_timer *t) {
  size_t child;
  while ((child = place * 2) <= loop->heap_len) {
    if (child < loop->heap_len && sooner(loop->heap[child], loop->heap[child - 1]))
      child++;
    if (!sooner(loop->heap[child - 1], t))
      break;
    heap_put(loop, place, loop->heap[child - 1]);
    place = child;
  }
  heap_put(loop, place, t);
}

static int heap_grow(struct net_loop *loop) {
  if (loop->heap_len < loop->heap_cap)
    return 0;
  size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 16;
  struct net_timer **grown = realloc(loop->heap, cap * sizeof *grown);
  if (grown == NULL)
    return -ENOMEM;
  loop->heap = grown;
  loop->heap_cap = cap;
  return 0;
}

int net_timer_start(struct net_loop *loop, struct net_timer *t, uint64_t due) {
  net_timer_stop(loop, t);
  if (loop->ev == NULL || heap_grow(loop) < 0)
    return -ENOMEM;
  t->due = due;
  t->seq = ++loop->timer_seq;
  heap_up(loop, ++loop->heap_len, t);
  return 0;
}

void net_timer_stop(struct net_loop *loop, struct net_timer *t) {
  size_t place = t->place;
  if (place == 0)
    return;
  struct net_timer *last = loop->heap[--loop->heap_len];
  t->place = 0;
  if (last == t)
    return;
  if (place > 1 && sooner(last, loop->heap[place / 2 - 1]))
    heap_up(loop, place, last);
  else
    heap_down(loop, place, last);
}

uint64_t net_timers_next(const struct net_loop *loop) {
  return loop->heap_len ? loop->heap[0]->due : 0;
}

/* Lua half of them all. The timer is stopped here and not before, so that it is
 * still due should memory run out on the way. */
static int timer_fire(lua_State *L) {
  struct net_timer *t = lua_touserdata(L, 1);
  net_timer_stop(net_loop_get(L), t);
  return t->fire(L);
}

int net_timers_due(struct net_loop *loop) {
  return loop->heap_len > 0 && loop->heap[0]->due <= net_loop_now(loop);
}

int net_timers_run(struct net_loop *loop) {
  uint64_t seq = loop->timer_seq; /* what a timer starts waits for the next turn */
  int ran = 0;
  while (!loop->halted && net_timers_due(loop)) {
    struct net_timer *t = loop->heap[0];
    if (t->seq > seq)
      break;
    net_dispatch(loop, timer_fire, t);
    ran = 1;
  }
  return ran;
}

/* What is in the heap may be stopped by a finalizer that runs later. */
void net_timers_end(struct net_loop *loop) {
  for (size_t i = 0; i < loop->heap_len; i++)
    loop->heap[i]->place = 0;
  free(loop->heap);
  loop->heap = NULL;
  loop->heap_len = loop->heap_cap = 0;
}
