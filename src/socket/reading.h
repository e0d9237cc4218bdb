/* SPDX-License-Identifier: MIT
 *
 * reading.h - the methods of net.Socket that read: read, unshift, pause, resume, setEncoding. */
#ifndef NET_READING_H
#define NET_READING_H

#include <lauxlib.h>

enum { NET_READING_METHODS = 6 }; /* how many, for the size of the class */
extern const luaL_Reg net_reading_methods[];

#endif
