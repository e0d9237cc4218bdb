/* SPDX-License-Identifier: MIT
 *
 * steps.c - queues of steps, as rings in C. See steps.h. */
#include "loop/steps.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define CAP_MIN 16
#define CAP_KEPT 1024 /* a ring that was larger is given back when it runs empty */

static struct net_step *slot(const struct net_steps *q, size_t i) {
  return &q->ring[(q->head + i) & (q->cap - 1)];
}

/* The oldest comes first in a new ring. */
static int grow(struct net_steps *q, size_t cap) {
  struct net_step *ring = malloc(cap * sizeof *ring);
  if (ring == NULL)
    return 0;
  for (size_t i = 0; i < q->count; i++)
    ring[i] = *slot(q, i);
  free(q->ring);
  q->ring = ring;
  q->head = 0;
  q->cap = cap;
  return 1;
}

void net_steps_reserve(lua_State *L, struct net_steps *q, size_t more) {
  size_t cap = q->cap ? q->cap : CAP_MIN;
  if (q->count + more <= q->cap || q->ended)
    return;
  while (cap < q->count + more)
    cap *= 2;
  if (!grow(q, cap))
    net_error_memory(L);
}

void net_steps_push(lua_State *L, struct net_steps *q, int idx, struct net_object *o,
                    net_step_fn *run, lua_Integer n) {
  if (q->ended)
    return;
  net_object_hold(L, idx, o); /* first: a finalizer that it runs may push, too */
  if (q->count == q->cap && !grow(q, q->cap ? q->cap * 2 : CAP_MIN)) {
    net_object_let_go(L, o);
    net_error_memory(L);
  }
  *slot(q, q->count++) = (struct net_step){ run, o, n };
}

void net_steps_mark(struct net_steps *q) {
  if (q->ended)
    return;
  *slot(q, q->count++) = (struct net_step){ NULL, NULL, 0 };
}

void net_steps_try_mark(struct net_steps *q) {
  if (q->count < q->cap || grow(q, q->cap ? q->cap * 2 : CAP_MIN))
    net_steps_mark(q);
}

static void give_back(struct net_steps *q) {
  free(q->ring);
  memset(q, 0, sizeof *q);
}

/* One step less. */
static void taken(struct net_steps *q) {
  if (--q->count == 0 && q->cap > CAP_KEPT)
    give_back(q);
}

struct net_step net_steps_pop(struct net_steps *q) {
  struct net_step step = *net_steps_oldest(q);
  q->head = (q->head + 1) & (q->cap - 1);
  taken(q);
  return step;
}

struct net_step net_steps_pop_newest(struct net_steps *q) {
  struct net_step step = *slot(q, q->count - 1);
  taken(q);
  return step;
}

void net_step_run(lua_State *L, const struct net_step *step) {
  net_push(L, step->o);
  net_object_let_go(L, step->o);
  step->run(L, step);
  lua_settop(L, 0);
}

void net_steps_end(struct net_steps *q) {
  give_back(q);
  q->ended = 1;
}
