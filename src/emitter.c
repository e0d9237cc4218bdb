/* SPDX-License-Identifier: MIT
 *
 * emitter.c - listeners and emit, as Node's EventEmitter has them.
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
 * A hash from name to listeners was the alternative; it is no faster for the
 * handful of events an object has, and loses the order of eventNames(). */
#include "emitter.h"

#include <string.h>

#include "error.h"
#include "loop.h"

#define DEFAULT_MAX_LISTENERS 10 /* as in Node; Lua may change it */

static const char *const event_names[NET_EVENTS] = {
  "data", "readable", "end", "error", "close", "finish", "prefinish",
  "drain", "connect", "ready", "timeout", "pause", "resume", "pipe", "unpipe",
  "listening", "connection", "drop", "newListener", "removeListener"
};

static const char once_key;     /* registry: metatable of once entries */
static const char emitter_key;  /* in the metatable of each class that emits */
static const char monitor_key;  /* registry: the value of events.errorMonitor */
static const char hook_key;     /* registry: Lua's function for a listener too many */

/* One emit or look-up: which event, of whom, and where its arguments are. */
struct emission {
  int self;   /* absolute index of the emitter */
  int event;  /* enum net_event, or NET_EVENTS: then by name */
  int name;   /* absolute index of the name, or 0: that of the event */
  int first;  /* absolute index of the first argument */
  int nargs;
};

static int event_of(lua_State *L, int idx, const struct net_loop *loop) {
  if (lua_type(L, idx) != LUA_TSTRING)
    return NET_EVENTS;
  const char *name = lua_tostring(L, idx);
  int ev = 0;
  while (ev < NET_EVENTS && loop->names[ev] != name)  /* interned: the address tells */
    ev++;
  return ev;
}

int net_event_of(lua_State *L, int idx) { return event_of(L, idx, net_loop_get(L)); }

/* The object at 'idx', NULL for a table; raises for anything else. */
static struct net_object *emitter_check(lua_State *L, int idx) {
  if (lua_type(L, idx) == LUA_TTABLE)
    return NULL;
  if (lua_type(L, idx) == LUA_TUSERDATA && lua_getmetatable(L, idx)) {
    int ours = lua_rawgetp(L, -1, &emitter_key) != LUA_TNIL;
    lua_pop(L, 2);
    if (ours)
      return lua_touserdata(L, idx);
  }
  net_error_this(L, "EventEmitter");
  return NULL;
}

/* Pushes the array of events, or nil. [-0, +1, m] */
static int emitter_events(lua_State *L, int self) {
  if (lua_type(L, self) == LUA_TUSERDATA)
    return lua_getiuservalue(L, self, UV_EVENTS) == LUA_TTABLE;
  lua_pushliteral(L, "_events");
  return lua_rawget(L, self) == LUA_TTABLE;
}

/* Pushes the array of events, made when missing; by a finalizer, if that is faster.
 * [-0, +1, m] */
static void emitter_events_made(lua_State *L, int self) {
  if (lua_type(L, self) == LUA_TUSERDATA) {
    net_object_table(L, self, UV_EVENTS);  /* for two events: a rehash costs more */
    return;
  }
  lua_pushliteral(L, "_events");
  lua_createtable(L, 4, 0);
  if (emitter_events(L, self)) {
    lua_replace(L, -3);
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_insert(L, -3);
  lua_rawset(L, self);
}

/* The interned name of a known event, NULL for others: its address tells. */
static const char *emission_interned(lua_State *L, const struct emission *e) {
  if (e->event == NET_EVENTS)
    return NULL;
  const struct net_object *o = lua_touserdata(L, e->self);
  return (o ? o->loop : net_loop_get(L))->names[e->event];
}

/* Is the name on the top that of 'e'? */
static int emission_names(lua_State *L, const struct emission *e, const char *interned) {
  if (e->event == NET_EVENTS)
    return lua_rawequal(L, -1, e->name);
  return lua_type(L, -1) == LUA_TSTRING && lua_tostring(L, -1) == interned;
}

/* Slot of the event's name in the array on the top, or 0; if found, pushes the
 * listeners. [-0, +(1|0), -] */
static lua_Integer emission_find(lua_State *L, const struct emission *e) {
  const char *interned = emission_interned(L, e);
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i += 2) {
    int hit = emission_names(L, e, interned);
    lua_pop(L, 1);
    if (hit) {
      lua_rawgeti(L, -1, i + 1);
      return i;
    }
  }
  lua_pop(L, 1);
  return 0;
}

