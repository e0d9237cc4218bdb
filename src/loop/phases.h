/* SPDX-License-Identifier: MIT
 *
 * phases.h - the queues of a turn, and what is behind its poll.
 *
 * An error that nobody takes halts the loop amid a turn. The parts of the turn that it
 * has cut off stay as they are, and run first when the loop is run again: Node, whose
 * loop no error ends, runs them in that place too. Refused: to begin with a new poll, by
 * which ticks came before the close events of the turn, and timers before immediates. */
#ifndef NET_PHASES_H
#define NET_PHASES_H

#include "loop/loop.h"

/* Completions, and streams that were woken. A completion may cause the next; eight rounds
 * a time, as in libuv. What two sockets tell each other is one write a round, and in Node
 * does not wait for a poll at all. What nothing holds the loop for is not looked for: most
 * turns have none. */
void net_phases_pending(struct net_loop *loop);

/* Runs what is behind the poll: what it found ready, completions, immediates and close
 * events. */
void net_phases_begin(struct net_loop *loop);
/* Runs what an error has cut off of it, if anything. */
void net_phases_go_on(struct net_loop *loop);
/* There is nothing to go on with. */
void net_phases_none(struct net_loop *loop);

#endif
