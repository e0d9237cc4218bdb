/* SPDX-License-Identifier: MIT
 *
 * phases.c - the queues of a turn, and what is behind its poll. See phases.h. */
#include "loop/phases.h"

#include "loop/dispatch.h"

/* Steps of one phase. */
struct phase {
  struct net_loop *loop;
  struct net_steps *steps;
  struct net_step (*pop)(struct net_steps *q);
  size_t left; /* of those that it began with */
  int raised;  /* the step that ran last did, not a tick behind it */
};

static int is_phase_over(const struct phase *p) {
  return p->loop->halted || p->left == 0 || p->steps->count == 0;
}

/* Each step has its ticks and its flush before the next. A step takes itself out of
 * the queue first, and an error ends the protected call, not the phase. */
static int phase_batch(lua_State *L) {
  struct phase *p = lua_touserdata(L, 1);
  lua_settop(L, 0);
  while (!is_phase_over(p)) {
    struct net_step step = p->pop(p->steps);
    p->left--;
    p->raised = 1;
    if (step.run)
      net_step_run(L, &step);
    p->raised = 0;
    if (p->loop->depth == 1)
      net_settle(L, p->loop);
  }
  return 0;
}

static void run_phase(struct phase *p) {
  while (!is_phase_over(p))
    net_dispatch_batch(p->loop, phase_batch, p);
}

#define WAKE_ROUNDS 256

/* Those that are woken meanwhile have the next round. */
static void run_woken(struct net_loop *loop) {
  for (uint32_t n = loop->wakes.len; n > 0 && loop->wakes.len > 0 && !loop->halted; n--)
    loop->woken(net_wakes_take(&loop->wakes));
}

void net_phases_pending(struct net_loop *loop) {
  if (!loop->holding)
    return;
  for (int round = 0;
       (round < 8 && loop->pending.count > 0) || (round < WAKE_ROUNDS && loop->wakes.len > 0);
       round++) {
    struct phase p = { loop, &loop->pending, net_steps_pop, loop->pending.count, 0 };
    run_phase(&p);
    run_woken(loop);
  }
  net_loop_hold(loop);
}

/* The parts of a turn that are behind its poll, in order. Each tells which is next, seen
 * from it: 0 if an error has cut it, so that it goes on when the loop is run again. */

static int part_ready(struct net_loop *loop) {
  net_ready_run(loop);
  return !loop->halted;
}

static int part_pending(struct net_loop *loop) {
  net_phases_pending(loop);
  return !loop->halted;
}

/* Ticks that are postponed come behind the first immediate, at the latest: Node makes one for
 * each error, and so does uncaught.c, for which there may have been no memory. Those that
 * an immediate postpones wait for the next turn. */
static int part_postponed(struct net_loop *loop) {
  loop->left = loop->immediates.count;
  if (loop->postponed && loop->left == 0)
    net_dispatch(loop, NULL, NULL);
  return 1;
}

/* If the last of them raises, those that were queued meanwhile follow at once: so does
 * Node, which looks whether the error has left any. */
static int part_immediates(struct net_loop *loop) {
  if (loop->left == 0)
    return !loop->halted;
  struct phase p = { loop, &loop->immediates, net_steps_pop, loop->left, 0 };
  run_phase(&p);
  loop->left = p.left;
  if (p.left == 0 && p.raised)
    return -1;
  return !loop->halted;
}

/* Close events that are queued from here on wait for the next turn. */
static int part_to_close(struct net_loop *loop) {
  if (loop->closing_now.count == 0) {
    struct net_steps empty = loop->closing_now;
    loop->closing_now = loop->closing;
    loop->closing = empty;
  }
  return 1;
}

/* They come last in first out, as libuv keeps its closing handles. */
static int part_closing(struct net_loop *loop) {
  struct net_steps *closing = &loop->closing_now;
  struct phase p = { loop, closing, net_steps_pop_newest, closing->count, 0 };
  run_phase(&p);
  net_loop_hold(loop);
  return !loop->halted;
}

static int (*const parts[])(struct net_loop *loop) = {
  part_ready, part_pending, part_postponed, part_immediates, part_to_close, part_closing,
};
#define PARTS (int)(sizeof parts / sizeof *parts)

/* Most turns have nothing but what is ready. */
void net_phases_begin(struct net_loop *loop) {
  net_ready_run(loop);
  if (!loop->halted && !loop->holding && loop->immediates.count == 0)
    return;
  loop->part = !loop->halted; /* what was ready has run, or waits */
  net_phases_go_on(loop);
}

void net_phases_go_on(struct net_loop *loop) {
  while (loop->part < PARTS && !loop->halted) {
    int next = parts[loop->part](loop);
    loop->part += next;
  }
}

void net_phases_none(struct net_loop *loop) { loop->part = PARTS; }