/* The slot behind the last name and its listeners in the array on the top. What
 * has no name in front of it is left of an add that ran out of memory. */
static lua_Integer events_end(lua_State *L) {
  lua_Integer end = 1;
  while (lua_rawgeti(L, -1, end) != LUA_TNIL) {
    lua_pop(L, 1);
    end += 2;
  }
  lua_pop(L, 1);
  return end;
}

/* Pushes the listeners of the event, or nothing. [-0, +(1|0), -] */
static int emission_listeners(lua_State *L, const struct emission *e) {
  if (!emitter_events(L, e->self) || !emission_find(L, e)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_remove(L, -2);
  return 1;
}

/* Is the value at 'idx' a list of entries, not a once entry? */
static int is_list(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TTABLE)
    return 0;
  int once = lua_getmetatable(L, idx);
  if (once)
    lua_pop(L, 1);
  return !once;
}

/* Pushes the event's name. [-0, +1, m] */
static void emission_push_name(lua_State *L, const struct emission *e) {
  if (e->name)
    lua_pushvalue(L, e->name);
  else
    lua_pushstring(L, event_names[e->event]);
}

/* Has the list on the top carry the mark of 'old' that the user was warned of
 * so many listeners. [-0, +0, m] */
static void list_inherit(lua_State *L, int old) {
  if (lua_getfield(L, old, "warned") != LUA_TNIL)
    lua_setfield(L, -2, "warned");
  else
    lua_pop(L, 1);
}

/* How many entries has the list at 'idx'; 0 if it is an entry? */
static int list_length(lua_State *L, int idx) {
  return is_list(L, idx) ? (int)lua_rawlen(L, idx) : 0;
}

/* Puts the entry on the top behind (or before) the listeners under it; in its
 * place leaves the listeners there are then. [-1, +1, m] */
static void listeners_join(lua_State *L, int prepend) {
  int old = lua_gettop(L) - 1, entry = old + 1;
  int n = list_length(L, old);
  if (n > 0 && !prepend) {
    lua_rawseti(L, old, n + 1);
    lua_pushvalue(L, old);
    return;
  }
  lua_createtable(L, n ? n + 1 : 2, 0);
  int at = prepend ? 2 : 1;
  n = list_length(L, old);  /* a finalizer may have added to it */
  if (n == 0) {
    lua_pushvalue(L, old);
    lua_rawseti(L, -2, at);
  } else {
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, old, i);
      lua_rawseti(L, -2, at++);
    }
    list_inherit(L, old);
  }
  lua_pushvalue(L, entry);
  lua_rawseti(L, -2, prepend ? 1 : 2);
  lua_remove(L, entry);
}

/* Are the listeners at 'old', above their array, still the event's? A new list may
 * start the collector, that a finalizer, and that change them. [-0, +0, m] */
static int emission_holds(lua_State *L, const struct emission *e, lua_Integer slot, int old) {
  int events = lua_gettop(L) + 1;
  int holds = emitter_events(L, e->self) && lua_rawequal(L, events, old - 1) &&
              emission_find(L, e) == slot && lua_rawequal(L, -1, old);
  lua_settop(L, events - 1);
  return holds;
}

/* net_object.data_slot, of a listener that belongs to the name in this slot. */
static uint32_t data_slot(lua_Integer slot) { return slot < 255 ? (uint32_t)(slot + 1) & 255 : 0; }

/* Finds anew where the sole plain listener for "data" is. [-0, +0, -] */
static void note_data(lua_State *L, int self, struct net_object *o) {
  struct emission data = {self, ON_DATA, 0, 0, 0};
  int top = lua_gettop(L);
  o->data_slot = 0;
  if (net_has(o, ON_DATA) && emitter_events(L, self)) {
    lua_Integer slot = emission_find(L, &data);
    if (slot && lua_type(L, -1) == LUA_TFUNCTION)
      o->data_slot = data_slot(slot);
  }
  lua_settop(L, top);
}

