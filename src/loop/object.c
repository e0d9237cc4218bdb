/* SPDX-License-Identifier: MIT
 *
 * object.c - classes, fields and anchoring of our userdata.
 *
 * An object begins with the address of its class, so that an argument check is
 * one comparison. __index has to be a function, as methods and computed fields
 * share one name space with the user's own. */
#include "loop/object.h"

#include <string.h>

#include "base/error.h"

/* Upvalues of __index and __newindex. */
enum { UP_METHODS = 1, UP_GETTERS, UP_SETTERS, UP_CLASS, UP_PARENT };

/* The object that a field is read or written of. [-0, +0, e] */
static void check_object(lua_State *L) {
  net_object_check(L, 1, lua_touserdata(L, lua_upvalueindex(UP_CLASS)));
}

/* The user's own field named by index 2, if any. The class is not looked at, as
 * this is run for each method that is called. [-0, +(1|0), e] */
static int object_own_field(lua_State *L) {
  const struct net_object *o = lua_touserdata(L, 1);
  if (o == NULL || lua_rawlen(L, 1) < sizeof *o)
    check_object(L);
  else if (!o->has_fields)
    return 0;
  if (lua_getiuservalue(L, 1, VAL_FIELDS) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
      return 1;
  }
  lua_settop(L, 2);
  return 0;
}

/* Has the parent's __index or __newindex answer instead; returns 0, and does nothing,
 * where there is no parent. [-?, +nresults, e] */
static int object_ask_parent(lua_State *L, int nargs, int nresults) {
  if (lua_isnil(L, lua_upvalueindex(UP_PARENT)))
    return 0;
  lua_settop(L, nargs);
  lua_pushvalue(L, lua_upvalueindex(UP_PARENT));
  lua_insert(L, 1);
  lua_call(L, nargs, nresults);
  return 1;
}

/* Calls the getter on the top for the object at 1. */
static int object_get(lua_State *L) {
  lua_CFunction get = lua_tocfunction(L, -1);
  if (get && lua_getupvalue(L, -1, 1) == NULL) {
    lua_settop(L, 1);
    return get(L); /* spares a Lua call: fields are read once a packet */
  }
  lua_settop(L, 3);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

/* Pushes what the parent has by that name in its table at 'which', or nil. [-0, +1, -] */
static int object_of_parent(lua_State *L, int which) {
  lua_getupvalue(L, lua_upvalueindex(UP_PARENT), which);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  return !lua_isnil(L, -1);
}

/* A method or a field that the parent has by now, without its __index, which would look for
 * all that this one has; 0 where that is to be asked. A method that is loaded lazily is of
 * the object's own class first. [-?, +1, e] */
static int object_inherited(lua_State *L) {
  lua_settop(L, 2);
  if (lua_isnil(L, lua_upvalueindex(UP_PARENT)) ||
      lua_getmetatable(L, lua_upvalueindex(UP_METHODS)))
    return 0;
  if (object_of_parent(L, UP_METHODS))
    return 1;
  lua_settop(L, 2);
  return object_of_parent(L, UP_GETTERS) ? object_get(L) : 0;
}

static int object_index(lua_State *L) {
  if (object_own_field(L))
    return 1;
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(UP_METHODS)) != LUA_TNIL)
    return 1;
  lua_pushvalue(L, 2);
  lua_replace(L, 3);
  if (lua_rawget(L, lua_upvalueindex(UP_GETTERS)) != LUA_TNIL)
    return object_get(L);
  int found = object_inherited(L);
  if (found)
    return found;
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_gettable(L, lua_upvalueindex(UP_METHODS)) == LUA_TNIL) /* one to be loaded? */
    (void)object_ask_parent(L, 2, 1);
  return 1;
}

/* Raises what JavaScript's strict mode does for a field with only a getter. */
static int object_read_only(lua_State *L) {
  luaL_getmetafield(L, 1, "__name");
  lua_pushfstring(L, "Cannot set property %s of #<%s> which has only a getter", lua_tostring(L, 2),
                  lua_tostring(L, -1));
  return net_error_raise(L, "TypeError", 1);
}

static int object_newindex(lua_State *L) {
  check_object(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(UP_SETTERS)) != LUA_TNIL) {
    lua_insert(L, 1);
    lua_remove(L, 3);
    lua_call(L, 2, 0);
    return 0;
  }
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(UP_GETTERS)) != LUA_TNIL)
    return object_read_only(L);
  if (object_ask_parent(L, 3, 0))
    return 0;
  lua_settop(L, 3);
  if (lua_isnil(L, 3) && !((struct net_object *)lua_touserdata(L, 1))->has_fields)
    return 0;
  net_object_fields(L, 1);
  lua_insert(L, 2);
  lua_rawset(L, 2);
  return 0;
}

