/* SPDX-License-Identifier: MIT
 *
 * dial.h - one attempt to connect, until it succeeded or failed.
 *
 * Lua asks for it (lua/net/internal/socket/connect.lua), the stream takes the descriptor over:
 *
 *     new ─open─▶ open ─connect─▶ connecting ──▶ connected ─take─▶ closed
 *      └─adopt─▶ │ ▲               │    └────▶ failed ──────close──▶ ▲
 *               bind               └──────────close──────────────────┘
 *
 * A dial serves one attempt; close() is silent, and fine in every state. It is
 * anchored exactly while it is connecting, and never holds the loop: who waits
 * for it does. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <lua.h>

#include "loop/object.h"
#include "base/sys.h"

struct net_dial;

extern const struct net_class net_dial_class;

/* The dial at 'idx', or raises. [-0, +0, e] */
struct net_dial *net_dial_check(lua_State *L, int idx);
/* Pushes a new dial. [-0, +1, e] */
struct net_dial *net_dial_new(lua_State *L);
/* Gives the new dial at 'idx' the descriptor of the BoundSocket at 'from', which it
 * owns from now on; raises if that is gone. Returns the family. To what such a one can
 * connect is the kernel's to say. [-0, +0, e] */
int net_dial_adopt(lua_State *L, int idx, int from);
/* Hands over the descriptor of a connected dial, which is closed from now on;
 * -1, and nothing done, in any other state. */
int net_dial_take(struct net_dial *d, enum net_fd_kind *kind);
/* Its descriptor, still the dial's own; -1 for none. */
int net_dial_fd(const struct net_dial *d);
/* Is that of a BoundSocket? */
int net_dial_is_adopted(const struct net_dial *d);
/* connect(2) was called, and has no answer; has it one, and the dial is not closed? */
int net_dial_waits(const struct net_dial *d);
int net_dial_has_answer(const struct net_dial *d);
/* It is to hold the loop while it waits, or no more. */
void net_dial_hold(struct net_dial *d);
void net_dial_unhold(struct net_dial *d);
/* Gives the attempt up: the callback is never called. From the thread that runs
 * Lua alone, as the anchor goes. */
void net_dial_close(struct net_dial *d);

/* Adds dial and Dial to the core table on the top. [-0, +0, m] */
void net_dial_open(lua_State *L);

#endif