/* Adds the entry on the top to the event; of a new one the name goes in last, as
 * the array may have to grow for each, and is pushed first, as a finalizer may run
 * then. Returns whether it is one of several.
 * [-1, +0, m] */
static int emission_add(lua_State *L, const struct emission *e, int prepend) {
  int entry = lua_gettop(L), name = entry + 1, events = entry + 2;
  struct net_object *o = lua_touserdata(L, e->self);
  int known = o && e->event != NET_EVENTS;
  emission_push_name(L, e);
  emitter_events_made(L, e->self);
  lua_Integer slot = known && !net_has(o, (enum net_event)e->event) ? 0 : emission_find(L, e);
  int joined = slot != 0;
  if (joined) {
    lua_pushvalue(L, entry);
    listeners_join(L, prepend);
    if (!lua_rawequal(L, -1, events + 1) && !emission_holds(L, e, slot, events + 1)) {
      lua_settop(L, entry);
      return emission_add(L, e, prepend);
    }
    lua_rawseti(L, events, slot + 1);
  } else {
    slot = events_end(L);
    lua_pushvalue(L, entry);
    lua_rawseti(L, events, slot + 1);
    lua_pushvalue(L, name);
    lua_rawseti(L, events, slot);
  }
  if (known)
    o->events |= UINT32_C(1) << e->event;
  if (known && e->event == ON_DATA)
    o->data_slot = joined || lua_type(L, entry) != LUA_TFUNCTION ? 0 : data_slot(slot);
  lua_settop(L, entry - 1);
  return joined;
}

/* Takes the pair at 'slot' out of the array of events on the top. [-0, +0, m] */
static void events_drop(lua_State *L, lua_Integer slot) {
  lua_Integer end = events_end(L);
  for (; slot + 2 < end; slot++) {
    lua_rawgeti(L, -1, slot + 2);
    lua_rawseti(L, -2, slot);
  }
  for (; slot < end; slot++) {
    lua_pushnil(L);
    lua_rawseti(L, -2, slot);
  }
}

/* Pushes the list on the top without entry 'at'; of a list of two the other entry.
 * [-0, +1, m] */
static void list_without(lua_State *L, int at) {
  int n = (int)lua_rawlen(L, -1), to = 1;
  if (n == 2) {
    lua_rawgeti(L, -1, 3 - at);
    return;
  }
  lua_createtable(L, n - 1, 0);
  n = (int)lua_rawlen(L, -2);  /* a finalizer may have added to it */
  for (int i = 1; i <= n; i++) {
    if (i == at)
      continue;
    lua_rawgeti(L, -2, i);
    lua_rawseti(L, -2, to++);
  }
  list_inherit(L, lua_gettop(L) - 1);
}

/* Is the entry on the top the one at 'what': itself, or a once entry for it? */
static int entry_matches(lua_State *L, int what) {
  if (lua_rawequal(L, -1, what))
    return 1;
  if (lua_type(L, -1) != LUA_TTABLE)
    return 0;
  lua_rawgeti(L, -1, 1);
  int same = lua_rawequal(L, -1, what);
  lua_pop(L, 1);
  return same;
}

/* Position of the newest match of 'what' in the listeners on the top, or 0. */
static int listeners_find(lua_State *L, int what) {
  if (!is_list(L, -1))
    return entry_matches(L, what);
  int i = (int)lua_rawlen(L, -1);
  for (; i > 0; i--) {
    lua_rawgeti(L, -1, i);
    int hit = entry_matches(L, what);
    lua_pop(L, 1);
    if (hit)
      break;
  }
  return i;
}

/* Removes one listener or entry equal to the value at absolute index 'what';
 * returns whether it was there. Announces nothing. [-0, +0, m] */