enum { META_ACCESS = 6 }; /* what a metatable gets from here on */

/* A new table holding the functions of 'list', which may be NULL, with room for
 * 'more'. [-0, +1, m] */
static void class_table(lua_State *L, const luaL_Reg *list, int more) {
  int count = 0;
  while (list && list[count].name)
    count++;
  lua_createtable(L, 0, count + more);
  if (list)
    luaL_setfuncs(L, list, 0);
}

/* Pushes metatable[name] of the class, or nil for NULL. [-0, +1, m] */
static void push_metafield(lua_State *L, const struct net_class *cls, const char *name) {
  if (cls == NULL) {
    lua_pushnil(L);
    return;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, cls);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

/* Sets metatable[name] to 'fn' over the three tables above the metatable. */
static void class_accessor(lua_State *L, int meta, const char *name, lua_CFunction fn,
                           const struct net_class *cls) {
  lua_pushvalue(L, meta + UP_METHODS);
  lua_pushvalue(L, meta + UP_GETTERS);
  lua_pushvalue(L, meta + UP_SETTERS);
  lua_pushlightuserdata(L, (void *)(uintptr_t)cls);
  push_metafield(L, cls->parent, name);
  lua_pushcclosure(L, fn, UP_PARENT);
  lua_setfield(L, meta, name);
}

static const char class_key; /* in the metatable of a derived class: its memory */

/* net_class_open; 'memory' is the index of the userdata that the class lies in, or 0. */
static void class_open(lua_State *L, const struct net_class *cls, int more, int memory) {
  int meta = lua_gettop(L) + 1;
  class_table(L, cls->meta, META_ACCESS);
  class_table(L, cls->methods, more);
  class_table(L, cls->getters, 0);
  class_table(L, cls->setters, 0);
  class_accessor(L, meta, "__index", object_index, cls);
  class_accessor(L, meta, "__newindex", object_newindex, cls);
  lua_pushstring(L, cls->name);
  lua_setfield(L, meta, "__name");
  if (memory) {
    lua_pushvalue(L, memory);
    lua_rawsetp(L, meta, &class_key);
  }
  lua_pushvalue(L, meta);
  lua_rawsetp(L, LUA_REGISTRYINDEX, cls);

  lua_createtable(L, 0, 4);
  lua_insert(L, meta); /* below metatable, methods, getters, setters */
  lua_setfield(L, meta, "setters");
  lua_setfield(L, meta, "getters");
  lua_setfield(L, meta, "methods");
  lua_setfield(L, meta, "metatable");
}

void net_class_open(lua_State *L, const struct net_class *cls, int more) {
  class_open(L, cls, more, 0);
}

/* Gives the metatable on the top what that of the class has and it has not.
 * [-0, +0, m] */
static void class_inherit(lua_State *L, const struct net_class *parent) {
  int meta = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, parent);
  lua_pushnil(L);
  while (lua_next(L, meta + 1)) {
    lua_pushvalue(L, -2);
    int is_there = lua_rawget(L, meta) != LUA_TNIL;
    lua_pop(L, 1);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    if (is_there)
      lua_pop(L, 2);
    else
      lua_rawset(L, meta);
  }
  lua_settop(L, meta);
}

struct net_class *net_class_derive(lua_State *L, const char *name, const struct net_class *parent) {
  size_t size = strlen(name) + 1;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  struct net_class *cls = lua_newuserdatauv(L, sizeof *cls + size, 0);
  *cls = *parent;
  cls->name = memcpy(cls + 1, name, size);
  cls->methods = cls->getters = cls->setters = cls->meta = NULL;
  cls->parent = parent;
  class_open(L, cls, 0, lua_gettop(L));
  lua_getfield(L, -1, "metatable");
  class_inherit(L, parent);
  lua_pop(L, 1);
  lua_remove(L, -2);
  return cls;
}

int net_class_overrides(lua_State *L, int idx, const struct net_class *base, const char *name) {
  int top = lua_gettop(L), overrides = 0;
  const struct net_class *cls = ((const struct net_object *)lua_touserdata(L, idx))->cls;
  for (; cls != base && !overrides; cls = cls->parent) {
    push_metafield(L, cls, "__index");
    lua_getupvalue(L, -1, UP_METHODS);
    overrides = lua_getfield(L, -1, name) != LUA_TNIL;
    lua_settop(L, top);
  }
  return overrides;
}

