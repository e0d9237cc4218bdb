/* SPDX-License-Identifier: MIT
 *
 * emit.c - how an event is told: to the user's listeners, in their order, and to steps of
 * ours among them. See emit.h. */
#include "events/emit.h"

#include <string.h>

#include "base/error.h"
#include "loop/loop.h"
#include "loop/uncaught.h"

static const char *const event_names[NET_EVENTS] = {
  "data",   "readable",  "end",        "error",   "close",       "finish",         "prefinish",
  "drain",  "connect",   "ready",      "timeout", "pause",       "resume",         "pipe",
  "unpipe", "listening", "connection", "drop",    "newListener", "removeListener",
};

_Static_assert(NET_EVENTS <= sizeof((struct net_names *)0)->known / sizeof(char *),
               "net_names has no room for the last event");

static const char monitor_key; /* registry: the value of events.errorMonitor */

int net_event_in(lua_State *L, int idx, const struct net_loop *loop) {
  if (lua_type(L, idx) != LUA_TSTRING)
    return NET_EVENTS;
  const char *name = lua_tostring(L, idx);
  int ev = 0;
  while (ev < NET_EVENTS && loop->names.known[ev] != name) /* interned: the address tells */
    ev++;
  return ev;
}

int net_event_of(lua_State *L, int idx) { return net_event_in(L, idx, net_loop_get(L)); }

void net_emission_announce(lua_State *L, const struct net_emission *e, int ev, int fn) {
  if (e->o && !net_has(e->o, (enum net_event)ev))
    return;
  luaL_checkstack(L, 8, NULL);
  net_emission_push_name(L, e);
  lua_pushvalue(L, fn);
  struct net_emission news = { e->self, e->o, ev, 0, lua_gettop(L) - 1, 2 };
  net_emission_emit(L, &news);
}

void net_emission_listened(lua_State *L, const struct net_emission *e, int prepended) {
  if (e->o && e->o->cls->listened && e->event != NET_EVENTS)
    e->o->cls->listened(L, e->self, e->event, prepended);
}

void net_emission_unlistened(lua_State *L, const struct net_emission *e, int one_of_all) {
  if (e->o && e->o->cls->unlistened && e->event != NET_EVENTS)
    e->o->cls->unlistened(L, e->self, e->event, one_of_all);
}

void net_emission_removed(lua_State *L, const struct net_emission *e, int fn) {
  net_emission_unlistened(L, e, 0);
  net_emission_announce(L, e, ON_REMOVE_LISTENER, fn);
}

/* Turns the once entry on the top into its listener, removed beforehand; pushes
 * nothing and returns 0 if a nested emit was first. [-1, +(1|0), e] */
static int entry_spend(lua_State *L, const struct net_emission *e) {
  int entry = lua_gettop(L);
  lua_getfield(L, entry, "spent");
  if (lua_toboolean(L, -1)) {
    lua_settop(L, entry - 1);
    return 0;
  }
  lua_pushboolean(L, 1);
  lua_setfield(L, entry, "spent");
  int was = net_listeners_remove(L, e, entry);
  lua_getfield(L, entry, "hidden");
  int hidden = lua_toboolean(L, -1);
  lua_rawgeti(L, entry, 1);
  lua_replace(L, entry);
  lua_settop(L, entry);
  if (was && !hidden)
    net_emission_removed(L, e, entry);
  return 1;
}

/* Runs the entry on the top with copies of the arguments. Returns 1. [-1, +0, e] */
static int entry_call(lua_State *L, const struct net_emission *e) {
  if (lua_type(L, -1) == LUA_TLIGHTUSERDATA) {
    const struct net_internal *step = lua_touserdata(L, -1);
    int was = net_listeners_remove(L, e, lua_gettop(L));
    lua_pop(L, 1);
    if (was)
      step->run(L, e->self);
    return 1;
  }
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_getfield(L, -1, "keep"); /* a hidden listener that stays */
    int keep = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (keep) {
      lua_rawgeti(L, -1, 1);
      lua_remove(L, -2);
    } else if (!entry_spend(L, e))
      return 1;
  }
  for (int i = 0; i < e->nargs; i++)
    lua_pushvalue(L, e->first + i);
  lua_call(L, e->nargs, 0);
  return 1;
}

