/* SPDX-License-Identifier: MIT
 *
 * capi.h - core.capi: what another library's C code may call. */
#ifndef NET_CAPI_TABLE_H
#define NET_CAPI_TABLE_H

#include <lua.h>

#define NET_VERSION "0.3.0"

/* Adds capi, a light userdata, to the core table on the top. [-0, +0, m] */
void net_capi_open(lua_State *L);

#endif
