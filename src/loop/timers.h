/* SPDX-License-Identifier: MIT
 *
 * timers.h - timers of the loop: a heap of due times, one ev_timer for all.
 *
 * A struct net_timer is embedded in its owner. Starting, stopping and moving
 * one costs O(log n) and no system call; libev's timer is set once a turn, for
 * the soonest. Timers of one due time run in the order they were started. */
#ifndef NET_TIMERS_H
#define NET_TIMERS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct net_loop;

struct net_timer {
  lua_CFunction fire; /* the Lua half, called with the timer, which has stopped */
  uint64_t due;       /* ms, net_loop_now's clock */
  uint64_t seq;       /* order of starting */
  size_t place;       /* 1-based place in the heap; 0: not running */
};

/* (Re)starts the timer to fire at 'due'; 0, or -ENOMEM, also after lua_close has
 * ended the loop. It does not hold the loop, and its owner must stay alive while it runs. */
int net_timer_start(struct net_loop *loop, struct net_timer *t, uint64_t due);
void net_timer_stop(struct net_loop *loop, struct net_timer *t);

/* Fires all that are due, each in a dispatch of its own; returns whether there were any.
 * For turn.c. */
int net_timers_run(struct net_loop *loop);
/* Whether one is due, by the time of this turn. */
int net_timers_due(struct net_loop *loop);
/* Stops them all, for good: lua_close ends the loop. For turn.c. */
void net_timers_end(struct net_loop *loop);
/* The soonest due time, 0 when there is no timer. For turn.c. */
uint64_t net_timers_next(const struct net_loop *loop);

#endif
