/* SPDX-License-Identifier: MIT
 *
 * records.h - an ordered multiset of small records of one size.
 *
 * A record starts with its key, of 'key' bytes, and may carry more behind it.
 * Both are compared and copied as bytes, so padding has to be zero. Records
 * keep the order in which they were added; finding, adding and removing one
 * cost the same however many there are. No Lua here. */
#ifndef NET_RECORDS_H
#define NET_RECORDS_H

#include <stdint.h>

enum { NET_BOOK_WORDS = 14 }; /* 32-bit words of the longest key */

/* Random numbers for hashing, not to be guessed by whoever chooses the keys. */
struct net_records_secret {
  uint64_t factor[NET_BOOK_WORDS + 1];
};

struct net_records {
  const struct net_records_secret *secret; /* borrowed; outlives the book */
  unsigned char *records;                  /* owned; in the order of adding, gaps included */
  uint32_t *older;    /* owned; of each record a link to the next older of its bucket */
  uint32_t *heads;    /* owned; of each bucket a link to its newest record */
  uint32_t key, size; /* bytes, multiples of 4: of the key, of a record */
  uint32_t room;      /* records that fit, buckets there are: a power of 2, or 0 */
  uint32_t used;      /* records in use, those removed since included */
  uint32_t live;      /* records there are */
};

void net_records_secret_init(struct net_records_secret *s, uint64_t seed);
void net_records_init(struct net_records *b, const struct net_records_secret *s, uint32_t key,
                      uint32_t size);
/* Makes room for 'more' records: 0 or -ENOMEM, which changes nothing. */
int net_records_reserve(struct net_records *b, uint32_t more);
/* Adds a copy; the room has been reserved. */
void net_records_add(struct net_records *b, const void *record);
/* The newest record with that key, or NULL; valid until the next add. What stands
 * behind the key may be changed. */
void *net_records_find(const struct net_records *b, const void *key);
/* Removes the newest record with that key; false if there is none. */
int net_records_remove(struct net_records *b, const void *key);
/* The record at place 0 .. used - 1, oldest first; NULL for a removed one. */
const void *net_records_at(const struct net_records *b, uint32_t place);
/* Removes everything, and frees what the book owns. */
void net_records_clear(struct net_records *b);

#endif
