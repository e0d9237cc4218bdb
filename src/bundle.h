/* SPDX-License-Identifier: MIT
 *
 * bundle.h - the modules of lua/net, compiled, inside the core. */
#ifndef NET_BUNDLE_H
#define NET_BUNDLE_H

#include <lua.h>

struct net_bundled {
  const char *name; /* as for `require` */
  const unsigned char *code;
  size_t size;
};

/* Made by tools/bundle.lua; the last one has no name. */
extern const struct net_bundled net_bundled[];

/* Has `require` find them. [-0, +0, e] */
void net_bundle_open(lua_State *L);

#endif
