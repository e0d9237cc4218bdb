/* SPDX-License-Identifier: MIT
 *
 * ready.c - the one queue of tasks that are to run: how one joins it.
 *
 * Under all else of the room, as everybody wakes. Who takes them out is schedule.c. */
#include "base/container.h"
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

void net_task_look_again(struct net_loop *loop) {
  struct net_link *all = &net_scheduler_of(loop)->all;
  for (struct net_link *l = all->next; l != all; l = l->next) {
    struct net_task *t = net_container_of(l, struct net_task, all);
    int waits = t->state == TASK_WAITING && !t->interrupted && t->wait.kind;
    if (waits && t->wait.kind->looks)
      net_task_wake(t);
  }
}
