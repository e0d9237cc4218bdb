/* SPDX-License-Identifier: MIT
 *
 * owner.h - a userdata that owns something of C's, so that it is freed also where Lua raises. */
#ifndef NET_TLS_OWNER_H
#define NET_TLS_OWNER_H

#include <lua.h>

#include "tls/base/net.h"

struct net_tls_owner {
  struct net_kept kept;
  void *what; /* owned; NULL: nothing */
  void (*drop)(void *what);
};

/* Pushes one that has nothing yet. [-0, +1, e] */
struct net_tls_owner *net_tls_owner_push(lua_State *L, void (*drop)(void *what));

#endif
