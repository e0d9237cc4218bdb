/* SPDX-License-Identifier: MIT
 *
 * rules.c - the rules of a BlockList, and whether any of them holds an address.
 *
 * Every address is 128 bits, an IPv4 one in its ::ffff: form. Three look-ups
 * answer a question: one for the address itself, one for each prefix length
 * that some subnet has (most lists have a dozen; the address, cut to that
 * length, is a network or not), and a walk down the tree of the ranges. None
 * gets slower by the number of rules, but for caches and the tree's depth.
 *
 * Subnets are kept twice, as they were given and as they are looked up; so are
 * ranges. Subnets could be spans in the ranges' tree, too. But among 100,000 of
 * them asking took 0.2 us here, and 1 us there: each level of a tree is a cache
 * miss that has to be waited for before the next. */
#include "address/rules.h"

#include <errno.h>
#include <string.h>

/* Keys are compared as bytes, so nothing here may have padding. */
_Static_assert(sizeof(struct net_endpoint) == 28, "an endpoint without padding");
_Static_assert(sizeof(struct net_range) == 4 * NET_BOOK_WORDS, "the longest key");
_Static_assert(sizeof(struct net_network) == 24, "a network without padding");

static const struct net_point FIRST_V4 = { 0, UINT64_C(0xFFFF00000000) };
static const struct net_point LAST_V4 = { 0, UINT64_C(0xFFFFFFFFFFFF) };

void net_rules_init(struct net_rules *r, uint64_t seed) {
  memset(r, 0, sizeof *r);
  net_records_secret_init(&r->secret, seed);
  net_records_init(&r->addresses, &r->secret, 16, sizeof(struct net_address));
  net_records_init(&r->subnets, &r->secret, sizeof(struct net_endpoint),
                   sizeof(struct net_endpoint));
  net_records_init(&r->networks, &r->secret, sizeof(struct net_network),
                   sizeof(struct net_network));
  net_records_init(&r->ranges, &r->secret, sizeof(struct net_range), sizeof(struct net_range));
  net_spans_init(&r->spans4, seed);
  net_spans_init(&r->spans6, seed);
}

void net_rules_clear(struct net_rules *r) {
  net_records_clear(&r->addresses);
  net_records_clear(&r->subnets);
  net_records_clear(&r->networks);
  net_records_clear(&r->ranges);
  net_spans_clear(&r->spans4);
  net_spans_clear(&r->spans6);
  memset(r->with_prefix, 0, sizeof r->with_prefix);
  r->nprefixes = 0;
}

uint32_t net_rules_count(const struct net_rules *r) {
  return r->addresses.live + r->subnets.live + r->ranges.live;
}

/* --- addresses --------------------------------------------------------------- */

int net_rules_reserve_addresses(struct net_rules *r, uint32_t more) {
  return net_records_reserve(&r->addresses, more);
}

int net_rules_add_address(struct net_rules *r, const struct net_endpoint *e) {
  struct net_address a = { .family = e->family };
  memcpy(a.ip, e->ip, sizeof a.ip);
  struct net_address *known = net_records_find(&r->addresses, &a);
  if (known != NULL) {
    known->family = a.family;
    return 0;
  }
  if (net_records_reserve(&r->addresses, 1) < 0)
    return -ENOMEM;
  net_records_add(&r->addresses, &a);
  return 0;
}

void net_rules_remove_address(struct net_rules *r, const struct net_endpoint *e) {
  (void)net_records_remove(&r->addresses, e->ip);
}

/* --- subnets ----------------------------------------------------------------- */

static struct net_point point_of(const struct net_endpoint *e) {
  struct net_point p = { 0, 0 };
  for (int i = 0; i < 8; i++) {
    p.high = p.high << 8 | e->ip[i];
    p.low = p.low << 8 | e->ip[8 + i];
  }
  return p;
}

/* The first 'prefix' bits of a number. */
static uint64_t high_bits(uint64_t n, unsigned prefix) {
  return prefix == 0 ? 0 : prefix >= 64 ? n : n & UINT64_MAX << (64 - prefix);
}

static struct net_network network_of(struct net_point p, unsigned prefix) {
  struct net_network n = { .prefix = prefix };
  n.first.high = high_bits(p.high, prefix);
  n.first.low = high_bits(p.low, prefix > 64 ? prefix - 64 : 0);
  return n;
}

static struct net_network subnet_network(const struct net_endpoint *e) {
  return network_of(point_of(e), e->family == 4 ? e->prefix + 96u : e->prefix);
}

