/* SPDX-License-Identifier: MIT
 *
 * spans.h - a multiset of closed intervals of 128-bit numbers, which knows at
 * once whether any of them holds a given number. No Lua here. */
#ifndef NET_SPANS_H
#define NET_SPANS_H

#include <stdint.h>

struct net_point {
  uint64_t high, low;
};

struct net_span; /* one interval; it belongs to whoever made it, until added */

struct net_spans {
  struct net_span *root; /* owned; NULL for none */
  uint64_t random;       /* state of the priorities; not 0 */
};

/* Below 0, 0, or above, as a is less than, equal to, or greater than b. */
int net_point_compare(struct net_point a, struct net_point b);

void net_spans_init(struct net_spans *s, uint64_t seed);
/* first <= last, both included; NULL if there is no memory. */
struct net_span *net_span_new(struct net_point first, struct net_point last);
/* NULL is fine, as it is for the next. */
void net_span_free(struct net_span *span);
/* Takes the span over. */
void net_spans_add(struct net_spans *s, struct net_span *span);
/* Removes one of the spans from 'first' to 'last'; there is one. */
void net_spans_remove(struct net_spans *s, struct net_point first, struct net_point last);
int net_spans_hold(const struct net_spans *s, struct net_point p);
void net_spans_clear(struct net_spans *s);

#endif
