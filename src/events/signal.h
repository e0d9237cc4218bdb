/* SPDX-License-Identifier: MIT
 *
 * signal.h - the userdata behind Lua's 'process', which hears signals. */
#ifndef NET_SIGNAL_H
#define NET_SIGNAL_H

#include <lua.h>

/* Node's name of the signal, "SIGTERM"; NULL if it has none. */
const char *net_signal_name(int number);
/* Adds the class Process and process, signals, signal_start, signal_stop,
 * signal_default, kill, pid to the core table on the top. [-0, +0, m] */
void net_signal_open(lua_State *L);

#endif
