/* SPDX-License-Identifier: MIT
 *
 * draft.h - what libssl writes on its way to a Lua string, freed also where Lua raises. */
#ifndef NET_TLS_DRAFT_H
#define NET_TLS_DRAFT_H

#include <lua.h>

#include "tls/base/net.h"
#include "tls/base/openssl.h"

struct net_tls_draft {
  struct net_kept kept;
  BIO *out;   /* of memory */
  void *held; /* something of libssl's, freed by 'free' unless NULL */
  void (*free)(void *held);
};

/* Pushes one, which lives as long as it is on the stack. [-0, +1, e] */
struct net_tls_draft *net_tls_draft_push(lua_State *L);
/* Pushes what was written to 'out', which is empty then. 'ok' 0: raises, as libssl has no
 * memory. [-0, +1, e] */
void net_tls_draft_take(lua_State *L, struct net_tls_draft *s, int ok);
/* Frees 'held', and holds this instead. [-] */
void net_tls_draft_hold(struct net_tls_draft *s, void *held, void (*free)(void *));
/* The same for a text that libssl has allocated. [-] */
void net_tls_draft_hold_text(struct net_tls_draft *s, void *text);

#endif
