/* SPDX-License-Identifier: MIT
 *
 * uncaught.h - what becomes of an error that comes out of Lua code which the loop
 * has called.
 *
 * It is offered to process 'uncaughtException'. If nobody takes it, it halts the
 * loop, and run() raises it with the traceback of where it was raised first; where
 * somebody else runs the loop there is only a warning. */
#ifndef NET_UNCAUGHT_H
#define NET_UNCAUGHT_H

#include "loop/loop.h"

/* Calls the function under its 'nargs' arguments; an error goes where an
 * uncaught one goes, and the caller carries on. For lists of callbacks of
 * which each must run. Returns LUA_OK, or the status of the error. [-(nargs+1), +0, m] */
int net_call_guarded(lua_State *L, struct net_loop *loop, int nargs);

/* Message handler: notes the traceback of the error value at 1, and gives an Error of ours
 * the field 'stack', unless an earlier handler did. [-0, +0, m] */
int net_uncaught_note(lua_State *L);
/* Raises the value on the top, with the traceback that is noted for it. The caller's frame
 * is lost. [-1, +0, e] */
int net_uncaught_again(lua_State *L);

/* Raises the error that has halted the loop. [-0, +0, e] */
int net_uncaught_raise(lua_State *L);

/* Adds traceback, rethrow, on_uncaught to the core table on the top. [-0, +0, m] */
void net_uncaught_open(lua_State *L);

#endif
