/* SPDX-License-Identifier: MIT
 *
 * emitter.c - on, off and emit, as Node's EventEmitter has them, and how C emits. What
 * listeners there are is for listeners.c to know. */
#include "events/emitter.h"

#include <string.h>

#include "base/error.h"
#include "events/listeners.h"
#include "loop/loop.h"
#include "loop/uncaught.h"

#define DEFAULT_MAX_LISTENERS 10 /* as in Node; Lua may change it */
#define MORE_METHODS 15          /* of an emitter: those below, and about what Lua adds */

static const char *const event_names[NET_EVENTS] = {
  "data",   "readable",  "end",        "error",   "close",       "finish",         "prefinish",
  "drain",  "connect",   "ready",      "timeout", "pause",       "resume",         "pipe",
  "unpipe", "listening", "connection", "drop",    "newListener", "removeListener",
};

_Static_assert(NET_EVENTS <= sizeof((struct net_names *)0)->known / sizeof(char *),
               "net_names has no room for the last event");

static const char once_key;    /* registry: metatable of once entries */
static const char emitter_key; /* in the metatable of each class that emits */
static const char monitor_key; /* registry: the value of events.errorMonitor */
static const char hook_key;    /* registry: Lua's function for a listener too many */

static int event_of(lua_State *L, int idx, const struct net_loop *loop) {
  if (lua_type(L, idx) != LUA_TSTRING)
    return NET_EVENTS;
  const char *name = lua_tostring(L, idx);
  int ev = 0;
  while (ev < NET_EVENTS && loop->names.known[ev] != name) /* interned: the address tells */
    ev++;
  return ev;
}

int net_event_of(lua_State *L, int idx) { return event_of(L, idx, net_loop_get(L)); }

/* The object at 1, NULL for a table; raises for anything else. */
static struct net_object *emitter_check(lua_State *L) {
  if (lua_type(L, 1) == LUA_TTABLE)
    return NULL;
  if (lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1)) {
    int ours = lua_rawgetp(L, -1, &emitter_key) != LUA_TNIL;
    lua_pop(L, 2);
    if (ours)
      return lua_touserdata(L, 1);
  }
  net_error_this(L, "EventEmitter");
  return NULL;
}

/* emitter_check for a method: it knows of which class it is, whose objects need no look at
 * their metatable. */
static struct net_object *method_self(lua_State *L) {
  struct net_object *o = net_object_test(L, 1, lua_touserdata(L, lua_upvalueindex(1)));
  return o ? o : emitter_check(L);
}

/* --- emitting ------------------------------------------------------------------ */

static int emission_emit(lua_State *L, const struct net_emission *e);

/* Emits newListener or removeListener (name, listener at 'fn'). [-0, +0, e] */
static void emission_announce(lua_State *L, const struct net_emission *e, int ev, int fn) {
  if (e->o && !net_has(e->o, (enum net_event)ev))
    return;
  luaL_checkstack(L, 8, NULL);
  net_emission_push_name(L, e);
  lua_pushvalue(L, fn);
  struct net_emission news = { e->self, e->o, ev, 0, lua_gettop(L) - 1, 2 };
  emission_emit(L, &news);
}

/* Tells the class that listeners have changed. [-0, +0, e] */
static void emission_listened(lua_State *L, const struct net_emission *e, int prepended) {
  if (e->o && e->o->cls->listened && e->event != NET_EVENTS)
    e->o->cls->listened(L, e->self, e->event, prepended);
}

static void emission_unlistened(lua_State *L, const struct net_emission *e, int one_of_all) {
  if (e->o && e->o->cls->unlistened && e->event != NET_EVENTS)
    e->o->cls->unlistened(L, e->self, e->event, one_of_all);
}