static int emission_remove(lua_State *L, const struct emission *e, int what) {
  int top = lua_gettop(L), at = 0;
  lua_Integer slot = 0;
  if (emitter_events(L, e->self) && (slot = emission_find(L, e)) != 0)
    at = listeners_find(L, what);
  if (at && is_list(L, -1)) {
    list_without(L, at);
    if (!emission_holds(L, e, slot, top + 2)) {
      lua_settop(L, top);
      return emission_remove(L, e, what);
    }
    lua_rawseti(L, top + 1, slot + 1);
  } else if (at) {
    lua_pop(L, 1);
    events_drop(L, slot);
    struct net_object *o = lua_touserdata(L, e->self);
    if (o && e->event != NET_EVENTS)
      o->events &= ~(UINT32_C(1) << e->event);
  }
  lua_settop(L, top);
  struct net_object *o = lua_touserdata(L, e->self);
  if (at && o)
    note_data(L, e->self, o);
  return at != 0;
}

static int emission_emit(lua_State *L, const struct emission *e);

/* Emits newListener or removeListener (name, listener at 'fn'). [-0, +0, e] */
static void emission_announce(lua_State *L, const struct emission *e, int ev, int fn) {
  struct net_object *o = lua_touserdata(L, e->self);
  if (o && !net_has(o, (enum net_event)ev))
    return;
  luaL_checkstack(L, 8, NULL);
  emission_push_name(L, e);
  lua_pushvalue(L, fn);
  struct emission news = {e->self, ev, 0, lua_gettop(L) - 1, 2};
  emission_emit(L, &news);
}

/* After a listener is gone: tells the class, then the user. [-0, +0, e] */
static void emission_removed(lua_State *L, const struct emission *e, int fn) {
  struct net_object *o = lua_touserdata(L, e->self);
  if (o && o->cls->unlistened && e->event != NET_EVENTS)
    o->cls->unlistened(L, e->self, e->event);
  emission_announce(L, e, ON_REMOVE_LISTENER, fn);
}

/* Turns the once entry on the top into its listener, removed beforehand; pushes
 * nothing and returns 0 if a nested emit was first. [-1, +(1|0), e] */
static int entry_spend(lua_State *L, const struct emission *e) {
  int entry = lua_gettop(L);
  lua_getfield(L, entry, "spent");
  if (lua_toboolean(L, -1)) {
    lua_settop(L, entry - 1);
    return 0;
  }
  lua_pushboolean(L, 1);
  lua_setfield(L, entry, "spent");
  int was = emission_remove(L, e, entry);
  lua_getfield(L, entry, "hidden");
  int hidden = lua_toboolean(L, -1);
  lua_rawgeti(L, entry, 1);
  lua_replace(L, entry);
  lua_settop(L, entry);
  if (was && !hidden)
    emission_removed(L, e, entry);
  return 1;
}

/* Runs the entry on the top with copies of the arguments. [-1, +0, e] */
static void entry_call(lua_State *L, const struct emission *e) {
  if (lua_type(L, -1) == LUA_TLIGHTUSERDATA) {
    const struct net_internal *step = lua_touserdata(L, -1);
    int was = emission_remove(L, e, lua_gettop(L));
    lua_pop(L, 1);
    if (was)
      step->run(L, e->self);
    return;
  }
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_getfield(L, -1, "keep");  /* a hidden listener that stays */
    int keep = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (keep) {
      lua_rawgeti(L, -1, 1);
      lua_remove(L, -2);
    } else if (!entry_spend(L, e))
      return;
  }
  for (int i = 0; i < e->nargs; i++)
    lua_pushvalue(L, e->first + i);
  lua_call(L, e->nargs, 0);
}

/* Calls the listeners of 'e' with the arguments on the top. [-nargs, +0, e] */
static int emission_emit(lua_State *L, const struct emission *e) {
  luaL_checkstack(L, e->nargs + 8, "too many arguments");
  if (!emission_listeners(L, e)) {
    lua_settop(L, e->first - 1);
    return 0;
  }
  if (lua_type(L, -1) == LUA_TFUNCTION) {  /* one listener: the usual case */
    lua_insert(L, e->first);
    lua_call(L, e->nargs, 0);
    return 1;
  }
  int list = lua_gettop(L);
  if (is_list(L, list)) {
    int n = (int)lua_rawlen(L, list);
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, list, i);
      entry_call(L, e);
    }
  } else
    entry_call(L, e);
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
static int emission_unhandled(lua_State *L, const struct emission *e) {
  if (e->nargs > 0)
    lua_pushvalue(L, e->first);
  else
    lua_pushnil(L);
  if (is_error(L, -1))
    return lua_error(L);
  return net_error_raise(L, "ERR_UNHANDLED_ERROR", 1);
}

