/* SPDX-License-Identifier: MIT
 *
 * ready.c - the one queue of tasks that are to run: how one joins it.
 *
 * Under all else of the room, as everybody wakes. Who takes them out is schedule.c. */
#include "task/task.h"

void net_task_queue(struct net_task *t) {
  struct net_loop *loop = t->o.loop;
  net_list_append(&net_scheduler_of(loop)->ready, &t->ready);
  if (loop->tasks.ready++ == 0 && loop->depth == 0) /* else the dispatch ends with that */
    net_loop_hold(loop);
}

void net_task_wake(struct net_task *t) {
  net_list_remove(&t->wait.link);
  t->state = TASK_READY;
  net_task_queue(t);
}
