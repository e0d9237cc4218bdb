/* SPDX-License-Identifier: MIT
 *
 * emitter.h - listeners and emit, for our objects and for any
 * Lua table that wants them.
 *
 * A table's listeners live in its field '_events', an object's in a user
 * value: an array of event, listeners, event, listeners, ... in order of first
 * use. Listeners of one event are a single entry or a list of entries that only
 * grows at its end: off makes a new list, emit walks as far as the one it took
 * went then. */
#ifndef NET_EMITTER_H
#define NET_EMITTER_H

#include <lua.h>

#include "events/emit.h"
#include "loop/object.h"

/* As net_class_open, of a class that emits: its methods are on, once, off, emit, ...
 * besides its own and 'more'. [-0, +1, m] */
void net_emitter_class_open(lua_State *L, const struct net_class *cls, int more);
/* Gives the class whose tables are on the top what Lua has given EventEmitter until now: to
 * one that is opened lazily, when the Lua half is there already. [-0, +0, m] */
void net_emitter_class_lazy(lua_State *L);
/* Adds what events.lua needs to the core table on the top. [-0, +0, e] */
void net_emitter_open(lua_State *L);

#endif
