/* SPDX-License-Identifier: MIT
 *
 * exit.h - what was written is sent although the program ends before the turn does.
 *
 * A small write leaves when the listener that made it is done (writable.c). os.exit()
 * in between closes no Lua state, so that no finalizer would send it; Node, which
 * writes at once, loses nothing there. */
#ifndef NET_EXIT_H
#define NET_EXIT_H

#include "loop.h"

/* From now on, and until it is forgotten, exit(3) in the thread that runs the loop
 * sends what waits for the turn's end. */
void net_exit_watch(struct net_loop *loop);
void net_exit_forget(struct net_loop *loop);
/* The loop is run by this thread now. */
void net_exit_own(struct net_loop *loop);
/* Is it this process that writes? A child made by fork(2) has a copy of what waits. */
int net_exit_is_own_process(const struct net_loop *loop);

#endif
