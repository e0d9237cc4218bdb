/* SPDX-License-Identifier: MIT
 *
 * pattern.h - the stream of bytes that the bench's programs agree on.
 *
 * Byte i is a function of i modulo PERIOD, which is prime, so that no buffer
 * size divides it: a piece that is lost, doubled or out of place shows. The Lua
 * servers have the same from lib/stream.lua. */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PERIOD 65521 /* bytes */


static inline void fill_pattern(void *to, size_t n) {
  unsigned char *p = to;
  for (size_t i = 0; i < n; i++)
    p[i] = (unsigned char)(i % PERIOD * 2654435761u >> 13);
}

/* The answers of scenario "four": 64 bytes, ' ' to '_', as four pieces of 16. */
static inline void fill_four(void *to, size_t n) {
  unsigned char *p = to;
  for (size_t i = 0; i < n; i++)
    p[i] = (unsigned char)(' ' + i % 64);
}

#endif
