/* SPDX-License-Identifier: MIT
 *
 * steps.h - queues of steps: functions of ours that are to be called with an object
 * and a number.
 *
 * Most ticks, all completions, immediates and close events are such steps, and a
 * connection has half a dozen. A ring in C takes them; its objects are held in the
 * registry as long as they are in one, where most of them are anyhow, so that a step
 * costs a tenth of what a call kept in a Lua table does (calls.h). */
#ifndef NET_STEPS_H
#define NET_STEPS_H

#include <stddef.h>

#include "loop/object.h"

struct net_step;

/* Called with the step, whose object is at index 1 of a frame that holds nothing else.
 * [-0, +?, e] */
typedef void net_step_fn(lua_State *L, const struct net_step *step);

struct net_step {
  net_step_fn *run;     /* NULL: whoever owns the queue knows what */
  struct net_object *o; /* held; NULL if 'run' is */
  lua_Integer n;
};

/* Zeroed: empty. */
struct net_steps {
  struct net_step *ring; /* owned */
  size_t head, count;    /* the oldest, how many; they wrap at 'cap' */
  size_t cap;            /* 0 or a power of two */
  int ended;             /* takes nothing more, and is empty */
};

/* Makes room: pushing so many steps next cannot raise, if their objects are held already.
 * [-0, +0, m] */
void net_steps_reserve(lua_State *L, struct net_steps *q, size_t more);
/* Queues a step for the object 'o', which is at 'idx'. [-0, +0, m] */
void net_steps_push(lua_State *L, struct net_steps *q, int idx, struct net_object *o,
                    net_step_fn *run, lua_Integer n);
/* Queues one without a function, for which there must be room. */
void net_steps_mark(struct net_steps *q);
/* As net_steps_mark, if there is memory for it. */
void net_steps_try_mark(struct net_steps *q);
/* The oldest of a queue that is not empty. */
static inline const struct net_step *net_steps_oldest(const struct net_steps *q) {
  return &q->ring[q->head];
}
/* Take one out of a queue that is not empty: the oldest, the newest. */
struct net_step net_steps_pop(struct net_steps *q);
struct net_step net_steps_pop_newest(struct net_steps *q);
/* Runs what was taken out, which has a function, in an empty frame. [-0, +0, e] */
void net_step_run(lua_State *L, const struct net_step *step);
/* Frees the memory. What a finalizer still queues when lua_close has ended the loop is
 * dropped, or its memory would be nobody's. */
void net_steps_end(struct net_steps *q);

#endif
