/* SPDX-License-Identifier: MIT
 *
 * rules_memory.c - a BlockList's rules while memory runs short, for
 * blocklist_spec.lua: what fails must have changed nothing. It takes the sources
 * in, with an allocator that fails when told to. Prints what went wrong, if
 * anything, and how often an allocation failed. */
#include <stdlib.h>

static int allocations_left = -1; /* before they fail; -1: they never do */

static int out_of_memory(void) {
  if (allocations_left > 0)
    allocations_left--;
  return allocations_left == 0;
}

static void *spec_malloc(size_t size) { return out_of_memory() ? NULL : malloc(size); }

static void *spec_realloc(void *p, size_t size) {
  return out_of_memory() ? NULL : realloc(p, size);
}

#define malloc spec_malloc
#define realloc spec_realloc
#include "../../src/address/records.c"
#include "../../src/address/spans.c"
#include "../../src/address/rules.c"
#undef malloc
#undef realloc

#include <stdio.h>

static uint32_t below(uint32_t n) {
  static uint64_t state = 2026;
  return (uint32_t)(random_next(&state) >> 32) % n;
}

static struct net_endpoint some_endpoint(void) {
  struct net_endpoint e = {.family = below(2) ? 4 : 6, .ip = {[10] = 0xFF, [11] = 0xFF}};
  e.ip[14] = (uint8_t)below(8);
  e.ip[15] = (uint8_t)below(256);
  return e;
}

/* Adds something, with memory for so many allocations. */
static int add(struct net_rules *r, const struct net_endpoint *e, int memory) {
  struct net_endpoint subnet = *e;
  struct net_range range = {*e, some_endpoint()};
  int err = 0;
  subnet.prefix = (uint8_t)below(33);
  allocations_left = memory;
  switch (below(4)) {
    case 0: err = net_rules_add_address(r, e); break;
    case 1: err = net_rules_add_subnet(r, &subnet); break;
    case 2: err = net_rules_add_range(r, &range); break;
    case 3: err = net_rules_reserve_addresses(r, below(300)); break;
  }
  allocations_left = -1;
  return err;
}

static void take(struct net_rules *r) {
  if (r->addresses.live > 0 && r->addresses.older[0] != GONE) {
    struct net_endpoint e = {.family = 6};
    memcpy(e.ip, net_records_at(&r->addresses, 0), sizeof e.ip);
    net_rules_remove_address(r, &e);
  }
  if (r->subnets.live > 0 && r->subnets.older[0] != GONE)
    net_rules_remove_subnet(r, net_records_at(&r->subnets, 0));
}

/* Everything that can be asked of the rules, as one number. */
static uint64_t state_of(const struct net_rules *r) {
  uint64_t state = net_rules_count(r) * UINT64_C(1000003) + (uint64_t)r->nprefixes;
  for (int i = 0; i < 512; i++) {
    struct net_endpoint e = {.family = i & 1 ? 4 : 6, .ip = {[10] = 0xFF, [11] = 0xFF}};
    e.ip[14] = (uint8_t)(i / 64);
    e.ip[15] = (uint8_t)(i * 4);
    state = state * 31 + (uint64_t)net_rules_match(r, &e);
  }
  return state;
}

int main(void) {
  struct net_rules r;
  int failures = 0, wrong = 0;
  for (int round = 0; round < 200; round++) {
    net_rules_init(&r, (uint64_t)round);
    for (int i = 0; i < 120; i++) {
      struct net_endpoint e = some_endpoint();
      uint64_t before = state_of(&r);
      int err = add(&r, &e, below(3) ? -1 : (int)below(4));
      failures += err == -ENOMEM;
      wrong += err != 0 && state_of(&r) != before;
      if (below(8) == 0)
        take(&r);
    }
    net_rules_clear(&r);
  }
  printf("%d wrong, %s\n", wrong, failures > 100 ? "failed often" : "hardly failed");
  return wrong > 0;
}
