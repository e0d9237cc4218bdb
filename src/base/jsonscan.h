/* SPDX-License-Identifier: MIT
 *
 * jsonscan.h - the scalars of a JSON text: strings, numbers, words.
 *
 * Each function reads what is due, moves behind it, pushes it and returns 1; or notes what
 * is wrong, and which byte is to blame, and returns 0. */
#ifndef NET_JSONSCAN_H
#define NET_JSONSCAN_H

#include <lua.h>
#include <stdint.h>

#define NET_JSONSCAN_BITS 6
#define NET_JSONSCAN_KNOWN (1 << NET_JSONSCAN_BITS) /* short strings that are kept */

struct net_jsonscan {
  lua_State *L;
  const unsigned char *at, *end; /* what is due, and the end of the text; borrowed */
  const char *problem;           /* the kind of what is wrong, for Lua; NULL: nothing */
  int known;                     /* stack index of the first string that is kept, or 0 */
  /* Of each: its bytes and length as a word, or its first bytes, 0 for none; and, if it is a
   * longer one, where it stands in the text, and its length with the closing quote. */
  uint64_t words[NET_JSONSCAN_KNOWN];
  const unsigned char *longer[NET_JSONSCAN_KNOWN];
  unsigned char lens[NET_JSONSCAN_KNOWN];
};

static inline int net_jsonscan_fail(struct net_jsonscan *s, const char *problem,
                                    const unsigned char *at) {
  s->problem = problem;
  s->at = at;
  return 0;
}

/* The byte that is due behind white space; 0, which nothing takes, at the end. */
unsigned char net_jsonscan_peek_on(struct net_jsonscan *s);

/* The same, where mostly no white space is. */
static inline unsigned char net_jsonscan_peek(struct net_jsonscan *s) {
  return s->at<s->end && * s->at> ' ' ? *s->at : net_jsonscan_peek_on(s);
}

/* From here on short strings are found again; 'words' is not looked at before. Pushes where
 * they are kept, with room for it and some more slots. [-0, +NET_JSONSCAN_KNOWN, m] */
void net_jsonscan_know(struct net_jsonscan *s);
/* Its opening quote is due. [-0, +(0|1), m] */
int net_jsonscan_string(struct net_jsonscan *s);
/* Its minus sign or first digit is due. [-0, +(0|1), -] */
int net_jsonscan_number(struct net_jsonscan *s);
/* "true", "false" or "null", of which the first letter is due; pushes nothing. */
int net_jsonscan_word(struct net_jsonscan *s, const char *word);

#endif
