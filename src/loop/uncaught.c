/* SPDX-License-Identifier: MIT
 *
 * uncaught.c - an error that came out of Lua, and its traceback. See uncaught.h. */
#include "loop/uncaught.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/error.h"
#include "base/errortext.h"

static const char error_key;  /* registry: the uncaught error that waits */
static const char taker_key;  /* registry: Lua's function that may take one */
static const char traces_key; /* registry: error value -> traceback, weak */

/* Stores the traceback on the top for the error value at 1. Only the newest is
 * kept for values that a weak table would hold for ever. [-1, +0, m] */
static void trace_store(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traces_key);
  lua_insert(L, -2);
  if (lua_type(L, 1) == LUA_TTABLE) {
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_rawset(L, -3);
  } else {
    lua_rawseti(L, -2, 2);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
  }
  lua_pop(L, 1);
}

/* Pushes the traceback stored for the error value at 1, or nil, on top of what it
 * looked at; returns whether there is one. [-0, +(2|3), -] */
static int trace_find(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traces_key);
  if (lua_type(L, 1) == LUA_TTABLE) {
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
  } else {
    lua_rawgeti(L, -1, 1);
    if (lua_rawequal(L, -1, 1))
      lua_rawgeti(L, -2, 2);
    else
      lua_pushnil(L);
  }
  return !lua_isnil(L, -1);
}

/* Takes the traceback of thread 'from' for the error at 1, which may be a table
 * that has one already: an Error of ours that was raised knows of where.
 * [-0, +0, m] */
static void trace_take(lua_State *L, lua_State *from, int level) {
  lua_settop(L, 1);
  if (trace_find(L) && lua_type(L, 1) == LUA_TTABLE)
    return;
  if (!net_error_push_stack(L, 1)) {
    luaL_traceback(L, from, net_errortext_push(L, 1), level);
    net_error_set_stack(L, 1, lua_gettop(L));
  }
  trace_store(L);
}

int net_uncaught_note(lua_State *L) {
  struct net_loop *loop = net_loop_get(L);
  int known = loop->traced; /* by whoever raised it; a pcall may have taken that one since */
  loop->traced = 0;
  lua_settop(L, 1);
  if (!known || !trace_find(L))
    trace_take(L, L, 1);
  lua_settop(L, 1);
  return 1;
}

/* rethrow(thread, err): raises what ended a coroutine, with its traceback */
static int uncaught_rethrow(lua_State *L) {
  lua_State *from = lua_tothread(L, 1);
  luaL_argexpected(L, from, 1, "coroutine");
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_replace(L, 1);
  trace_take(L, from, 0);
  net_loop_get(L)->traced = 1;
  lua_settop(L, 1);
  return lua_error(L);
}

int net_uncaught_again(lua_State *L) {
  lua_insert(L, 1);
  net_loop_get(L)->traced = trace_find(L);
  lua_settop(L, 1);
  return lua_error(L);
}

/* traceback(err) -> the traceback of an error that came out of run(), or nil */
static int uncaught_traceback(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  trace_find(L);
  return 1;
}

/* Takes the error that waits. [-0, +1, -] */
static void take_error(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &error_key);
  lua_pushboolean(L, 0); /* not nil, or storing the next might need memory */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
}

/* warning(err): with the traceback, if there is one */
static int warn_of(lua_State *L) {
  lua_settop(L, 1);
  if (!trace_find(L))
    net_errortext_push(L, 1);
  lua_warning(L, "net: uncaught error: ", 1);
  lua_warning(L, lua_tostring(L, -1), 0);
  return 0;
}

/* Where somebody else runs the loop there is no run() to raise from. The loop
 * stays halted until it is entered again. */
static void report(lua_State *L) {
  lua_pushcfunction(L, warn_of);
  take_error(L);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

/* A tick: raises the error at 1, with the traceback that it came with. */
static int raise_again(lua_State *L) {
  lua_settop(L, 1);
  return net_uncaught_again(L);
}

/* Has the error at 1 raised by the next run(). */
static int postpone(lua_State *L) {
  lua_pushcfunction(L, raise_again);
  lua_insert(L, 1);
  net_tick(L, net_loop_get(L), 1);
  return 0;
}

/* Offers the error value on the top to process 'uncaughtException'; keeps it
 * for run() to raise, and halts the loop, if nobody takes it. Whoever dispatches
 * is not protected: without the memory to keep a second error, that one is lost.
 * [-1, +0, -] */
static void uncaught(lua_State *L, struct net_loop *loop) {
  int err = lua_gettop(L);
  loop->raised = loop->depth > 0;
  if (loop->depth > 0) /* as Node makes an empty immediate, behind which postponed ticks come */
    net_steps_try_mark(&loop->immediates);
  lua_pushcfunction(L, net_uncaught_note);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &taker_key) == LUA_TFUNCTION) {
    lua_pushvalue(L, err);
    int status = lua_pcall(L, 1, 1, err + 1);
    int taken = status == LUA_OK && lua_toboolean(L, -1);
    if (status != LUA_OK)
      lua_replace(L, err); /* the handler failed: its error counts */
    if (taken) {
      lua_settop(L, err - 1);
      return;
    }
  }
  lua_settop(L, err);
  if (loop->halted || loop->depth == 0) { /* this one is for the next run() */
    lua_pushcfunction(L, postpone);
    lua_insert(L, err);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
      lua_pop(L, 1);
    return;
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
  net_loop_halt(loop);
  if (loop->L == NULL)
    report(L);
}

int net_call_guarded(lua_State *L, struct net_loop *loop, int nargs) {
  int fn = lua_gettop(L) - nargs;
  lua_pushcfunction(L, net_uncaught_note);
  lua_insert(L, fn);
  int status = lua_pcall(L, nargs, 0, fn);
  if (status == LUA_ERRMEM && loop->tasks.lacked)
    loop->tasks.lacked(loop);
  if (status != LUA_OK)
    uncaught(L, loop);
  lua_settop(L, fn - 1);
  return status;
}

/* tell(err): writes the traceback of what run() is about to raise to stderr. The
 * traceback that the host will show begins in run(). */
static int tell(lua_State *L) {
  size_t len;
  lua_settop(L, 1);
  if (!trace_find(L))
    net_errortext_push(L, 1);
  const char *text = lua_tolstring(L, -1, &len);
  fputs("net: uncaught error: ", stderr);
  fwrite(text, 1, len, stderr);
  fputc('\n', stderr);
  return 0;
}

/* An Error of ours tells the host by itself; of any other value nobody would see
 * where it comes from, nor, of a table, what it is. */
int net_uncaught_raise(lua_State *L) {
  take_error(L);
  int err = lua_gettop(L);
  if (!net_errortext_is_error(L, err) && net_errortext_is_last(L)) {
    lua_pushcfunction(L, tell);
    lua_pushvalue(L, err);
    lua_pcall(L, 1, 0, 0);
    lua_settop(L, err);
  }
  net_loop_get(L)->traced = 1; /* a task that has run the loop keeps its traceback */
  return lua_error(L);
}

/* on_uncaught(fn): fn(err) returns true if it has dealt with the error */
static int uncaught_on_uncaught(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &taker_key);
  return 0;
}

/* A table with weak keys: tracebacks live as long as their errors. */
static void traces_init(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traces_key);
}

void net_uncaught_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "traceback", uncaught_traceback },
    { "rethrow", uncaught_rethrow },
    { "on_uncaught", uncaught_on_uncaught },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
  traces_init(L);
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
}
