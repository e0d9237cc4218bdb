/* SPDX-License-Identifier: MIT
 *
 * shared.c - what the connections of one Lua state share. See shared.h.
 *
 * Not variables of the process: states in two threads would write each other's buffers. */
#include "tls/base/shared.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "tls/base/error.h"
#include "tls/base/owner.h"

static const char shared_key; /* registry: the userdata that holds it */

static void release(void *shared) { net_tls_shared_release(shared); }

/* Pushes a userdata that owns a new one. [-0, +1, m] */
static struct net_tls_shared *shared_make(lua_State *L) {
  struct net_tls_owner *owner = net_tls_owner_push(L, release);
  struct net_tls_shared *shared = owner->what = calloc(1, sizeof *shared);
  if (shared == NULL)
    net_tls_raise_memory(L);
  else
    shared->refs = 1;
  return shared;
}

struct net_tls_shared *net_tls_shared_get(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &shared_key);
  const struct net_tls_owner *owner = lua_touserdata(L, -1);
  struct net_tls_shared *shared = owner ? owner->what : NULL;
  lua_pop(L, 1);
  if (shared == NULL) {
    shared = shared_make(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &shared_key);
  }
  shared->refs++;
  return shared;
}

void net_tls_shared_release(struct net_tls_shared *shared) {
  if (--shared->refs > 0)
    return;
  for (unsigned i = 0; i < shared->depths; i++)
    free(shared->sets[i]);
  free(shared->sets);
  free(shared);
}
