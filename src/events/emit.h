/* SPDX-License-Identifier: MIT
 *
 * emit.h - how an event is told to its listeners. */
#ifndef NET_EMIT_H
#define NET_EMIT_H

#include <lua.h>

#include "events/events.h"
#include "events/listeners.h"
#include "loop/object.h"

struct net_loop;

/* A step of ours among the user's listeners: runs once, in its place, and is
 * seen by nobody. 'idx' is the emitter's absolute stack index. */
struct net_internal {
  void (*run)(lua_State *L, int idx);
};

/* Calls the listeners of 'ev' of the object at absolute index 'idx' with the
 * 'nargs' values on the top. Returns whether there were any. For ON_ERROR
 * without listeners the value is raised. [-nargs, +0, e] */
int net_emit(lua_State *L, int idx, enum net_event ev, int nargs);
/* Pushes the listener for "data" of the object at 'idx' if there is one and it is
 * a plain function. [-0, +(2|0), -] */
static inline int net_emitter_push_data(lua_State *L, int idx, const struct net_object *o) {
  if (o->data_slot == 0)
    return 0;
  lua_getiuservalue(L, idx, VAL_EVENTS);
  lua_rawgeti(L, -1, o->data_slot);
  return 1;
}
/* As net_emit where more has to happen after the listeners, whatever they do: an
 * error out of one goes where an uncaught one goes, and the internal steps still
 * run. Returns LUA_OK, or the status of the error. [-nargs, +0, e] */
int net_emit_guarded(lua_State *L, int idx, const struct net_object *o, enum net_event ev,
                     int nargs);
/* Runs the internal steps alone, not those that they add: what an error in a listener has
 * kept from running, or an event that happens and is not told. [-0, +0, e] */
void net_emit_internals(lua_State *L, int idx, enum net_event ev);
/* As net_emit_guarded, of any event, by its name. Returns whether anybody was told.
 * [-nargs, +0, e] */
int net_emit_by_name(lua_State *L, int idx, const char *name, int nargs);
/* As the method emit, of any emitter, be it a table, at absolute 'idx', and the event that
 * the string at absolute 'name' names; what listeners raise is raised. Returns whether
 * there were any. [-nargs, +0, e] */
int net_emit_at(lua_State *L, int idx, int name, int nargs);
/* Has the event of that name listeners, hidden ones too? [-0, +0, -] */
int net_listens(lua_State *L, int idx, const char *name);
/* Adds an internal step behind the listeners there are. [-0, +0, m] */
void net_emitter_internal(lua_State *L, int idx, enum net_event ev,
                          const struct net_internal *step);
/* Takes one back, if it has not run. [-0, +0, m] */
void net_emitter_internal_off(lua_State *L, int idx, enum net_event ev,
                              const struct net_internal *step);

/* Pushes the only listener of 'ev' as it is kept, hidden ones too; nil if there is
 * none, or more. A hidden one is a table; its field 'pump' is what was given with
 * it. [-0, +1, -] */
void net_emitter_only(lua_State *L, int idx, enum net_event ev);

/* Name of the event in 'idx' as enum net_event; NET_EVENTS for any other. */
int net_event_of(lua_State *L, int idx);

/* As net_event_of, where the loop is known. */
int net_event_in(lua_State *L, int idx, const struct net_loop *loop);

/* --- for emitter.c ------------------------------------------------------------- */

/* Calls the listeners of 'e' with the arguments on the top; of 'error' the monitors first,
 * and it is raised if nobody hears it. Return whether there were any. [-nargs, +0, e] */
int net_emission_emit(lua_State *L, const struct net_emission *e);
int net_emission_error(lua_State *L, const struct net_emission *e);
/* Emits newListener or removeListener (name, listener at 'fn'). [-0, +0, e] */
void net_emission_announce(lua_State *L, const struct net_emission *e, int ev, int fn);
/* Tell the class that listeners have come or gone; and, behind the latter, the user.
 * [-0, +0, e] */
void net_emission_listened(lua_State *L, const struct net_emission *e, int prepended);
void net_emission_unlistened(lua_State *L, const struct net_emission *e, int one_of_all);
void net_emission_removed(lua_State *L, const struct net_emission *e, int fn);

/* Interns the names of events, and adds the event of monitors to the core table on the
 * top. [-0, +0, m] */
void net_emit_open(lua_State *L);

#endif
