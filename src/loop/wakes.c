/* SPDX-License-Identifier: MIT
 *
 * wakes.c - a list of what wants to be called soon. See wakes.h. */
#include "loop/wakes.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

void net_wakes_join(lua_State *L, struct net_wakes *w) {
  if (w->members == w->cap) {
    uint32_t cap = w->cap ? w->cap * 2 : 8;
    void **grown = realloc(w->list, cap * sizeof *grown);
    if (grown == NULL)
      luaL_error(L, "not enough memory");
    w->list = grown;
    w->cap = cap;
  }
  w->members++;
}

void net_wakes_leave(struct net_wakes *w, const void *member) {
  uint32_t kept = 0;
  w->members--;
  for (uint32_t i = 0; i < w->len; i++)
    if (w->list[i] != member)
      w->list[kept++] = w->list[i];
  w->len = kept;
}

void net_wakes_add(struct net_wakes *w, void *member) { w->list[w->len++] = member; }

void *net_wakes_take(struct net_wakes *w) {
  void *member = w->list[0];
  memmove(w->list, w->list + 1, --w->len * sizeof *w->list);
  return member;
}

void net_wakes_end(struct net_wakes *w) {
  free(w->list);
  w->list = NULL;
  w->len = w->cap = 0;
}
