/* SPDX-License-Identifier: MIT
 *
 * activated.h - the sockets that this process was started with: socket activation. */
#ifndef NET_ACTIVATED_H
#define NET_ACTIVATED_H

#include <lua.h>

/* Takes what sd_listen_fds(3) promises out of the environment, if it is for this process:
 * then the core table on the top gets 'activated', {open =, names =}. Also adds
 * descriptor_role to it. Before anything is opened: a number that is free may be among
 * those that are promised. [-0, +0, m] */
void net_activated_open(lua_State *L);

#endif
