/* SPDX-License-Identifier: MIT
 *
 * watch.h - libev's default loop as we take it, and watchers of descriptors.
 *
 * The system may refuse to watch: epoll_ctl(2) fails with ENOSPC beyond the user's
 * limit, or with ENOMEM. libev tries with the next poll, and stops the watcher; it calls
 * it with EV_ERROR only when that poll has ended, and it has forgotten to count. Here that
 * becomes an error like others. */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include <ev.h>

struct net_loop;

/* libev's default loop, made if there is none; NULL and a negative errno, which may be 0,
 * if there is none for this system, or if it cannot be woken. */
struct ev_loop *net_watch_loop(int *err);
/* Has a host made it? Then libev takes the status of every child that ends, for an
 * ev_child to tell. */
int net_watch_reaps(void);

/* Watchers never keep the loop alive by themselves: net_loop_ref does. */
void net_io_start(struct net_loop *loop, ev_io *w);
void net_io_stop(struct net_loop *loop, ev_io *w);
int net_watch_refused(struct net_loop *loop, ev_io *w);
/* For the callback of each: 0, or the -errno for which the system would not watch. The
 * watcher has stopped then. */
static inline int net_io_refused(struct net_loop *loop, ev_io *w, int revents) {
  return revents & EV_ERROR ? net_watch_refused(loop, w) : 0;
}
/* The name of the call that refused: "epoll_ctl". */
const char *net_io_call(const struct net_loop *loop);

/* After a poll with loop->started, before which errno was 0: notes what it tells. */
void net_watch_after(struct net_loop *loop);

#endif
