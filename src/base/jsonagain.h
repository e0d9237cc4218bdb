/* SPDX-License-Identifier: MIT
 *
 * jsonagain.h - short strings that come again in a JSON text are not looked at again.
 *
 * Records have the same names, and often the same values. A string is known by its address,
 * which costs less than to ask for its bytes: it stands in a slot of the Lua stack, so that no
 * other string can come to have that address. Two places are its own, or others' that come to
 * the same two: with one, some of the few names of a record were always in each other's way.
 *
 * Refused: to copy out of the text itself. The processor waits for what it has just written
 * there in smaller pieces. */
#ifndef NET_JSONAGAIN_H
#define NET_JSONAGAIN_H

#include <lua.h>
#include <stdint.h>
#include <string.h>

#include "base/jsontext.h"

#define NET_JSONAGAIN_BITS 6
#define NET_JSONAGAIN_SLOTS (1 << NET_JSONAGAIN_BITS)
#define NET_JSONAGAIN_LONGEST 32 /* bytes, with the quotes; NET_JSONTEXT_SPARE has room */

struct net_jsonagain {
  int slots; /* the stack index of the first; 0: nothing is kept */
  const void *strings[NET_JSONAGAIN_SLOTS];
  unsigned char lens[NET_JSONAGAIN_SLOTS];
  char texts[NET_JSONAGAIN_SLOTS][NET_JSONAGAIN_LONGEST];
};

static inline unsigned net_jsonagain_slot(const void *string) {
  return (unsigned)((uint64_t)(uintptr_t)string * UINT64_C(0x9E3779B97F4A7C15) >>
                    (64 - NET_JSONAGAIN_BITS));
}

/* From here on strings are kept, in that many slots from 'slots' on. */
static inline void net_jsonagain_begin(struct net_jsonagain *a, int slots) {
  a->slots = slots;
  memset(a->strings, 0, sizeof a->strings);
}

/* Writes the string of that address, if it is known, and returns whether it has. NULL is no
 * string: it is what lua_topointer says of a number or a boolean, and what stands where nothing
 * is kept. More may be written than is kept. */
static inline int net_jsonagain_put(const struct net_jsonagain *a, struct net_jsontext *t,
                                    const void *string) {
  unsigned slot = net_jsonagain_slot(string);
  if (string == NULL || (a->strings[slot] != string && a->strings[slot ^= 1] != string))
    return 0;
  memcpy(t->at, a->texts[slot], NET_JSONAGAIN_LONGEST);
  t->at += a->lens[slot];
  return 1;
}

/* The string at the stack index 'idx' has been written, from 'text' on. [-0, +0, -] */
static inline void net_jsonagain_keep(struct net_jsonagain *a, const struct net_jsontext *t,
                                      int idx, const char *text) {
  size_t len = (size_t)(t->at - text);
  const void *string = lua_topointer(t->L, idx);
  unsigned slot = net_jsonagain_slot(string);
  if (len > NET_JSONAGAIN_LONGEST)
    return;
  slot ^= a->strings[slot] != NULL && a->strings[slot ^ 1] == NULL;
  lua_copy(t->L, idx, a->slots + (int)slot);
  a->strings[slot] = string;
  a->lens[slot] = (unsigned char)len;
  memcpy(a->texts[slot], text, len);
}

#endif
