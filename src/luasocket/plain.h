/* SPDX-License-Identifier: MIT
 *
 * plain.h - a plain socket: a descriptor, and system calls that answer at once.
 *
 * It is what a program of LuaSocket's holds (lua/net/internal/luasocket/tcp.lua), which has
 * its class, limits of time and buffer in a table, the socket's state. Who has to wait does
 * that elsewhere, by watch.h. */
#ifndef NET_PLAIN_H
#define NET_PLAIN_H

#include <lua.h>

#include "base/list.h"
#include "luasocket/ahead.h"

/* Who watches the descriptor of a plain socket, which nobody may once it is closed. */
struct net_plain_watcher {
  struct net_link link; /* among those of the socket */
  /* The descriptor is about to be closed, or to be another's: to be watched no more, nor to be
   * in the list. Not 'told': the socket is collected. [-0, +0, e] */
  void (*gone)(lua_State *L, struct net_plain_watcher *w, int told);
};

/* A plain socket, for who has its address. */
struct net_plain {
  const void *magic;
  int fd;                   /* owned; -1: none */
  int lost;                 /* bytes were read for which there was no memory */
  struct net_link watchers; /* net_plain_watcher */
  struct net_ahead ahead;
  lua_Integer received; /* bytes that were taken of 'ahead' */
};

/* The plain socket at 'idx'; NULL for any other value. [-0, +0, -] */
struct net_plain *net_plain_test(lua_State *L, int idx);
/* The same, raising. [-0, +0, e] */
struct net_plain *net_plain_check(lua_State *L, int idx);
/* Adds what makes them, and their system calls, to the table on the top. [-0, +0, m] */
void net_plain_open(lua_State *L);
/* The same, of their options. [-0, +0, m] */
void net_plainopt_open(lua_State *L);

#endif
