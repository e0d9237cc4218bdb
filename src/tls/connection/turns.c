/* SPDX-License-Identifier: MIT
 *
 * turns.c - whose handshake goes on next, and how long those of a turn may take.
 *
 * A handshake takes half a millisecond of computing, and clients come by the hundred: those
 * who are connected would wait for all of them. So what the poll tells of a handshake only
 * puts it into a queue, those who are open go first, and no turn spends more than a budget
 * on handshakes. The first of the queue alone is woken: were all of them, the loop would go
 * round among those for whom nothing is left.
 *
 * For him it still goes round, as net_capi.h has no way to be called in the next turn: who is
 * woken amid a turn's completions comes again with them, until phases.c has had enough of its
 * rounds. That is once a turn, behind 4 ms of handshakes. A function for the next turn would
 * need a second list of who is woken, and a hold on the loop and a poll that does not wait
 * until it has run: more than this is worth. */
#include "tls/connection/turns.h"

enum { BUDGET = 4000000 }; /* ns a turn */

static void wake_first(const struct net_tls_queue *queue) {
  struct net_handle *h = queue->first ? net_tls_net->handle(queue->first->below.stream) : NULL;
  if (h)
    net_tls_net->wake(h, NET_READ);
}

void net_tls_turns_join(struct net_tls *t) {
  struct net_tls_queue *queue = &t->shared->queue;
  if (t->queued)
    return;
  t->queued = 1;
  t->behind = NULL;
  t->before = queue->last;
  if (queue->last)
    queue->last->behind = t;
  else
    queue->first = t;
  queue->last = t;
  if (queue->first == t)
    wake_first(queue);
}

/* Takes it out, and lets the next one come forward. */
void net_tls_turns_leave(struct net_tls *t) {
  struct net_tls_queue *queue = &t->shared->queue;
  int was_first = queue->first == t;
  if (!t->queued)
    return;
  t->queued = 0;
  if (t->before)
    t->before->behind = t->behind;
  else
    queue->first = t->behind;
  if (t->behind)
    t->behind->before = t->before;
  else
    queue->last = t->before;
  if (was_first)
    wake_first(queue);
}

int net_tls_turns_may(struct net_tls *t) {
  struct net_tls_queue *queue = &t->shared->queue;
  uint32_t turn = net_tls_net->turn(t->below.stream);
  if (queue->first != t)
    return 0;
  if (turn != queue->turn) {
    queue->turn = turn;
    queue->spent = 0;
  }
  if (queue->spent >= BUDGET) {
    wake_first(queue);
    return 0;
  }
  net_tls_turns_leave(t);
  return 1;
}

void net_tls_turns_spent(struct net_tls *t, long cost) { t->shared->queue.spent += cost; }
