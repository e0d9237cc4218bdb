/* SPDX-License-Identifier: MIT
 *
 * spans.c - a multiset of closed intervals of 128-bit numbers.
 *
 * A treap: a binary tree in the order of (first, last) and at the same time a
 * heap in the order of random priorities, which keeps it shallow whatever the
 * order of adding. Each node also knows how far its subtree reaches, so that
 * asking for a point goes down a single path, and how far the left one below it
 * does, so that no other node has to be looked at. Recursion is as deep as the
 * tree: some fifty calls with a million spans.
 *
 * A sorted list of merged intervals would answer faster, but had to be made
 * anew for every rule added between two questions. */
#include "address/spans.h"

#include <stdlib.h>

struct net_span {
  struct net_point first, last;
  struct net_point left_reach; /* kid[0]'s reach, if there is such a kid */
  struct net_span *kid[2];     /* owned; what is before, what is not; or NULL */
  struct net_point reach;      /* the greatest 'last' of this node and those below */
  uint64_t priority;           /* not less than that of those below */
};

int net_point_compare(struct net_point a, struct net_point b) {
  if (a.high != b.high)
    return a.high < b.high ? -1 : 1;
  return (a.low > b.low) - (a.low < b.low);
}

static int span_compare(const struct net_span *a, const struct net_span *b) {
  int order = net_point_compare(a->first, b->first);
  return order != 0 ? order : net_point_compare(a->last, b->last);
}

/* To be called when a kid was changed. */
static void span_update(struct net_span *n) {
  if (n->kid[0] != NULL)
    n->left_reach = n->kid[0]->reach;
  n->reach = n->last;
  for (int side = 0; side < 2; side++)
    if (n->kid[side] != NULL && net_point_compare(n->kid[side]->reach, n->reach) > 0)
      n->reach = n->kid[side]->reach;
}

/* Parts the tree 'n' into what is before 'at', and what is not. */
static void span_split(struct net_span *n, const struct net_span *at, struct net_span **before,
                       struct net_span **rest) {
  if (n == NULL) {
    *before = *rest = NULL;
  } else if (span_compare(n, at) < 0) {
    span_split(n->kid[1], at, &n->kid[1], rest);
    *before = n;
    span_update(n);
  } else {
    span_split(n->kid[0], at, before, &n->kid[0]);
    *rest = n;
    span_update(n);
  }
}

/* One tree of two, of which nothing in 'b' is before anything in 'a'. */
static struct net_span *span_join(struct net_span *a, struct net_span *b) {
  if (a == NULL || b == NULL)
    return a != NULL ? a : b;
  if (a->priority >= b->priority) {
    a->kid[1] = span_join(a->kid[1], b);
    span_update(a);
    return a;
  }
  b->kid[0] = span_join(a, b->kid[0]);
  span_update(b);
  return b;
}

/* The tree 'n' with 'added' in it. */
static struct net_span *span_insert(struct net_span *n, struct net_span *added) {
  if (n == NULL || added->priority > n->priority) {
    span_split(n, added, &added->kid[0], &added->kid[1]);
    span_update(added);
    return added;
  }
  int side = span_compare(added, n) > 0; /* before its equals, as split has it */
  n->kid[side] = span_insert(n->kid[side], added);
  span_update(n);
  return n;
}

/* The tree 'n' without one that is equal to 'what'. */
static struct net_span *span_delete(struct net_span *n, const struct net_span *what) {
  if (n == NULL)
    return NULL;
  int order = span_compare(what, n);
  if (order == 0) {
    struct net_span *kids = span_join(n->kid[0], n->kid[1]);
    free(n);
    return kids;
  }
  n->kid[order > 0] = span_delete(n->kid[order > 0], what);
  span_update(n);
  return n;
}

static void span_free_all(struct net_span *n) {
  if (n == NULL)
    return;
  span_free_all(n->kid[0]);
  span_free_all(n->kid[1]);
  free(n);
}

void net_spans_init(struct net_spans *s, uint64_t seed) {
  s->root = NULL;
  s->random = seed | 1;
}

/* The next number of a xorshift64* sequence. */
static uint64_t spans_random(struct net_spans *s) {
  s->random ^= s->random >> 12;
  s->random ^= s->random << 25;
  s->random ^= s->random >> 27;
  return s->random * UINT64_C(0x2545F4914F6CDD1D);
}

struct net_span *net_span_new(struct net_point first, struct net_point last) {
  struct net_span *n = malloc(sizeof *n);
  if (n == NULL)
    return NULL;
  n->first = first;
  n->last = last;
  n->kid[0] = n->kid[1] = NULL;
  return n;
}

void net_span_free(struct net_span *span) { free(span); }

void net_spans_add(struct net_spans *s, struct net_span *span) {
  if (span == NULL)
    return;
  span->priority = spans_random(s);
  s->root = span_insert(s->root, span);
}

void net_spans_remove(struct net_spans *s, struct net_point first, struct net_point last) {
  struct net_span what = { .first = first, .last = last };
  s->root = span_delete(s->root, &what);
}

/* Where the left subtree reaches 'p', it holds 'p' or starts behind it in some
 * span; then so does everything that follows, and only the left can hold 'p'. */
int net_spans_hold(const struct net_spans *s, struct net_point p) {
  const struct net_span *n = s->root;
  while (n != NULL) {
    if (n->kid[0] != NULL && net_point_compare(n->left_reach, p) >= 0)
      n = n->kid[0];
    else if (net_point_compare(n->first, p) > 0)
      return 0;
    else if (net_point_compare(n->last, p) >= 0)
      return 1;
    else
      n = n->kid[1];
  }
  return 0;
}

void net_spans_clear(struct net_spans *s) {
  span_free_all(s->root);
  s->root = NULL;
}
