/* SPDX-License-Identifier: MIT
 *
 * dispatch.h - the one way from libev into Lua.
 *
 * Whatever libev calls hands a lua_CFunction to net_dispatch, which runs it
 * protected; when the outermost dispatch ends, ticks are drained and what was
 * written is flushed. After an error the ticks wait until the next callback is
 * over, as in Node, or for the check phase. One that nobody takes halts the loop:
 * nothing more of the turn runs, and as all of it sits in queues, nothing is lost;
 * the loop goes on from there when it is run again. */
#ifndef NET_DISPATCH_H
#define NET_DISPATCH_H

#include "loop/loop.h"

/* Runs 'half' protected, with 'arg' as light userdata at index 1 in a frame of
 * its own, then ticks and flushes. Never raises. Nothing runs while halted. Returns
 * whether the half has begun, for what the system does not tell again: without the
 * memory for a call it has not, and run() raises that. */
int net_dispatch(struct net_loop *loop, lua_CFunction half, void *arg);
/* As net_dispatch, of a half that runs many, and calls net_settle after each. */
int net_dispatch_batch(struct net_loop *loop, lua_CFunction half, void *arg);

/* Dispatches the half once the poll's results are all in, the last of them first: libev
 * tells of what it found from the last to the first, so the halves run in the order in
 * which the kernel had it. One protected call serves for all of them. A half that leaves
 * loop->rounds set is run again at once, until it has run so often. */
void net_ready(struct net_loop *loop, void (*half)(lua_State *L, void *arg), void *arg);
/* As net_ready, and behind all that the same poll found: the end of a child behind what it
 * has sent. */
void net_ready_behind(struct net_loop *loop, void (*half)(lua_State *L, void *arg), void *arg);
/* As net_ready, of a function that dispatches by itself, for each of several things. */
void net_ready_call(struct net_loop *loop, void (*call)(void *arg), void *arg);
/* What is noted for 'arg' is not run any more. */
void net_ready_forget(struct net_loop *loop, const void *arg);
/* Runs what is noted now: for what has to come behind it. Where the loop is halted, the
 * rest waits until it is run again. */
void net_ready_run(struct net_loop *loop);

/* What runs was no callback: ticks that wait for one go on waiting. */
static inline void net_settle_none(struct net_loop *loop) { loop->raised |= loop->postponed; }

/* Ticks, and the flush: within a dispatch that runs several callbacks, after each.
 * [-0, +0, e] */
void net_settle(lua_State *L, struct net_loop *loop);

#endif