/* After a listener is gone: tells the class, then the user. [-0, +0, e] */
static void emission_removed(lua_State *L, const struct net_emission *e, int fn) {
  emission_unlistened(L, e, 0);
  emission_announce(L, e, ON_REMOVE_LISTENER, fn);
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
    emission_removed(L, e, entry);
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

/* Calls the listeners of 'e' with the arguments on the top. [-nargs, +0, e] */
static int emission_emit(lua_State *L, const struct net_emission *e) {
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
  emission_emit(L, &monitor);
  lua_settop(L, top);
}

/* An "error" goes by the monitors, and is raised when nobody wants it. */
static int emission_error(lua_State *L, const struct net_emission *e) {
  emission_monitor(L, e);
  if (!net_listeners_push(L, e))
    return emission_unhandled(L, e);
  lua_pop(L, 1);
  return emission_emit(L, e);
}

int net_emit(lua_State *L, int idx, enum net_event ev, int nargs) {
  struct net_object *o = lua_touserdata(L, idx);
  struct net_emission e = { idx, o, (int)ev, 0, lua_gettop(L) - nargs + 1, nargs };
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

/* Runs the entry on the top if it is a step of ours. Returns whether. [-1, +0, e] */
static int entry_step(lua_State *L, const struct net_emission *e) {
  if (lua_type(L, -1) == LUA_TLIGHTUSERDATA)
    return entry_call(L, e);
  lua_pop(L, 1);
  return 0;
}

/* Runs the steps of ours that an error in a listener has kept from running; not
 * those that they add. [-0, +0, e] */
static void emit_internals(lua_State *L, int idx, enum net_event ev) {
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
    emit_internals(L, idx, ev);
  return status;
}

static int event_named(const struct net_object *o, const char *name) {
  int ev = 0;
  while (ev < NET_EVENTS && strcmp(o->loop->names.known[ev], name) != 0)
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
  struct net_emission e = { 1, o, event_of(L, 2, o->loop), 2, 3, lua_gettop(L) - 2 };
  if (e.event == ON_ERROR)
    emission_error(L, &e);
  else
    emission_emit(L, &e);
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
    emit_internals(L, idx, (enum net_event)ev);
  return is_told;
}

int net_emit_at(lua_State *L, int idx, int name, int nargs) {
  struct net_object *o = lua_type(L, idx) == LUA_TTABLE ? NULL : lua_touserdata(L, idx);
  int event = event_of(L, name, o ? o->loop : net_loop_get(L));
  struct net_emission e = { idx, o, event, name, lua_gettop(L) - nargs + 1, nargs };
  return e.event == ON_ERROR ? emission_error(L, &e) : emission_emit(L, &e);
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

/* --- methods ---------------------------------------------------------------- */

/* Checks emitter, name and listener at 1 to 3 and describes the event. */
static struct net_emission method_event(lua_State *L) {
  struct net_object *o = method_self(L);
  if (lua_isnoneornil(L, 2))
    net_error_arg_type(L, "eventName", "of type string", 2);
  if (lua_type(L, 3) != LUA_TFUNCTION)
    net_error_arg_type(L, "listener", "of type function", 3);
  lua_settop(L, 3);
  struct net_emission e = { 1, o, event_of(L, 2, o ? o->loop : net_loop_get(L)), 2, 0, 0 };
  return e;
}

/* Is the entry on the top the user's, not one of ours? [-1, +0, m] */
static int entry_visible(lua_State *L, const struct net_emission *e) {
  int visible = lua_type(L, -1) == LUA_TFUNCTION;
  (void)e;
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_getfield(L, -1, "hidden");
    visible = !lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return visible;
}

/* How many listeners are in the list on the top, if that is for the first time
 * more than the array of events under it allows; else 0. [-0, +0, m] */
static lua_Integer list_overgrown(lua_State *L, const struct net_emission *e) {
  lua_getfield(L, -2, "max");
  lua_Number max = lua_isnil(L, -1) ? net_loop_get(L)->names.max_listeners : lua_tonumber(L, -1);
  lua_getfield(L, -2, "warned");
  int warned = lua_toboolean(L, -1);
  lua_pop(L, 2);
  if (warned || max <= 0 || (lua_Number)lua_rawlen(L, -1) <= max)
    return 0;
  lua_Integer count = net_listeners_walk(L, lua_gettop(L), entry_visible, e);
  return (lua_Number)count > max ? count : 0;
}

/* Warns, once, when the event has more listeners than the maximum. [-0, +0, e] */
static void check_max(lua_State *L, const struct net_emission *e) {
  int top = lua_gettop(L);
  lua_Integer count;
  if (net_listeners_array(L, e->self) && net_listeners_find(L, e) &&
      net_listeners_are_list(L, -1) && (count = list_overgrown(L, e)) > 0 &&
      lua_rawgetp(L, LUA_REGISTRYINDEX, &hook_key) == LUA_TFUNCTION) {
    lua_pushboolean(L, 1);
    lua_setfield(L, top + 2, "warned");
    lua_pushvalue(L, e->self);
    net_emission_push_name(L, e);
    lua_pushinteger(L, count);
    lua_call(L, 3, 0);
  }
  lua_settop(L, top);
}

static int method_add(lua_State *L, int once, int prepend) {
  struct net_emission e = method_event(L);
  emission_announce(L, &e, ON_NEW_LISTENER, 3);
  lua_pushvalue(L, 3);
  if (once) {
    lua_createtable(L, 1, 0);
    lua_rotate(L, -2, 1);
    lua_rawseti(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &once_key);
    lua_setmetatable(L, -2);
  }
  if (net_listeners_add(L, &e, prepend))
    check_max(L, &e);
  emission_listened(L, &e, prepend);
  lua_settop(L, 1);
  return 1;
}

static int emitter_on(lua_State *L) { return method_add(L, 0, 0); }
static int emitter_once(lua_State *L) { return method_add(L, 1, 0); }
static int emitter_prepend(lua_State *L) { return method_add(L, 0, 1); }
static int emitter_prepend_once(lua_State *L) { return method_add(L, 1, 1); }

static int emitter_off(lua_State *L) {
  struct net_emission e = method_event(L);
  if (net_listeners_remove(L, &e, 3))
    emission_removed(L, &e, 3);
  else
    emission_unlistened(L, &e, 0); /* as in Node it looks at the state anyway */
  lua_settop(L, 1);
  return 1;
}

static int emitter_emit(lua_State *L) {
  struct net_object *o = method_self(L);
  if (lua_isnoneornil(L, 2))
    net_error_arg_type(L, "eventName", "of type string", 2);
  int event = event_of(L, 2, o ? o->loop : net_loop_get(L));
  struct net_emission e = { 1, o, event, 2, 3, lua_gettop(L) - 2 };
  lua_pushboolean(L, e.event == ON_ERROR ? emission_error(L, &e) : emission_emit(L, &e));
  return 1;
}

void net_emitter_class_open(lua_State *L, const struct net_class *cls, int more) {
  static const luaL_Reg methods[] = {
    { "on", emitter_on },
    { "addListener", emitter_on },
    { "once", emitter_once },
    { "prependListener", emitter_prepend },
    { "prependOnceListener", emitter_prepend_once },
    { "off", emitter_off },
    { "removeListener", emitter_off },
    { "emit", emitter_emit },
    { NULL, NULL },
  };
  net_class_open(L, cls, MORE_METHODS + more);
  lua_getfield(L, -1, "methods");
  lua_pushlightuserdata(L, (void *)(uintptr_t)cls);
  luaL_setfuncs(L, methods, 1);
  lua_getfield(L, -2, "metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &emitter_key);
  lua_pop(L, 2);
}

/* --- for events.lua ---------------------------------------------------------- */

/* The emitter at 1, and the event at 2. [-0, +0, e] */
static struct net_emission core_emission(lua_State *L) {
  struct net_object *o = emitter_check(L);
  struct net_emission e = { 1, o, net_event_of(L, 2), 2, 0, 0 };
  return e;
}

/* events(emitter [, create]) -> the array of events, or nil */
static int core_events(lua_State *L) {
  emitter_check(L);
  if (lua_toboolean(L, 2))
    net_listeners_array_made(L, 1);
  else
    net_listeners_array(L, 1);
  return 1;
}

/* listens(emitter, event) -> whether anybody does, be it one of ours whom nobody sees */
static int core_listens(lua_State *L) {
  struct net_emission e = core_emission(L);
  lua_pushboolean(L, net_listeners_push(L, &e));
  return 1;
}

/* listen_hidden(emitter, event, fn, kind [, pump]): a listener that nobody counts;
 * kind "once", "keep", or "first" (kept, before all others). 'pump': see pump.h */
static int core_listen_hidden(lua_State *L) {
  struct net_emission e = core_emission(L);
  const char *kind = luaL_checkstring(L, 4);
  lua_settop(L, 5);
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
  net_listeners_add(L, &e, strcmp(kind, "first") == 0);
  emission_listened(L, &e, 0);
  return 0;
}

/* unlisten(emitter, event, fn or entry [, one_of_all]) -> boolean: removes without
 * announcing; 'one_of_all': of those that removeAllListeners takes */
static int core_unlisten(lua_State *L) {
  struct net_emission e = core_emission(L);
  int was = net_listeners_remove(L, &e, 3);
  if (was)
    emission_unlistened(L, &e, lua_toboolean(L, 4));
  lua_pushboolean(L, was);
  return 1;
}

/* unlistened(emitter, event): the class looks again at who listens */
static int core_unlistened(lua_State *L) {
  struct net_emission e = core_emission(L);
  emission_unlistened(L, &e, 0);
  return 0;
}

static void do_nothing(lua_State *L, int idx) { (void)L, (void)idx; }

static const struct net_internal nothing = { do_nothing };

/* Of the emitter, event and listener at 1 to 3. [-0, +0, e] */
static void forget(lua_State *L) {
  struct net_emission e = core_emission(L);
  if (net_listeners_forget(L, &e, 3, &nothing))
    emission_unlistened(L, &e, 0);
}

/* forget(emitter, event, fn or entry): as unlisten, for what must not be left behind
 * where memory has run out: it asks for none */
static int core_forget(lua_State *L) {
  lua_settop(L, 3);
  forget(L);
  return 0;
}

/* forget_all({emitter, event, fn, emitter, event, fn, ...}): as forget, of each */
static int core_forget_all(lua_State *L) {
  lua_settop(L, 4);
  lua_rotate(L, 1, -1); /* the list is at 4: where forget has its arguments is free */
  lua_Integer n = (lua_Integer)lua_rawlen(L, 4);
  for (lua_Integer i = 1; i <= n; i += 3) {
    for (int arg = 1; arg <= 3; arg++) {
      lua_rawgeti(L, 4, i + arg - 1);
      lua_replace(L, arg);
    }
    forget(L);
    lua_settop(L, 4);
  }
  return 0;
}

/* max_listeners([n]) -> what holds for emitters without a maximum of their own */
static int core_max_listeners(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  loop->names.max_listeners = luaL_optnumber(L, 1, loop->names.max_listeners);
  lua_pushnumber(L, loop->names.max_listeners);
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

static const struct net_class emitter_class = { .name = "EventEmitter" };

/* emitter.new() -> a bare emitter object */
static int core_emitter(lua_State *L) {
  net_object_new(L, net_loop_get(L), &emitter_class, sizeof(struct net_object), VAL_OWN - 1);
  return 1;
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

void net_emitter_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "events", core_events },
    { "listens", core_listens },
    { "listen_hidden", core_listen_hidden },
    { "unlisten", core_unlisten },
    { "forget", core_forget },
    { "forget_all", core_forget_all },
    { "unlistened", core_unlistened },
    { "on_many_listeners", core_on_many_listeners },
    { "max_listeners", core_max_listeners },
    { NULL, NULL },
  };
  static const luaL_Reg makers[] = { { "new", core_emitter }, { NULL, NULL } };
  luaL_setfuncs(L, functions, 0);
  net_loop_get(L)->names.max_listeners = DEFAULT_MAX_LISTENERS;
  names_intern(L);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "once_metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &once_key);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "error_monitor");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &monitor_key);
  net_emitter_class_open(L, &emitter_class, 0);
  lua_setfield(L, -2, "EventEmitter");
  luaL_newlib(L, makers);
  lua_setfield(L, -2, "emitter");
}
