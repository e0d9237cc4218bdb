/* SPDX-License-Identifier: MIT
 *
 * listeners.h - the listeners of an emitter, as a value.
 *
 * An entry is what one on() added: the listener itself (a function); a once
 * entry, a table {listener, [hidden = true]} with its own metatable; or a
 * light userdata, an internal step. One entry is kept bare, several in a list,
 * a plain table, of which no entry is ever moved or taken out: so an emit needs
 * no copy, and a listener may add and remove what it likes. What is added last
 * is put behind the others in place, as whoever walks a list takes its length
 * first; all other changes make a new list. Per object a mask
 * tells which of the events that C emits have a listener at all, so that an
 * event nobody wants costs one bit test.
 *
 * An emitter's array has a name and its listeners by turns. A hash from name to
 * listeners was the alternative; it is no faster for the handful of events an object
 * has, and loses the order of eventNames(). */
#ifndef NET_LISTENERS_H
#define NET_LISTENERS_H

#include "events/events.h"

/* One emit or look-up: which event, of whom, and where its arguments are. */
struct net_emission {
  int self;             /* absolute index of the emitter */
  struct net_object *o; /* the emitter, NULL if it is a table */
  int event;            /* enum net_event, or NET_EVENTS: then by name */
  int name;             /* absolute index of the name, or 0: that of the event */
  int first;            /* absolute index of the first argument */
  int nargs;
};

/* Pushes the event's name. [-0, +1, m] */
void net_emission_push_name(lua_State *L, const struct net_emission *e);

/* Pushes an emitter's array, or nil; returns whether there is one. [-0, +1, m] */
int net_listeners_array(lua_State *L, int self);
/* Pushes it, made when missing; by a finalizer, if that is faster. [-0, +1, m] */
void net_listeners_array_made(lua_State *L, int self);

/* Slot of the event's name in the array on the top, or 0; if found, pushes the
 * listeners. [-0, +(1|0), -] */
lua_Integer net_listeners_find(lua_State *L, const struct net_emission *e);
/* Pushes the listeners of the event, if it has any; returns whether. [-0, +(1|0), -] */
int net_listeners_push(lua_State *L, const struct net_emission *e);
/* Is the value at 'idx' a list of entries, not an entry? [-0, +0, -] */
int net_listeners_are_list(lua_State *L, int idx);

/* What to do with the entry on the top. [-1, +0, e] */
typedef int net_entry_fn(lua_State *L, const struct net_emission *e);
/* Calls 'visit' with each entry of the listeners at absolute index 'idx', the oldest
 * first; not with those that are added meanwhile. Returns the sum of what it returned.
 * [-0, +0, e] */
int net_listeners_walk(lua_State *L, int idx, net_entry_fn *visit, const struct net_emission *e);

/* Adds the entry on the top to the event; returns whether it is one of several.
 * [-1, +0, m] */
int net_listeners_add(lua_State *L, const struct net_emission *e, int prepend);
/* Removes one listener or entry equal to the value at absolute index 'what';
 * returns whether it was there. Announces nothing. [-0, +0, m] */
int net_listeners_remove(lua_State *L, const struct net_emission *e, int what);

/* As net_listeners_remove, without memory: in a list of more than two it is replaced by an
 * internal step, which goes with the next emit. [-0, +0, -] */
int net_listeners_forget(lua_State *L, const struct net_emission *e, int what, const void *instead);

#endif