/* The listeners of errorMonitor, who hear an error and handle nothing. [-0, +0, e] */
static void emission_monitor(lua_State *L, const struct emission *e) {
  int top = lua_gettop(L);
  luaL_checkstack(L, e->nargs + 8, "too many arguments");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &monitor_key);
  for (int i = 0; i < e->nargs; i++)
    lua_pushvalue(L, e->first + i);
  struct emission monitor = {e->self, NET_EVENTS, top + 1, top + 2, e->nargs};
  emission_emit(L, &monitor);
  lua_settop(L, top);
}

/* An "error" goes by the monitors, and is raised when nobody wants it. */
static int emission_error(lua_State *L, const struct emission *e) {
  emission_monitor(L, e);
  if (!emission_listeners(L, e))
    return emission_unhandled(L, e);
  lua_pop(L, 1);
  return emission_emit(L, e);
}

int net_emit(lua_State *L, int idx, enum net_event ev, int nargs) {
  const struct net_object *o = lua_touserdata(L, idx);
  struct emission e = {idx, (int)ev, 0, lua_gettop(L) - nargs + 1, nargs};
  if (ev == ON_ERROR)
    return emission_error(L, &e);
  if (net_has(o, ev))
    return emission_emit(L, &e);
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

/* Runs the steps of ours that an error in a listener has kept from running; not
 * those that they add. [-0, +0, e] */
static void emit_internals(lua_State *L, int idx, enum net_event ev) {
  struct emission e = {idx, (int)ev, 0, 0, 0};
  int top = lua_gettop(L), list = top + 1;
  if (!emission_listeners(L, &e))
    return;
  lua_Integer n = is_list(L, list) ? (lua_Integer)lua_rawlen(L, list) : 1;
  for (lua_Integer i = 1; i <= n; i++) {
    if (is_list(L, list))
      lua_rawgeti(L, list, i);
    else
      lua_pushvalue(L, list);
    if (lua_type(L, -1) == LUA_TLIGHTUSERDATA)
      entry_call(L, &e);
  }
  lua_settop(L, top);
}

int net_emit_guarded(lua_State *L, int idx, enum net_event ev, int nargs) {
  const struct net_object *o = lua_touserdata(L, idx);
  if (!net_has(o, ev)) {
    lua_pop(L, nargs);
    return 0;
  }
  lua_pushcfunction(L, emit_thunk);
  lua_pushvalue(L, idx);
  lua_pushinteger(L, ev);
  lua_rotate(L, -3 - nargs, 3);
  if (!net_call_guarded(L, o->loop, nargs + 2))
    return 0;
  emit_internals(L, idx, ev);
  return 1;
}

void net_emitter_internal(lua_State *L, int idx, enum net_event ev,
                          const struct net_internal *step) {
  struct emission e = {idx, (int)ev, 0, 0, 0};
  lua_pushlightuserdata(L, (void *)(uintptr_t)step);
  emission_add(L, &e, 0);
}

void net_emitter_internal_off(lua_State *L, int idx, enum net_event ev,
                              const struct net_internal *step) {
  struct emission e = {idx, (int)ev, 0, 0, 0};
  lua_pushlightuserdata(L, (void *)(uintptr_t)step);
  emission_remove(L, &e, lua_gettop(L));
  lua_pop(L, 1);
}

void net_emitter_only(lua_State *L, int idx, enum net_event ev) {
  const struct net_object *o = lua_touserdata(L, idx);
  struct emission e = {idx, (int)ev, 0, 0, 0};
  if (!net_has(o, ev) || !emission_listeners(L, &e)) {
    lua_pushnil(L);
  } else if (is_list(L, lua_gettop(L))) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/* --- methods ---------------------------------------------------------------- */

/* Checks emitter, name and listener at 1 to 3 and describes the event. */
static struct emission method_event(lua_State *L) {
  const struct net_object *o = emitter_check(L, 1);
  if (lua_isnoneornil(L, 2))
    net_error_arg_type(L, "eventName", "of type string", 2);
  if (lua_type(L, 3) != LUA_TFUNCTION)
    net_error_arg_type(L, "listener", "of type function", 3);
  lua_settop(L, 3);
  struct emission e = {1, event_of(L, 2, o ? o->loop : net_loop_get(L)), 2, 0, 0};
  return e;
}

/* Is the entry on the top the user's, not one of ours? */
static int entry_visible(lua_State *L) {
  if (lua_type(L, -1) != LUA_TTABLE)
    return lua_type(L, -1) == LUA_TFUNCTION;
  lua_getfield(L, -1, "hidden");
  int hidden = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return !hidden;
}

/* How many entries of the list on the top are the user's. [-0, +0, -] */
static lua_Integer list_count(lua_State *L) {
  lua_Integer count = 0, n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    count += entry_visible(L);
    lua_pop(L, 1);
  }
  return count;
}

/* How many listeners are in the list on the top, if that is for the first time
 * more than the array of events under it allows; else 0. [-0, +0, m] */
static lua_Integer list_overgrown(lua_State *L) {
  lua_getfield(L, -2, "max");
  lua_Number max = lua_isnil(L, -1) ? net_loop_get(L)->max_listeners : lua_tonumber(L, -1);
  lua_getfield(L, -2, "warned");
  int warned = lua_toboolean(L, -1);
  lua_pop(L, 2);
  if (warned || max <= 0 || (lua_Number)lua_rawlen(L, -1) <= max)
    return 0;
  lua_Integer count = list_count(L);
  return (lua_Number)count > max ? count : 0;
}

/* Warns, once, when the event has more listeners than the maximum. [-0, +0, e] */
static void check_max(lua_State *L, const struct emission *e) {
  int top = lua_gettop(L);
  lua_Integer count;
  if (emitter_events(L, e->self) && emission_find(L, e) && is_list(L, -1) &&
      (count = list_overgrown(L)) > 0 &&
      lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_key) == LUA_TFUNCTION) {
    lua_pushboolean(L, 1);
    lua_setfield(L, top + 2, "warned");
    lua_pushvalue(L, e->self);
    emission_push_name(L, e);
    lua_pushinteger(L, count);
    lua_call(L, 3, 0);
  }
  lua_settop(L, top);
}

