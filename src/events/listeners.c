/* SPDX-License-Identifier: MIT
 *
 * listeners.c - the listeners of an emitter, as a value: found, added, removed. See
 * listeners.h. */
#include "events/listeners.h"

#include "loop/loop.h"

int net_listeners_array(lua_State *L, int self) {
  if (lua_type(L, self) == LUA_TUSERDATA)
    return lua_getiuservalue(L, self, VAL_EVENTS) == LUA_TTABLE;
  lua_pushliteral(L, "_events");
  return lua_rawget(L, self) == LUA_TTABLE;
}

void net_listeners_array_made(lua_State *L, int self) {
  if (lua_type(L, self) == LUA_TUSERDATA) {
    net_object_table(L, self, VAL_EVENTS); /* for two events: a rehash costs more */
    return;
  }
  lua_pushliteral(L, "_events");
  lua_createtable(L, 4, 0);
  if (net_listeners_array(L, self)) {
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
static const char *emission_interned(lua_State *L, const struct net_emission *e) {
  if (e->event == NET_EVENTS)
    return NULL;
  const struct net_object *o = e->o;
  return (o ? o->loop : net_loop_get(L))->names.known[e->event];
}

void net_emission_push_name(lua_State *L, const struct net_emission *e) {
  if (e->name)
    lua_pushvalue(L, e->name);
  else
    lua_pushstring(L, emission_interned(L, e));
}

/* Is the name on the top that of 'e'? */
static int emission_names(lua_State *L, const struct net_emission *e, const char *interned) {
  if (e->event == NET_EVENTS)
    return lua_rawequal(L, -1, e->name);
  return lua_type(L, -1) == LUA_TSTRING && lua_tostring(L, -1) == interned;
}

lua_Integer net_listeners_find(lua_State *L, const struct net_emission *e) {
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

int net_listeners_push(lua_State *L, const struct net_emission *e) {
  if (!net_listeners_array(L, e->self) || !net_listeners_find(L, e)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_remove(L, -2);
  return 1;
}

int net_listeners_are_list(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TTABLE)
    return 0;
  int once = lua_getmetatable(L, idx);
  if (once)
    lua_pop(L, 1);
  return !once;
}

int net_listeners_walk(lua_State *L, int idx, net_entry_fn *visit, const struct net_emission *e) {
  if (!net_listeners_are_list(L, idx)) {
    lua_pushvalue(L, idx);
    return visit(L, e);
  }
  int n = (int)lua_rawlen(L, idx), sum = 0;
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, idx, i);
    sum += visit(L, e);
  }
  return sum;
}

/* Has the list on the top carry the mark of 'old' that the user was warned of
 * so many listeners. [-0, +0, m] */
static void list_inherit(lua_State *L, int old) {
  if (lua_getfield(L, old, "warned") != LUA_TNIL)
    lua_setfield(L, -2, "warned");
  else
    lua_pop(L, 1);
}

/* Copies the first 'n' entries of the list at 'old' to the one on the top, from its
 * slot 'to' on; not the entry number 'without'. [-0, +0, m] */
static void list_copy(lua_State *L, int old, int n, int to, int without) {
  for (int i = 1; i <= n; i++) {
    if (i == without)
      continue;
    lua_rawgeti(L, old, i);
    lua_rawseti(L, -2, to++);
  }
  list_inherit(L, old);
}

/* How many entries has the list at 'idx'; 0 if it is an entry? */
static int list_length(lua_State *L, int idx) {
  return net_listeners_are_list(L, idx) ? (int)lua_rawlen(L, idx) : 0;
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
  n = list_length(L, old); /* a finalizer may have added to it */
  if (n > 0) {
    list_copy(L, old, n, at, 0);
  } else {
    lua_pushvalue(L, old);
    lua_rawseti(L, -2, at);
  }
  lua_pushvalue(L, entry);
  lua_rawseti(L, -2, prepend ? 1 : 2);
  lua_remove(L, entry);
}

/* Are the listeners at 'old', above their array, still the event's? A new list may
 * start the collector, that a finalizer, and that change them. [-0, +0, m] */
static int emission_holds(lua_State *L, const struct net_emission *e, lua_Integer slot, int old) {
  int events = lua_gettop(L) + 1;
  int holds = net_listeners_array(L, e->self) && lua_rawequal(L, events, old - 1) &&
              net_listeners_find(L, e) == slot && lua_rawequal(L, -1, old);
  lua_settop(L, events - 1);
  return holds;
}

/* net_object.data_slot, of a listener that belongs to the name in this slot. */
static uint32_t data_slot(lua_Integer slot) { return slot < 255 ? (uint32_t)(slot + 1) & 255 : 0; }

/* Finds anew where the sole plain listener for "data" is. [-0, +0, -] */
static void note_data(lua_State *L, int self, struct net_object *o) {
  struct net_emission data = { self, o, ON_DATA, 0, 0, 0 };
  int top = lua_gettop(L);
  o->data_slot = 0;
  if (net_has(o, ON_DATA) && net_listeners_array(L, self)) {
    lua_Integer slot = net_listeners_find(L, &data);
    if (slot && lua_type(L, -1) == LUA_TFUNCTION)
      o->data_slot = data_slot(slot);
  }
  lua_settop(L, top);
}

/* The name of a new event goes in last, as the array may have to grow for each, and
 * is pushed first, as a finalizer may run then. */
int net_listeners_add(lua_State *L, const struct net_emission *e, int prepend) {
  int entry = lua_gettop(L), name = entry + 1, events = entry + 2;
  struct net_object *o = e->o;
  int known = o && e->event != NET_EVENTS;
  net_emission_push_name(L, e);
  net_listeners_array_made(L, e->self);
  lua_Integer slot = known && !net_has(o, (enum net_event)e->event) ? 0 : net_listeners_find(L, e);
  int joined = slot != 0;
  if (joined) {
    lua_pushvalue(L, entry);
    listeners_join(L, prepend);
    if (!lua_rawequal(L, -1, events + 1) && !emission_holds(L, e, slot, events + 1)) {
      lua_settop(L, entry);
      return net_listeners_add(L, e, prepend);
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
  int old = lua_gettop(L), n = (int)lua_rawlen(L, old);
  if (n == 2) {
    lua_rawgeti(L, -1, 3 - at);
    return;
  }
  lua_createtable(L, n - 1, 0);
  list_copy(L, old, (int)lua_rawlen(L, old), 1, at); /* a finalizer may have added to it */
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
  if (!net_listeners_are_list(L, -1))
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

/* Pushes the array of events and the event's listeners, if it has any; puts the position
 * of 'what' in them into 'at', or 0. Returns the event's slot. [-0, +(1|2), -] */
static lua_Integer emission_find(lua_State *L, const struct net_emission *e, int what, int *at) {
  lua_Integer slot = net_listeners_array(L, e->self) ? net_listeners_find(L, e) : 0;
  *at = slot ? listeners_find(L, what) : 0;
  return slot;
}

/* Nobody listens to it any more. */
static void emission_end(const struct net_emission *e) {
  if (e->o && e->event != NET_EVENTS)
    e->o->events &= ~(UINT32_C(1) << e->event);
}

/* Back to 'top'; one listener is gone if it was found, 'at'. Returns whether.
 * [-?, +0, -] */
static int emission_changed(lua_State *L, const struct net_emission *e, int top, int at) {
  lua_settop(L, top);
  if (at && e->o)
    note_data(L, e->self, e->o);
  return at != 0;
}

int net_listeners_remove(lua_State *L, const struct net_emission *e, int what) {
  int top = lua_gettop(L), at;
  lua_Integer slot = emission_find(L, e, what, &at);
  if (at && net_listeners_are_list(L, -1)) {
    list_without(L, at);
    if (!emission_holds(L, e, slot, top + 2)) {
      lua_settop(L, top);
      return net_listeners_remove(L, e, what);
    }
    lua_rawseti(L, top + 1, slot + 1);
  } else if (at) {
    lua_settop(L, top + 1);
    events_drop(L, slot);
    emission_end(e);
  }
  return emission_changed(L, e, top, at);
}

int net_listeners_forget(lua_State *L, const struct net_emission *e, int what,
                         const void *instead) {
  int top = lua_gettop(L), at;
  lua_Integer slot = emission_find(L, e, what, &at);
  int length = at ? list_length(L, top + 2) : 0;
  if (length == 2) {
    lua_rawgeti(L, top + 2, 3 - at);
    lua_rawseti(L, top + 1, slot + 1);
  } else if (length > 0) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)instead);
    lua_rawseti(L, top + 2, at);
  } else if (at) {
    lua_settop(L, top + 1);
    events_drop(L, slot);
    emission_end(e);
  }
  return emission_changed(L, e, top, at);
}
