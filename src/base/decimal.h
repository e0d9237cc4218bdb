/* SPDX-License-Identifier: MIT
 *
 * decimal.h - numbers as decimal text and back, whatever the locale. No Lua. */
#ifndef NET_DECIMAL_H
#define NET_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define NET_DECIMAL_ROOM 32 /* bytes that are enough for any number */

/* Writes the digits at 'out' and returns the byte after them. */
char *net_decimal_put_integer(char *out, int64_t n);

/* Writes the shortest text that reads back as 'n', which is finite, and returns the byte
 * after it. It is JavaScript's, but for whole numbers beyond 2^53: these have an exponent
 * from there on, lest they be taken for integers, which would be others. */
char *net_decimal_put(char *out, double n);

/* The number that a text of JSON's grammar stands for; inf if there is none so large. */
double net_decimal_read(const char *s, size_t len);

#endif