int net_emission_emit(lua_State *L, const struct net_emission *e) {
  luaL_checkstack(L, e->nargs + 8, "too many arguments");
  if (!net_listeners_push(L, e)) {
    lua_settop(L, e->first - 1);
    return 0;
  }
  if (lua_type(L, -1) == LUA_TFUNCTION) { /* one listener: the usual case */
    lua_insert(L, e->first);
    lua_call(L, e->nargs, 0);
    return 1;
  }
  net_listeners_walk(L, lua_gettop(L), entry_call, e);
  lua_settop(L, e->first - 1);
  return 1;
}

/* Is the value at 'idx' an error object: ours, or a table that prints itself? */
static int is_error(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TTABLE || luaL_getmetafield(L, idx, "__tostring") == LUA_TNIL)
    return 0;
  lua_pop(L, 1);
  return 1;
}

/* Nobody listens to "error": raises the value. [-0, -, e] */
static int emission_unhandled(lua_State *L, const struct net_emission *e) {
  if (e->nargs > 0)
    lua_pushvalue(L, e->first);
  else
    lua_pushnil(L);
  if (is_error(L, -1))
    return lua_error(L);
  return net_error_raise(L, "ERR_UNHANDLED_ERROR", 1);
}

/* The listeners of errorMonitor, who hear an error and handle nothing. [-0, +0, e] */
static void emission_monitor(lua_State *L, const struct net_emission *e) {
  int top = lua_gettop(L);
  luaL_checkstack(L, e->nargs + 8, "too many arguments");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &monitor_key);
  for (int i = 0; i < e->nargs; i++)
    lua_pushvalue(L, e->first + i);
  struct net_emission monitor = { e->self, e->o, NET_EVENTS, top + 1, top + 2, e->nargs };
  net_emission_emit(L, &monitor);
  lua_settop(L, top);
}

int net_emission_error(lua_State *L, const struct net_emission *e) {
  emission_monitor(L, e);
  if (!net_listeners_push(L, e))
    return emission_unhandled(L, e);
  lua_pop(L, 1);
  return net_emission_emit(L, e);
}

int net_emit(lua_State *L, int idx, enum net_event ev, int nargs) {
  struct net_object *o = lua_touserdata(L, idx);
  struct net_emission e = { idx, o, (int)ev, 0, lua_gettop(L) - nargs + 1, nargs };
  if (ev == ON_ERROR)
    return net_emission_error(L, &e);
  if (net_has(o, ev))
    return net_emission_emit(L, &e);
  lua_pop(L, nargs);
  return 0;
}

/* (object, event, ...) as net_emit. */
static int emit_thunk(lua_State *L) {
  enum net_event ev = (enum net_event)lua_tointeger(L, 2);
  lua_remove(L, 2);
  net_emit(L, 1, ev, lua_gettop(L) - 1);
  return 0;
}

/* Runs the entry on the top if it is a step of ours. Returns whether. [-1, +0, e] */
static int entry_step(lua_State *L, const struct net_emission *e) {
  if (lua_type(L, -1) == LUA_TLIGHTUSERDATA)
    return entry_call(L, e);
  lua_pop(L, 1);
  return 0;
}

void net_emit_internals(lua_State *L, int idx, enum net_event ev) {
  struct net_emission e = { idx, lua_touserdata(L, idx), (int)ev, 0, 0, 0 };
  if (!net_listeners_push(L, &e))
    return;
  net_listeners_walk(L, lua_gettop(L), entry_step, &e);
  lua_pop(L, 1);
}

int net_emit_guarded(lua_State *L, int idx, const struct net_object *o, enum net_event ev,
                     int nargs) {
  if (!net_has(o, ev)) {
    if (nargs > 0)
      lua_pop(L, nargs);
    return 0;
  }
  lua_pushcfunction(L, emit_thunk);
  lua_pushvalue(L, idx);
  lua_pushinteger(L, ev);
  lua_rotate(L, -3 - nargs, 3);
  int status = net_call_guarded(L, o->loop, nargs + 2);
  if (status != LUA_OK)
    net_emit_internals(L, idx, ev);
  return status;
}

