/* SPDX-License-Identifier: MIT
 *
 * wakes.h - a list of what wants to be called soon although no poll will tell of it.
 *
 * A pending completion that cannot fail: whoever may be woken joins first, which makes
 * room for him, and is in the list at most once. So to wake somebody needs no memory, and
 * may be done amid a system call's function. The loop calls them with the completions of
 * the turn, and is held meanwhile. */
#ifndef NET_WAKES_H
#define NET_WAKES_H

#include <lua.h>
#include <stdint.h>

struct net_wakes {
  void **list; /* owned; [0, len) wait to be called, oldest first */
  uint32_t len, cap;
  uint32_t members; /* who have joined: as many fit, at least */
};

/* Makes room for one more. [-0, +0, m] */
void net_wakes_join(lua_State *L, struct net_wakes *w);
/* Somebody who had joined goes, and is called no more. */
void net_wakes_leave(struct net_wakes *w, const void *member);
/* A member, who is not in the list, is to be called. */
void net_wakes_add(struct net_wakes *w, void *member);
/* Takes the oldest out of the list, which is not empty. */
void *net_wakes_take(struct net_wakes *w);
/* Frees the memory. */
void net_wakes_end(struct net_wakes *w);

#endif