static int method_add(lua_State *L, int once, int prepend) {
  struct emission e = method_event(L);
  emission_announce(L, &e, ON_NEW_LISTENER, 3);
  lua_pushvalue(L, 3);
  if (once) {
    lua_createtable(L, 1, 0);
    lua_rotate(L, -2, 1);
    lua_rawseti(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &once_key);
    lua_setmetatable(L, -2);
  }
  if (emission_add(L, &e, prepend))
    check_max(L, &e);
  struct net_object *o = lua_touserdata(L, 1);
  if (o && o->cls->listened && e.event != NET_EVENTS)
    o->cls->listened(L, 1, e.event);
  lua_settop(L, 1);
  return 1;
}

static int emitter_on(lua_State *L) { return method_add(L, 0, 0); }
static int emitter_once(lua_State *L) { return method_add(L, 1, 0); }
static int emitter_prepend(lua_State *L) { return method_add(L, 0, 1); }
static int emitter_prepend_once(lua_State *L) { return method_add(L, 1, 1); }

static int emitter_off(lua_State *L) {
  struct emission e = method_event(L);
  if (emission_remove(L, &e, 3))
    emission_removed(L, &e, 3);
  lua_settop(L, 1);
  return 1;
}

static int emitter_emit(lua_State *L) {
  const struct net_object *o = emitter_check(L, 1);
  if (lua_isnoneornil(L, 2))
    net_error_arg_type(L, "eventName", "of type string", 2);
  struct emission e = {1, event_of(L, 2, o ? o->loop : net_loop_get(L)), 2, 3, lua_gettop(L) - 2};
  lua_pushboolean(L, e.event == ON_ERROR ? emission_error(L, &e) : emission_emit(L, &e));
  return 1;
}