void net_class_add(lua_State *L, const char *table, const luaL_Reg *functions) {
  lua_getfield(L, -1, table);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}

void *net_object_new(lua_State *L, struct net_loop *loop, const struct net_class *cls, size_t size,
                     int uservalues) {
  struct net_object *o = lua_newuserdatauv(L, size, uservalues);
  memset(o, 0, size);
  o->cls = cls;
  o->loop = loop;
  o->self = LUA_NOREF;
  lua_rawgetp(L, LUA_REGISTRYINDEX, cls);
  lua_setmetatable(L, -2);
  return o;
}

void *net_object_check(lua_State *L, int idx, const struct net_class *cls) {
  void *o = net_object_test(L, idx, cls);
  if (o == NULL)
    net_error_this(L, cls->name);
  return o;
}

/* A new table, with room for a list of 'slots' and for 'fields', may start the collector, that a
 * finalizer, and that come here. [-0, +1, m] */
static void table_at(lua_State *L, int idx, int n, int slots, int fields) {
  if (lua_getiuservalue(L, idx, n) == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_createtable(L, slots, fields);
  if (lua_getiuservalue(L, idx, n) == LUA_TTABLE) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, idx, n);
}

void net_object_table(lua_State *L, int idx, int n) { table_at(L, idx, n, 4, 0); }

void net_object_map(lua_State *L, int idx, int n) { table_at(L, idx, n, 0, 1); }

void net_object_fields(lua_State *L, int idx) {
  table_at(L, idx, VAL_FIELDS, 0, 1);
  ((struct net_object *)lua_touserdata(L, idx))->has_fields = 1;
}

static void refer(lua_State *L, int idx, struct net_object *o) {
  if (o->self != LUA_NOREF)
    return;
  lua_pushvalue(L, idx);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (o->self == LUA_NOREF)
    o->self = ref;
  else
    luaL_unref(L, LUA_REGISTRYINDEX, ref); /* a finalizer was faster */
}

static void unrefer(lua_State *L, struct net_object *o) {
  if (o->anchored || o->queued > 0)
    return;
  luaL_unref(L, LUA_REGISTRYINDEX, o->self);
  o->self = LUA_NOREF;
}

void net_anchor(lua_State *L, int idx, struct net_object *o) {
  if (o->anchored)
    return;
  refer(L, idx, o);
  o->anchored = 1;
}

void net_unanchor(lua_State *L, struct net_object *o) {
  if (!o->anchored)
    return;
  o->anchored = 0;
  unrefer(L, o);
}

void net_object_hold(lua_State *L, int idx, struct net_object *o) {
  refer(L, idx, o);
  o->queued++;
}

/* The class of the value at 'idx' if it is an object of ours, else NULL: the metatable
 * is the one that the registry has for the class. [-0, +0, -] */
static const struct net_class *class_of(lua_State *L, int idx) {
  const struct net_object *o = lua_touserdata(L, idx);
  if (o == NULL || lua_rawlen(L, idx) < sizeof *o || !lua_getmetatable(L, idx))
    return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, o->cls);
  int is_ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_ours ? o->cls : NULL;
}

/* Only the class of an object of ours may be looked into: of another userdata the first
 * word is anything. */
int net_object_derives(lua_State *L, int idx, const struct net_class *cls) {
  const struct net_class *own = lua_checkstack(L, 2) ? class_of(L, idx) : NULL;
  while (own && own != cls)
    own = own->parent;
  return own != NULL;
}

unsigned net_object_count(lua_State *L) {
  unsigned count = 0;
  lua_pushnil(L);
  while (lua_next(L, LUA_REGISTRYINDEX)) {
    if (class_of(L, lua_gettop(L)))
      count += ((const struct net_object *)lua_touserdata(L, -1))->anchored;
    lua_pop(L, 1);
  }
  return count;
}

void net_object_end_all(lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, LUA_REGISTRYINDEX)) {
    const struct net_class *cls = class_of(L, lua_gettop(L));
    if (cls && cls->end)
      cls->end(L, lua_gettop(L));
    lua_pop(L, 1);
  }
}

void net_object_let_go(lua_State *L, struct net_object *o) {
  o->queued--;
  unrefer(L, o);
}

int net_truthy(lua_State *L, int idx) {
  switch (lua_type(L, idx)) {
    case LUA_TNUMBER: return lua_tonumber(L, idx) < 0 || lua_tonumber(L, idx) > 0;
    case LUA_TSTRING: return lua_rawlen(L, idx) > 0;
    default: return lua_toboolean(L, idx);
  }
}
