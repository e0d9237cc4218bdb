/* SPDX-License-Identifier: MIT
 *
 * codecs.h - all that is known of a text encoding, a row each. */
#ifndef NET_CODECS_H
#define NET_CODECS_H

#include "base/encoding.h"

struct net_codec {
  const char *name; /* Node's canonical one */
  /* How many bytes at the end of a stretch are to be kept back. */
  size_t (*tail)(const unsigned char *s, size_t len);
  /* Pushes the text of a stretch that keeps none back. [-0, +1, m] */
  void (*text)(lua_State *L, const unsigned char *s, size_t len);
  /* Pushes what writing the string at 'idx' sends. [-0, +1, m] */
  void (*encode)(lua_State *L, int idx);
};

extern const struct net_codec net_codecs[]; /* by enum net_encoding */

#endif
