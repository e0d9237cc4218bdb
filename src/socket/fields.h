/* SPDX-License-Identifier: MIT
 *
 * fields.h - the fields of net.Socket, computed from the stream. */
#ifndef NET_FIELDS_H
#define NET_FIELDS_H

#include <lauxlib.h>

extern const luaL_Reg net_socket_getters[];
/* socket:fd(). */
int net_fields_fd(lua_State *L);
/* socket:address(). */
int net_fields_address(lua_State *L);
extern const luaL_Reg net_socket_setters[];

#endif