static void prefix_count(struct net_rules *r, uint64_t prefix) {
  if (r->with_prefix[prefix]++ == 0)
    r->prefixes[r->nprefixes++] = (uint8_t)prefix;
}

static void prefix_uncount(struct net_rules *r, uint64_t prefix) {
  if (--r->with_prefix[prefix] > 0)
    return;
  uint8_t *p = memchr(r->prefixes, (int)prefix, (size_t)r->nprefixes);
  *p = r->prefixes[--r->nprefixes];
}

int net_rules_add_subnet(struct net_rules *r, const struct net_endpoint *e) {
  struct net_network n = subnet_network(e);
  if (net_records_reserve(&r->subnets, 1) < 0 || net_records_reserve(&r->networks, 1) < 0)
    return -ENOMEM;
  net_records_add(&r->subnets, e);
  net_records_add(&r->networks, &n);
  prefix_count(r, n.prefix);
  return 0;
}

void net_rules_remove_subnet(struct net_rules *r, const struct net_endpoint *e) {
  struct net_network n = subnet_network(e);
  if (!net_records_remove(&r->subnets, e))
    return;
  (void)net_records_remove(&r->networks, &n);
  prefix_uncount(r, n.prefix);
}

static int match_subnet(const struct net_rules *r, struct net_point p) {
  for (int i = 0; i < r->nprefixes; i++) {
    struct net_network n = network_of(p, r->prefixes[i]);
    if (net_records_find(&r->networks, &n) != NULL)
      return 1;
  }
  return 0;
}

/* --- ranges ------------------------------------------------------------------ */

static int is_v4(struct net_point p) {
  return net_point_compare(p, FIRST_V4) >= 0 && net_point_compare(p, LAST_V4) <= 0;
}

/* What a range holds: 'first' to 'last', of IPv6 and possibly of IPv4. */
struct extent {
  struct net_point first, last;
  int v4, v6; /* false: nothing of that family */
};

/* In Node an IPv4 address cannot be compared with an IPv6 one other than in
 * ::ffff: form. So an end that is no IPv4 address keeps all of them out of the
 * range, and an end given as IPv4 all other IPv6 addresses. */
static struct extent range_extent(const struct net_range *r) {
  struct extent x = { .first = point_of(&r->start), .last = point_of(&r->end) };
  x.v4 = is_v4(x.first) && is_v4(x.last);
  if (r->end.family == 4 && net_point_compare(x.first, FIRST_V4) < 0)
    x.first = FIRST_V4;
  if (r->start.family == 4 && net_point_compare(x.last, LAST_V4) > 0)
    x.last = LAST_V4;
  x.v6 = net_point_compare(x.first, x.last) <= 0;
  return x;
}

/* Whether start and end can be compared, and are the wrong way round. */
static int range_reversed(const struct net_range *r) {
  struct net_point start = point_of(&r->start), end = point_of(&r->end);
  if (r->start.family != r->end.family && !(is_v4(start) && is_v4(end)))
    return 0;
  return net_point_compare(start, end) > 0;
}

int net_rules_add_range(struct net_rules *r, const struct net_range *range) {
  struct extent x = range_extent(range);
  if (range_reversed(range))
    return -EINVAL;
  struct net_span *span4 = x.v4 ? net_span_new(x.first, x.last) : NULL;
  struct net_span *span6 = x.v6 ? net_span_new(x.first, x.last) : NULL;
  if ((x.v4 && span4 == NULL) || (x.v6 && span6 == NULL) ||
      net_records_reserve(&r->ranges, 1) < 0) {
    net_span_free(span4);
    net_span_free(span6);
    return -ENOMEM;
  }
  net_records_add(&r->ranges, range);
  net_spans_add(&r->spans4, span4);
  net_spans_add(&r->spans6, span6);
  return 0;
}

void net_rules_remove_range(struct net_rules *r, const struct net_range *range) {
  struct extent x = range_extent(range);
  if (!net_records_remove(&r->ranges, range))
    return;
  if (x.v4)
    net_spans_remove(&r->spans4, x.first, x.last);
  if (x.v6)
    net_spans_remove(&r->spans6, x.first, x.last);
}

/* --- matching ---------------------------------------------------------------- */

int net_rules_match(const struct net_rules *r, const struct net_endpoint *e) {
  const struct net_spans *spans = e->family == 4 ? &r->spans4 : &r->spans6;
  struct net_point p = point_of(e);
  return net_records_find(&r->addresses, e->ip) != NULL || match_subnet(r, p) ||
         net_spans_hold(spans, p);
}
