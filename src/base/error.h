/* SPDX-License-Identifier: MIT
 *
 * error.h - error values: Node's Error objects as Lua tables.
 *
 * Everything that can fail ends here. System errors are made in C, as they
 * come from the data path; errors with an ERR_* code are made by the
 * constructors of lua/net/internal/errors.lua, the one place that knows Node's texts,
 * which C reaches by code. */
#ifndef NET_ERROR_H
#define NET_ERROR_H

#include <lua.h>

/* Pushes `syscall CODE`, with fields errno, code, syscall. 'err' is negative.
 * [-0, +1, m] */
void net_error_push_sys(lua_State *L, int err, const char *syscall);
/* Replaces the 'nargs' values on the top by errors[code](values...), an error
 * table. [-nargs, +1, e] */
void net_error_push_code(lua_State *L, const char *code, int nargs);
/* Raises it, with the traceback in its field 'stack'. [-nargs, -, e] */
int net_error_raise(lua_State *L, const char *code, int nargs);
/* Raises the error on the top, with its stack. [-1, -, e] */
int net_error_throw(lua_State *L);
/* Raises `syscall CODE`, with its stack. [-0, -, e] */
int net_error_raise_sys(lua_State *L, int err, const char *syscall);
/* Pushes what a function of the core answers, true, or nil and 'err', where that is
 * negative; returns how many values that are. [-0, +(1|2), -] */
int net_push_result(lua_State *L, int err);
/* Raises ERR_INVALID_ARG_TYPE: 'name' as Node calls the argument, 'expected'
 * the words behind "must be" ("of type function") or a type or class alone, the
 * offender at 'idx' (or none). [-0, -, e] */
int net_error_arg_type(lua_State *L, const char *name, const char *expected, int idx);
/* Pushes that error. [-0, +1, e] */
void net_error_push_arg_type(lua_State *L, const char *name, const char *expected, int idx);
/* Raises Lua's own "not enough memory", for which it needs none. [-0, -, e] */
int net_error_memory(lua_State *L);
/* Pushes the field 'stack' of the value at absolute 'err', if it is an error of
 * ours that has one; returns whether. [-0, +(0|1), m] */
int net_error_push_stack(lua_State *L, int err);
/* Gives the value at absolute 'err', if it is an error of ours, the field 'stack'
 * with the text at 'trace'. [-0, +0, m] */
void net_error_set_stack(lua_State *L, int err, int trace);
/* Raises ERR_INVALID_THIS `Value of "this" must be of type CLASS`. [-0, -, e] */
int net_error_this(lua_State *L, const char *class_name);

/* Into the core table on the top: error_metatable, errno_error(errno, syscall
 * [, address [, port [, described]]]), errname(n), errtext(n), errnum(name),
 * set_error_codes(table). [-0, +0, m] */
void net_error_open(lua_State *L);

#endif
