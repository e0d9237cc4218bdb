/* SPDX-License-Identifier: MIT
 *
 * notify.h - what whoever started this process is told of it: sd_notify(3). */
#ifndef NET_NOTIFY_H
#define NET_NOTIFY_H

#include <lua.h>

/* Adds notify and monotonic_usec to the core table on the top. [-0, +0, m] */
void net_notify_open(lua_State *L);

#endif
