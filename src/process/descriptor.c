/* SPDX-License-Identifier: MIT
 *
 * descriptor.c - a userdata that owns one descriptor. See descriptor.h.
 *
 * A raise is a longjmp, so whatever holds a descriptor while something may raise holds it
 * by one of these: a parcel, a group that came with a message, an end of a pipe for a
 * child. It knows no loop, and what the descriptor is does not matter to it; __gc closes.
 *
 * Refused: an integer in a table that somebody promises to close. Each pcall, finalizer
 * and want of memory on its way would have to keep that promise. */
#include "process/descriptor.h"

#include <errno.h>
#include <lauxlib.h>

#include "base/container.h"
#include "base/error.h"
#include "base/keep.h"
#include "base/sys.h"

static const char metatable_key; /* registry: the metatable of all of them */

struct descriptor {
  int fd; /* first: what all others know of it */
  struct net_kept kept;
};

static void shut(int *owned) {
  int fd = *owned;
  *owned = -1;
  net_sys_close(fd);
}

static void descriptor_end(struct net_kept *kept) {
  shut(&net_container_of(kept, struct descriptor, kept)->fd);
}

int *net_descriptor_new(lua_State *L) {
  struct descriptor *d = lua_newuserdatauv(L, sizeof *d, 0);
  *d = (struct descriptor){ .fd = -1 };
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_setmetatable(L, -2);
  net_keep(L, &d->kept, descriptor_end);
  return &d->fd;
}

static int make(lua_State *L) {
  net_descriptor_new(L);
  return 1;
}

void net_descriptor_push(lua_State *L, int fd) {
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    net_sys_close(fd);
    net_error_memory(L);
  }
  lua_pushcfunction(L, make);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    net_sys_close(fd);
    lua_error(L);
  }
  *(int *)lua_touserdata(L, -1) = fd;
}

int *net_descriptor_test(lua_State *L, int idx) {
  int *fd = lua_touserdata(L, idx);
  if (fd == NULL || lua_islightuserdata(L, idx) || !lua_getmetatable(L, idx))
    return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
  int is_ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_ours ? fd : NULL;
}

int *net_descriptor_check(lua_State *L, int idx) {
  int *fd = net_descriptor_test(L, idx);
  if (fd == NULL)
    net_error_arg_type(L, "descriptor", "an instance of Descriptor", idx);
  return fd;
}

int net_descriptor_take(lua_State *L, int idx) {
  int *owned = net_descriptor_test(L, idx);
  int fd = owned ? *owned : -1;
  if (owned)
    *owned = -1;
  return fd;
}

/* --- for Lua ----------------------------------------------------------------- */

/* descriptor:close(); of one that is closed, or taken, nothing happens */
static int descriptor_close(lua_State *L) {
  shut(net_descriptor_check(L, 1));
  return 0;
}

static int descriptor_gc(lua_State *L) {
  int *fd = net_descriptor_check(L, 1);
  net_kept_drop(&((struct descriptor *)(void *)fd)->kept);
  shut(fd);
  return 0;
}

/* Pushes the number of the descriptor at 1, or nil if that is closed. [-0, +1, e] */
static int descriptor_number(lua_State *L) {
  const int *fd = net_descriptor_check(L, 1);
  if (*fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, *fd);
  return 1;
}

/* descriptor:kind() -> "TCP", "PIPE", "FILE", ...: Node's word for what it is */
static int descriptor_kind(lua_State *L) {
  lua_pushstring(L, net_sys_fd_type(*net_descriptor_check(L, 1)));
  return 1;
}

static int descriptor_tostring(lua_State *L) {
  const int *fd = net_descriptor_check(L, 1);
  if (*fd < 0)
    lua_pushliteral(L, "Descriptor (closed)");
  else
    lua_pushfstring(L, "Descriptor %d", *fd);
  return 1;
}

/* What a maker answers: the descriptors below the top, of which there are 'count', or nil
 * and 'err', where that is negative. [-0, +2, -] */
static int made(lua_State *L, int count, int err) {
  return err < 0 ? net_push_result(L, err) : count;
}

/* dup(number) -> descriptor, or nil and a negative errno: a duplicate, close-on-exec */
static int core_dup(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  int *copy = net_descriptor_new(L);
  return made(L, 1, net_sys_dup(fd, copy));
}

/* adopt(number) -> descriptor, or nil and a negative errno: takes over one that was opened
 * elsewhere; it is close-on-exec and non-blocking from here on. -EEXIST: it is ours */
static int core_adopt(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  int *own = net_descriptor_new(L);
  int err = net_sys_adopt(fd);
  if (err == 0)
    *own = fd;
  return made(L, 1, err);
}

/* pair() -> descriptor, descriptor, or nil and a negative errno: both ends of a Unix stream
 * socket */
static int core_pair(lua_State *L) {
  int ends[2];
  int *one = net_descriptor_new(L), *other = net_descriptor_new(L);
  int err = net_sys_pair(ends);
  if (err == 0) {
    *one = ends[0];
    *other = ends[1];
  }
  return made(L, 2, err);
}

/* close_all(list or nil): closes those in it, and needs no memory */
static int core_close_all(lua_State *L) {
  lua_settop(L, 1);
  for (lua_Integer i = 1; lua_istable(L, 1) && lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
    int *owned = net_descriptor_test(L, -1);
    if (owned)
      shut(owned);
    lua_settop(L, 1);
  }
  return 0;
}

void net_descriptor_open(lua_State *L) {
  static const luaL_Reg makers[] = { { "dup", core_dup },
                                     { "adopt", core_adopt },
                                     { "pair", core_pair },
                                     { "close_all", core_close_all },
                                     { NULL, NULL } };
  static const luaL_Reg methods[] = { { "close", descriptor_close },
                                      { "number", descriptor_number },
                                      { "kind", descriptor_kind },
                                      { NULL, NULL } };
  static const luaL_Reg meta[] = { { "__gc", descriptor_gc },
                                   { "__close", descriptor_close },
                                   { "__tostring", descriptor_tostring },
                                   { NULL, NULL } };
  luaL_newlib(L, meta);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "Descriptor");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
  luaL_newlib(L, makers);
  lua_setfield(L, -2, "descriptor");
}
