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

#define NET_JSONSCAN_BITS 5
#define NET_JSONSCAN_KNOWN (1 << NET_JSONSCAN_BITS) /* short strings that are kept */

struct net_jsonscan {
  lua_State *L;
  const unsigned char *at, *end;      /* what is due, and the end of the text; borrowed */
  const char *problem;                /* the kind of what is wrong, for Lua; NULL: nothing */
  int known;                          /* stack index of the first string that is kept, or 0 */
  uint64_t words[NET_JSONSCAN_KNOWN]; /* their bytes and lengths; 0: none is there */
};

static inline int net_jsonscan_fail(struct net_jsonscan *s, const char *problem,
                                    const unsigned char *at) {
  s->problem = problem;
  s->at = at;
  return 0;
}

/* The byte that is due behind white space; 0, which nothing takes, at the end. */
static inline unsigned char net_jsonscan_peek(struct net_jsonscan *s) {
  const unsigned char *at = s->at, *end = s->end;
  while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
    at++;
  s->at = at;
  return at < end ? *at : 0;
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
