/* SPDX-License-Identifier: MIT
 *
 * turn.h - one turn of the loop, and run():
 *
 *     prepare   in the first turn due timers; completions that are pending
 *     poll      descriptors, signals, resolver answers
 *     check     what is ready, pending completions, immediates, close events, due timers */
#ifndef NET_TURN_H
#define NET_TURN_H

#include <lua.h>

/* Makes the loop; must be opened before anything that uses it. Adds run, stop,
 * tick, alive, now to the core table on the top.
 * [-0, +0, e] */
void net_turn_open(lua_State *L);

#endif
