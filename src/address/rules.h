/* SPDX-License-Identifier: MIT
 *
 * rules.h - the rules of a BlockList: single addresses, subnets and ranges, and
 * whether any of them holds an address. No Lua here.
 *
 * An IPv4 address and its ::ffff: form are the same to a rule, whichever of
 * them it was given; only a range that ends outside of ::ffff:0:0/96 holds no
 * IPv4 address, as in Node. What adds returns 0, or -ENOMEM and nothing was
 * changed. */
#ifndef NET_RULES_H
#define NET_RULES_H

#include <stdint.h>

#include "address/records.h"
#include "address/socketaddress.h"
#include "address/spans.h"

enum { NET_PREFIX_MAX = 128 };

struct net_rules {
  struct net_records_secret secret;
  struct net_records addresses;             /* struct net_address; no two are equal */
  struct net_records subnets;               /* struct net_endpoint, as given, with their prefix */
  struct net_records networks;              /* struct net_network: the subnets, to be looked up */
  struct net_records ranges;                /* struct net_range, as given */
  struct net_spans spans4;                  /* what the ranges hold of IPv4, in its ::ffff: form */
  struct net_spans spans6;                  /* and of IPv6 */
  uint32_t with_prefix[NET_PREFIX_MAX + 1]; /* how many networks have it */
  uint8_t prefixes[NET_PREFIX_MAX + 1];     /* those that some network has */
  int nprefixes;                            /* how many are in use of these */
};

struct net_address {
  uint8_t ip[16];  /* the key */
  uint32_t family; /* 4 or 6: how it was given last */
};

struct net_network {
  struct net_point first; /* its first address */
  uint64_t prefix;        /* 0 .. 128; that of an IPv4 network is 96 more than given */
};

struct net_range {
  struct net_endpoint start, end; /* both included */
};

/* 'seed' should be hard to guess. */
void net_rules_init(struct net_rules *r, uint64_t seed);
void net_rules_clear(struct net_rules *r);
uint32_t net_rules_count(const struct net_rules *r);
/* Does any rule hold the address? Nothing but family and ip are looked at. */
int net_rules_match(const struct net_rules *r, const struct net_endpoint *e);

/* Makes room for so many addresses, so that adding them cannot fail. */
int net_rules_reserve_addresses(struct net_rules *r, uint32_t more);
int net_rules_add_address(struct net_rules *r, const struct net_endpoint *e);
int net_rules_add_subnet(struct net_rules *r, const struct net_endpoint *e);
/* -EINVAL, too: the end comes before the start. */
int net_rules_add_range(struct net_rules *r, const struct net_range *range);

/* Each removes the newest rule that was given just so, if there is one; of an
 * address either form will do, and its port does not matter. */
void net_rules_remove_address(struct net_rules *r, const struct net_endpoint *e);
void net_rules_remove_subnet(struct net_rules *r, const struct net_endpoint *e);
void net_rules_remove_range(struct net_rules *r, const struct net_range *range);

#endif