void net_emitter_methods(lua_State *L, int idx) {
  static const luaL_Reg methods[] = {
    {"on", emitter_on},
    {"addListener", emitter_on},
    {"once", emitter_once},
    {"prependListener", emitter_prepend},
    {"prependOnceListener", emitter_prepend_once},
    {"off", emitter_off},
    {"removeListener", emitter_off},
    {"emit", emitter_emit},
    {NULL, NULL}
  };
  lua_pushvalue(L, idx);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}

void net_emitter_mark(lua_State *L, int meta) {
  lua_pushboolean(L, 1);
  lua_rawsetp(L, meta, &emitter_key);
}

/* --- for events.lua ---------------------------------------------------------- */

/* events(emitter [, create]) -> the array of events, or nil */
static int core_events(lua_State *L) {
  emitter_check(L, 1);
  if (lua_toboolean(L, 2))
    emitter_events_made(L, 1);
  else
    emitter_events(L, 1);
  return 1;
}

/* listen_hidden(emitter, event, fn, kind [, pump]): a listener that nobody counts;
 * kind "once", "keep", or "first" (kept, before all others). 'pump': see pump.h */
static int core_listen_hidden(lua_State *L) {
  struct net_object *o = emitter_check(L, 1);
  const char *kind = luaL_checkstring(L, 4);
  lua_settop(L, 5);
  struct emission e = {1, net_event_of(L, 2), 2, 0, 0};
  lua_createtable(L, 1, 2);
  lua_pushvalue(L, 3);
  lua_rawseti(L, -2, 1);
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "hidden");
  lua_pushboolean(L, strcmp(kind, "once") != 0);
  lua_setfield(L, -2, "keep");
  lua_pushvalue(L, 5);
  lua_setfield(L, -2, "pump");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &once_key);
  lua_setmetatable(L, -2);
  emission_add(L, &e, strcmp(kind, "first") == 0);
  if (o && o->cls->listened && e.event != NET_EVENTS)
    o->cls->listened(L, 1, e.event);
  return 0;
}

/* unlisten(emitter, event, fn or entry) -> boolean: removes without announcing */
static int core_unlisten(lua_State *L) {
  struct net_object *o = emitter_check(L, 1);
  struct emission e = {1, net_event_of(L, 2), 2, 0, 0};
  int was = emission_remove(L, &e, 3);
  if (was && o && o->cls->unlistened && e.event != NET_EVENTS)
    o->cls->unlistened(L, 1, e.event);
  lua_pushboolean(L, was);
  return 1;
}

/* max_listeners([n]) -> what holds for emitters without a maximum of their own */
static int core_max_listeners(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  loop->max_listeners = luaL_optnumber(L, 1, loop->max_listeners);
  lua_pushnumber(L, loop->max_listeners);
  return 1;
}

/* on_many_listeners(fn): fn(emitter, event, count) when there are more listeners
 * than the maximum, for the first time */
static int core_on_many_listeners(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &hook_key);
  return 0;
}

static const struct net_class emitter_class = {.name = "EventEmitter", .emitter = 1};

/* emitter() -> a bare emitter object */
static int core_emitter(lua_State *L) {
  net_object_new(L, &emitter_class, sizeof(struct net_object), UV_OWN - 1);
  return 1;
}

/* Interns the event names, anchored in the registry for as long as L lives. */
static void names_intern(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  lua_createtable(L, NET_EVENTS, 0);
  for (int i = 0; i < NET_EVENTS; i++) {
    loop->names[i] = lua_pushstring(L, event_names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, event_names);
}

void net_emitter_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"emitter", core_emitter},
    {"events", core_events},
    {"listen_hidden", core_listen_hidden},
    {"unlisten", core_unlisten},
    {"on_many_listeners", core_on_many_listeners},
    {"max_listeners", core_max_listeners},
    {NULL, NULL}
  };
  luaL_setfuncs(L, functions, 0);
  net_loop_get(L)->max_listeners = DEFAULT_MAX_LISTENERS;
  names_intern(L);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "once_metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &once_key);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "error_monitor");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &monitor_key);
  net_class_open(L, &emitter_class);
  lua_setfield(L, -2, "EventEmitter");
}