static int event_named(const struct net_object *o, const char *name) {
  const char *const *known = o->loop->names.known;
  int ev = 0;
  while (ev < NET_EVENTS && (known[ev][0] != name[0] || strcmp(known[ev], name) != 0))
    ev++;
  return ev;
}

/* Of an event that C does not know: is there a name like that, with listeners? Needs no
 * memory, and so makes no string of the name. */
static int is_heard(lua_State *L, int idx, const char *name) {
  int top = lua_gettop(L), found = 0;
  if (net_listeners_array(L, idx))
    for (lua_Integer i = 1; !found && lua_rawgeti(L, top + 1, i) != LUA_TNIL; i += 2) {
      found = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), name) == 0;
      lua_pop(L, 1);
    }
  lua_settop(L, top);
  return found;
}

int net_listens(lua_State *L, int idx, const char *name) {
  const struct net_object *o = lua_touserdata(L, idx);
  int ev = event_named(o, name);
  return ev == NET_EVENTS ? is_heard(L, idx, name) : net_has(o, (enum net_event)ev);
}

/* (object, name, ...): an error goes by its monitors, and is raised if nobody hears it. */
static int named_thunk(lua_State *L) {
  struct net_object *o = lua_touserdata(L, 1);
  struct net_emission e = { 1, o, net_event_in(L, 2, o->loop), 2, 3, lua_gettop(L) - 2 };
  if (e.event == ON_ERROR)
    net_emission_error(L, &e);
  else
    net_emission_emit(L, &e);
  return 0;
}

int net_emit_by_name(lua_State *L, int idx, const char *name, int nargs) {
  const struct net_object *o = lua_touserdata(L, idx);
  int ev = event_named(o, name), is_told = net_listens(L, idx, name);
  if (!is_told && ev != ON_ERROR) {
    lua_pop(L, nargs);
    return 0;
  }
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, named_thunk);
  lua_pushvalue(L, idx);
  lua_pushstring(L, name);
  lua_rotate(L, -3 - nargs, 3);
  int status = net_call_guarded(L, o->loop, nargs + 2);
  if (status != LUA_OK && ev != NET_EVENTS)
    net_emit_internals(L, idx, (enum net_event)ev);
  return is_told;
}

int net_emit_at(lua_State *L, int idx, int name, int nargs) {
  struct net_object *o = lua_type(L, idx) == LUA_TTABLE ? NULL : lua_touserdata(L, idx);
  int event = net_event_in(L, name, o ? o->loop : net_loop_get(L));
  struct net_emission e = { idx, o, event, name, lua_gettop(L) - nargs + 1, nargs };
  return e.event == ON_ERROR ? net_emission_error(L, &e) : net_emission_emit(L, &e);
}

void net_emitter_internal(lua_State *L, int idx, enum net_event ev,
                          const struct net_internal *step) {
  struct net_emission e = { idx, lua_touserdata(L, idx), (int)ev, 0, 0, 0 };
  lua_pushlightuserdata(L, (void *)(uintptr_t)step);
  net_listeners_add(L, &e, 0);
}

void net_emitter_internal_off(lua_State *L, int idx, enum net_event ev,
                              const struct net_internal *step) {
  struct net_emission e = { idx, lua_touserdata(L, idx), (int)ev, 0, 0, 0 };
  lua_pushlightuserdata(L, (void *)(uintptr_t)step);
  net_listeners_remove(L, &e, lua_gettop(L));
  lua_pop(L, 1);
}

void net_emitter_only(lua_State *L, int idx, enum net_event ev) {
  struct net_object *o = lua_touserdata(L, idx);
  struct net_emission e = { idx, o, (int)ev, 0, 0, 0 };
  if (!net_has(o, ev) || !net_listeners_push(L, &e)) {
    lua_pushnil(L);
  } else if (net_listeners_are_list(L, lua_gettop(L))) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/* Interns the event names, anchored in the registry for as long as L lives. */
static void names_intern(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  lua_createtable(L, NET_EVENTS, 0);
  for (int i = 0; i < NET_EVENTS; i++) {
    loop->names.known[i] = lua_pushstring(L, event_names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, event_names);
}

void net_emit_open(lua_State *L) {
  names_intern(L);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "error_monitor");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &monitor_key);
}
