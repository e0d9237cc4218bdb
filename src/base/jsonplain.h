/* SPDX-License-Identifier: MIT
 *
 * jsonplain.h - the bytes of a string that stand in JSON as they are: ASCII from 0x20 on, but
 * for the quote and the backslash. Eight at a time, by one word. */
#ifndef NET_JSONPLAIN_H
#define NET_JSONPLAIN_H

#include <stdint.h>
#include <string.h>

#define NET_JSON_WORD 8 /* bytes that are looked at together */

/* Bit 7 of each byte of a word that is not plain is set. So may be those of bytes above one
 * that is not, as what is subtracted borrows from them: the lowest is right. */
static inline uint64_t net_json_marks(uint64_t word) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  return (word | (word - ones * 0x20) | ((word ^ ones * '"') - ones) |
          ((word ^ ones * '\\') - ones)) &
         ones * 0x80;
}

/* How many bytes at its beginning are plain, of a word with marks; where the first byte is
 * not the lowest, none is sure to be. */
static inline int net_json_plain(uint64_t marks) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return __builtin_ctzll(marks) / 8;
#else
  (void)marks;
  return 0;
#endif
}

static inline int net_json_is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Where the first byte is that is not plain. */
static inline const unsigned char *net_json_skip_plain(const unsigned char *at,
                                                       const unsigned char *end) {
  uint64_t word, marks;
  for (; end - at >= NET_JSON_WORD; at += NET_JSON_WORD) {
    memcpy(&word, at, sizeof word);
    if ((marks = net_json_marks(word)) != 0) {
      at += net_json_plain(marks);
      break;
    }
  }
  while (at < end && net_json_is_plain(*at))
    at++;
  return at;
}

#endif
