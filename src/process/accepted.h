/* SPDX-License-Identifier: MIT
 *
 * accepted.h - connections that one process accepts and another one serves. */
#ifndef NET_ACCEPTED_H
#define NET_ACCEPTED_H

#include <lua.h>

/* Adds acceptor {new, hold}, and accepts, deliver, listen_descriptor, watch to the table 'server',
 * of the core table on the top. [-0, +0, m] */
void net_accepted_open(lua_State *L);

#endif
