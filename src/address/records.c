/* SPDX-License-Identifier: MIT
 *
 * records.c - an ordered multiset of small records of one size.
 *
 * What a BlockList keeps its rules in. Records stand one behind the other as
 * they were added. A table of buckets as long as the room for records holds the
 * newest of each bucket, from which a chain of links leads to the older ones: so
 * removing takes the newest of several equal ones, at once. A removed record
 * leaves a gap; gaps are closed when room is short, before more is asked for.
 *
 * A link has seven bits of the hash besides the place, so that a record that is not the
 * one is seldom looked at. With 100,000 records each look is a cache miss, and a
 * BlockList asks for a dozen networks before it knows that an address is free.
 *
 * Keys may come from strangers (a program that bans whoever misbehaves), and an
 * IPv6 peer chooses half of his. So the hash is multilinear with secret random
 * factors: of any two keys nobody can know better than by chance, 2^-32, that
 * they meet. Open addressing was refused because of the equal records, which
 * would make runs as long as there are of them. */
#include "address/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A link is a tag and a place, or one of the marks, which have the highest bit. */
#define PLACE_BITS 24
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define NONE UINT32_MAX       /* no older one */
#define GONE (UINT32_MAX - 1) /* instead of the link of a record that was removed */

#define ROOM_MIN 16u
#define ROOM_MAX (1u << PLACE_BITS) /* this also keeps sizes in bytes within 32 bits */

/* The next number of a splitmix64 sequence. */
static uint64_t random_next(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

void net_records_secret_init(struct net_records_secret *s, uint64_t seed) {
  for (int i = 0; i <= NET_BOOK_WORDS; i++)
    s->factor[i] = random_next(&seed);
}

void net_records_init(struct net_records *b, const struct net_records_secret *s, uint32_t key,
                      uint32_t size) {
  memset(b, 0, sizeof *b);
  b->secret = s;
  b->key = key;
  b->size = size;
}

/* 32 bits: the lower ones for the bucket, the upper ones for the tag. */
static uint32_t book_hash(const struct net_records *b, const void *key) {
  const uint64_t *factor = b->secret->factor;
  const unsigned char *bytes = key;
  uint64_t h = *factor++;
  for (uint32_t i = 0; i < b->key; i += 4) {
    uint32_t word;
    memcpy(&word, bytes + i, sizeof word);
    h += word * *factor++;
  }
  return (uint32_t)(h >> 32);
}

/* Only with room > 0. */
static uint32_t *book_bucket(const struct net_records *b, uint32_t hash) {
  return &b->heads[hash & (b->room - 1)];
}

static uint32_t hash_tag(uint32_t hash) { return hash >> (PLACE_BITS + 1) << PLACE_BITS; }

static unsigned char *book_record(const struct net_records *b, uint32_t place) {
  return b->records + (size_t)place * b->size;
}

static void book_link(struct net_records *b, uint32_t place) {
  uint32_t hash = book_hash(b, book_record(b, place));
  uint32_t *head = book_bucket(b, hash);
  b->older[place] = *head;
  *head = hash_tag(hash) | place;
}

/* Closes the gaps, and fills the buckets anew. */
static void book_pack(struct net_records *b) {
  uint32_t to = 0;
  for (uint32_t from = 0; from < b->used; from++) {
    if (b->older[from] == GONE)
      continue;
    if (to != from)
      memcpy(book_record(b, to), book_record(b, from), b->size);
    to++;
  }
  b->used = to;
  memset(b->heads, 0xFF, b->room * sizeof *b->heads); /* NONE */
  for (uint32_t place = 0; place < to; place++)
    book_link(b, place);
}

/* Enlarges the three arrays. An array that grew before another could not is
 * merely longer than it has to be. */
static int book_grow(struct net_records *b, uint32_t room) {
  uint32_t *heads = malloc(room * sizeof *heads);
  unsigned char *records = realloc(b->records, (size_t)room * b->size);
  if (records != NULL)
    b->records = records;
  uint32_t *older = realloc(b->older, room * sizeof *older);
  if (older != NULL)
    b->older = older;
  if (heads == NULL || records == NULL || older == NULL) {
    free(heads);
    return -ENOMEM;
  }
  free(b->heads);
  b->heads = heads;
  b->room = room;
  return 0;
}

int net_records_reserve(struct net_records *b, uint32_t more) {
  uint32_t room = ROOM_MIN;
  if (more <= b->room - b->used)
    return 0;
  if (more > ROOM_MAX / 2 || b->live + more > ROOM_MAX / 2)
    return -ENOMEM;
  /* A fifth stays free, so that packing is paid for by many adds. */
  while (room - room / 5 < b->live + more)
    room *= 2;
  if (room > b->room && book_grow(b, room) < 0)
    return -ENOMEM;
  book_pack(b);
  return 0;
}

void net_records_add(struct net_records *b, const void *record) {
  memcpy(book_record(b, b->used), record, b->size);
  book_link(b, b->used);
  b->used++;
  b->live++;
}

/* Where the link to the newest record with that key is; where NONE is, if there
 * is no such record. Only with room > 0. */
static uint32_t *book_search(const struct net_records *b, const void *key) {
  uint32_t hash = book_hash(b, key), tag = hash_tag(hash), *at = book_bucket(b, hash);
  while (*at != NONE) {
    uint32_t place = *at & PLACE_MASK;
    if ((*at & ~PLACE_MASK) == tag && memcmp(book_record(b, place), key, b->key) == 0)
      break;
    at = &b->older[place];
  }
  return at;
}

void *net_records_find(const struct net_records *b, const void *key) {
  if (b->live == 0)
    return NULL;
  uint32_t link = *book_search(b, key);
  return link == NONE ? NULL : book_record(b, link & PLACE_MASK);
}

int net_records_remove(struct net_records *b, const void *key) {
  if (b->live == 0)
    return 0;
  uint32_t *at = book_search(b, key), place = *at & PLACE_MASK;
  if (*at == NONE)
    return 0;
  *at = b->older[place];
  b->older[place] = GONE;
  b->live--;
  return 1;
}

const void *net_records_at(const struct net_records *b, uint32_t place) {
  return b->older[place] == GONE ? NULL : book_record(b, place);
}

void net_records_clear(struct net_records *b) {
  free(b->records);
  free(b->older);
  free(b->heads);
  net_records_init(b, b->secret, b->key, b->size);
}
