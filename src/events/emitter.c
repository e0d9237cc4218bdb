/* SPDX-License-Identifier: MIT
 *
 * emitter.c - the methods of emitters, as Node's EventEmitter has them, and what
 * events.lua needs. How an event is told is emit.c; what listeners there are is for
 * listeners.c to know. */
#include "events/emitter.h"

#include <string.h>

#include "base/error.h"
#include "loop/loop.h"

#define DEFAULT_MAX_LISTENERS 10 /* as in Node; Lua may change it */
#define MORE_METHODS 15          /* of an emitter: those below, and about what Lua adds */

static const char once_key;    /* registry: metatable of once entries */
static const char emitter_key; /* in the metatable of each class that emits */
static const char methods_key; /* registry: EventEmitter's */
static const char hook_key;    /* registry: Lua's function for a listener too many */

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

/* --- methods ---------------------------------------------------------------- */

/* Checks emitter, name and listener at 1 to 3 and describes the event. */
static struct net_emission method_event(lua_State *L) {
  struct net_object *o = method_self(L);
  if (lua_isnoneornil(L, 2))
    net_error_arg_type(L, "eventName", "of type string", 2);
  if (lua_type(L, 3) != LUA_TFUNCTION)
    net_error_arg_type(L, "listener", "of type function", 3);
  lua_settop(L, 3);
  struct net_emission e = { 1, o, net_event_in(L, 2, o ? o->loop : net_loop_get(L)), 2, 0, 0 };
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
  if (e.o && e.o->cls->listening && e.event != NET_EVENTS)
    e.o->cls->listening(L, e.self, e.event);
  net_emission_announce(L, &e, ON_NEW_LISTENER, 3);
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
  net_emission_listened(L, &e, prepend);
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
    net_emission_removed(L, &e, 3);
  else
    net_emission_unlistened(L, &e, 0); /* as in Node it looks at the state anyway */
  lua_settop(L, 1);
  return 1;
}

static int emitter_emit(lua_State *L) {
  struct net_object *o = method_self(L);
  if (lua_isnoneornil(L, 2))
    net_error_arg_type(L, "eventName", "of type string", 2);
  int event = net_event_in(L, 2, o ? o->loop : net_loop_get(L));
  struct net_emission e = { 1, o, event, 2, 3, lua_gettop(L) - 2 };
  lua_pushboolean(L, e.event == ON_ERROR ? net_emission_error(L, &e) : net_emission_emit(L, &e));
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

void net_emitter_class_lazy(lua_State *L) {
  int top = lua_gettop(L);
  lua_getfield(L, top, "methods");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
  lua_pushnil(L);
  while (lua_next(L, top + 2)) {
    lua_pushvalue(L, -2);
    if (lua_rawget(L, top + 1) == LUA_TNIL) {
      lua_pushvalue(L, -3);
      lua_pushvalue(L, -3);
      lua_rawset(L, top + 1);
    }
    lua_pop(L, 2);
  }
  lua_settop(L, top);
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
  net_emission_listened(L, &e, 0);
  return 0;
}

/* unlisten(emitter, event, fn or entry [, one_of_all]) -> boolean: removes without
 * announcing; 'one_of_all': of those that removeAllListeners takes */
static int core_unlisten(lua_State *L) {
  struct net_emission e = core_emission(L);
  int was = net_listeners_remove(L, &e, 3);
  if (was)
    net_emission_unlistened(L, &e, lua_toboolean(L, 4));
  lua_pushboolean(L, was);
  return 1;
}

/* unlistened(emitter, event): the class looks again at who listens */
static int core_unlistened(lua_State *L) {
  struct net_emission e = core_emission(L);
  net_emission_unlistened(L, &e, 0);
  return 0;
}

static void do_nothing(lua_State *L, int idx) { (void)L, (void)idx; }

static const struct net_internal nothing = { do_nothing };

/* Of the emitter, event and listener at 1 to 3. [-0, +0, e] */
static void forget(lua_State *L) {
  struct net_emission e = core_emission(L);
  if (net_listeners_forget(L, &e, 3, &nothing))
    net_emission_unlistened(L, &e, 0);
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
  net_emit_open(L);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "once_metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &once_key);
  net_emitter_class_open(L, &emitter_class, 0);
  lua_getfield(L, -1, "methods");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
  lua_setfield(L, -2, "EventEmitter");
  luaL_newlib(L, makers);
  lua_setfield(L, -2, "emitter");
}
