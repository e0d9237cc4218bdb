/* SPDX-License-Identifier: MIT
 *
 * object.h - what every userdata of ours shares: a class with methods and
 * fields, the user's own fields, listeners, and a self-reference.
 *
 * A class is a metatable whose tables of methods, getters and setters are
 * handed to Lua, which adds its own to them. Reading a field looks at the
 * user's own fields, then methods, then getters; writing one looks at setters,
 * refuses what has only a getter, and keeps the rest as the user's own. Of a class that
 * is derived from another what it lacks itself is that one's. */
#ifndef NET_OBJECT_H
#define NET_OBJECT_H

#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

struct net_loop;

#define NET_EVENT_BITS 21 /* see events.h */

/* The user values that every object has; a class may add more. */
enum { VAL_EVENTS = 1, VAL_FIELDS, VAL_OWN };

struct net_class {
  const char *name;        /* as in "Socket"; also the metatable's __name */
  const luaL_Reg *methods; /* may be NULL, as the next two */
  const luaL_Reg *getters; /* called with the object */
  const luaL_Reg *setters; /* called with the object and the value */
  const luaL_Reg *meta;    /* __gc, __close, __tostring, ... */
  /* Called after a listener for 'event' was added, by prependListener or otherwise, and
   * after off() or one of many was removed by removeAllListeners. */
  void (*listened)(lua_State *L, int idx, int event, int prepended);
  void (*unlistened)(lua_State *L, int idx, int event, int one_of_all);
  /* Before a listener for 'event' is added: raises if there may be none. May be NULL.
   * [-0, +0, e] */
  void (*listening)(lua_State *L, int idx, int event);
  /* The Lua state closes: nothing of libev's or the system's is the object's from here
   * on. Called for those that are anchored; may be NULL. [-0, +0, -] */
  void (*end)(lua_State *L, int idx);
  /* Its objects are of that class too, and begin with the same struct; NULL: none. */
  const struct net_class *parent;
};

/* The head of every object's struct. */
struct net_object {
  const struct net_class *cls;      /* borrowed; static */
  struct net_loop *loop;            /* borrowed; outlives every object */
  uint32_t events : NET_EVENT_BITS; /* bit 1 << enum net_event: has a listener */
  uint32_t unheard : 1;             /* a listener of data is being called, or ran out of memory
                                  and may not have had them */
  uint32_t has_fields : 1;          /* the user's own, in VAL_FIELDS */
  uint32_t anchored : 1;            /* the loop can call it */
  uint32_t data_slot : 8;           /* where VAL_EVENTS has the listener for "data", if that
                                  is one plain function, and not too far; else 0 */
  int self;                         /* registry reference while anchored or queued, else
                                  LUA_NOREF */
  uint32_t queued;                  /* steps that wait to be run with it */
};

/* Makes the class's metatable; pushes {metatable =, methods =, getters =, setters =}
 * for others to add to, with room for 'more' methods. A class that emits is opened by
 * net_emitter_class_open. [-0, +1, m] */
void net_class_open(lua_State *L, const struct net_class *cls, int more);
/* Makes a class whose objects are of the class 'parent' too, and have what that has and
 * it does not: fields and methods, also such as come later, metamethods that are there
 * now. Pushes its tables as net_class_open; it lives as long as the state. [-0, +1, m] */
struct net_class *net_class_derive(lua_State *L, const char *name, const struct net_class *parent);
/* Has the object at 'idx', of the class 'base' or one derived from it, another method of
 * that name than the class 'base' gives it? [-0, +0, m] */
int net_class_overrides(lua_State *L, int idx, const struct net_class *base, const char *name);
/* Adds functions to a table of the class on the top: "metatable", "methods",
 * "getters" or "setters". [-0, +0, m] */
void net_class_add(lua_State *L, const char *table, const luaL_Reg *functions);
/* A new zeroed object of 'size' bytes with 'uservalues' user values (at least
 * VAL_OWN - 1), its class set, which is called by 'loop'. [-0, +1, m] */
void *net_object_new(lua_State *L, struct net_loop *loop, const struct net_class *cls, size_t size,
                     int uservalues);
/* Is the userdata at 'idx' an object of a class derived from 'cls'? [-0, +0, -] */
int net_object_derives(lua_State *L, int idx, const struct net_class *cls);
/* The object at 'idx' if it is of that class or one derived from it, else NULL. No
 * userdata but ours begins with the address of a class of ours. [-0, +0, -] */
static inline void *net_object_test(lua_State *L, int idx, const struct net_class *cls) {
  struct net_object *o = lua_touserdata(L, idx);
  if (o == NULL || lua_rawlen(L, idx) < sizeof *o)
    return NULL;
  return o->cls == cls || net_object_derives(L, idx, cls) ? o : NULL;
}
/* As net_object_test, raising ERR_INVALID_THIS. [-0, +0, e] */
void *net_object_check(lua_State *L, int idx, const struct net_class *cls);

/* Pushes the table in user value 'n' of the object at 'idx', made when missing; by
 * a finalizer, if that is faster. [-0, +1, m] */
void net_object_table(lua_State *L, int idx, int n);
/* The same, with room for one field, and for no list, where it is made. */
void net_object_map(lua_State *L, int idx, int n);
/* As net_object_table, the table of the user's own fields. [-0, +1, m] */
void net_object_fields(lua_State *L, int idx);

/* Holds the object at 'idx' in the registry while the loop can call it; both
 * are no-ops when already so. */
void net_anchor(lua_State *L, int idx, struct net_object *o); /* [-0, +0, m] */
void net_unanchor(lua_State *L, struct net_object *o);        /* [-0, +0, -] */
/* Anchors it for a step in a queue: held until each has been let go of. */
void net_object_hold(lua_State *L, int idx, struct net_object *o); /* [-0, +0, m] */
void net_object_let_go(lua_State *L, struct net_object *o);        /* [-0, +0, -] */
/* How many are anchored; looks at the whole registry. [-0, +0, -] */
unsigned net_object_count(lua_State *L);
/* Ends all that are anchored, for lua_close. [-0, +0, -] */
void net_object_end_all(lua_State *L);
/* Is the value at 'idx' what JavaScript takes for true: not nil, false, 0, NaN or ""?
 * [-0, +0, -] */
int net_truthy(lua_State *L, int idx);
/* Pushes an object that is anchored or queued. [-0, +1, -] */
static inline void net_push(lua_State *L, const struct net_object *o) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, o->self);
}

#endif
