/* SPDX-License-Identifier: MIT
 *
 * decimalread.c - numbers of decimal texts, whatever the locale.
 *
 * The usual ones, of up to 19 digits and without an exponent, are done here, exactly. The
 * C library reads the others, of which it gets no point, as that is the locale's:
 * "1234e-2". */
#include "base/decimal.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_LIMIT 9007199254740992.0 /* 2^53: up to it all whole numbers are floats */
#define SHORT 19                       /* digits that are read the quick way: of 64 bits */
#define READ_DIGITS 800                /* that can tell which float is the nearest; 767 would do */

static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
#define MOST_POWER 22 /* the last power of ten that is a float */

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 unsigned_128;
static const uint64_t tens[] = { UINT64_C(1),
                                 UINT64_C(10),
                                 UINT64_C(100),
                                 UINT64_C(1000),
                                 UINT64_C(10000),
                                 UINT64_C(100000),
                                 UINT64_C(1000000),
                                 UINT64_C(10000000),
                                 UINT64_C(100000000),
                                 UINT64_C(1000000000),
                                 UINT64_C(10000000000),
                                 UINT64_C(100000000000),
                                 UINT64_C(1000000000000),
                                 UINT64_C(10000000000000),
                                 UINT64_C(100000000000000),
                                 UINT64_C(1000000000000000),
                                 UINT64_C(10000000000000000),
                                 UINT64_C(100000000000000000),
                                 UINT64_C(1000000000000000000),
                                 UINT64_C(10000000000000000000) };
#endif

/* A text taken apart: digits without zeros before them, and the power of ten that the
 * last one kept stands for. */
struct parts {
  char digits[READ_DIGITS + 1]; /* one more for all that are not kept and not 0 */
  int len;
  int64_t power;
  uint64_t whole; /* the digits as a number, if they are 19 at most */
};

static void parts_add(struct parts *p, char digit, int is_fraction) {
  if (p->len < READ_DIGITS) {
    if (digit != '0' || p->len > 0) {
      p->digits[p->len++] = digit;
      p->whole = p->whole * 10 + (uint64_t)(digit - '0');
    }
    p->power -= is_fraction;
    return;
  }
  if (digit != '0')
    p->digits[READ_DIGITS] = '1';
  p->power += !is_fraction;
}

/* The exponent behind "e". What is too large for any float stops growing. */
static int64_t read_exponent(const char *s, const char *end) {
  int64_t n = 0;
  int negative = *s == '-';
  if (*s == '-' || *s == '+')
    s++;
  for (; s < end; s++)
    if (n < INT64_C(1) << 50)
      n = n * 10 + (*s - '0');
  return negative ? -n : n;
}

/* By the library, which rounds as it has to. An exponent is cut to what still says inf
 * or 0 of any digits that there are. */
static double read_slowly(struct parts *p) {
  int len = p->len;
  char text[READ_DIGITS + 32];
  int64_t power = p->power;
  int saved = errno;
  double n;
  if (p->digits[READ_DIGITS] == '1') {
    len++;
    power--;
  }
  memcpy(text, p->digits, (size_t)len);
  text[len] = 'e';
  power = power > 9999 ? 9999 : power < -9999 ? -9999 : power;
  (void)snprintf(text + len + 1, sizeof text - (size_t)len - 1, "%d", (int)power);
  n = strtod(text, NULL);
  errno = saved;
  return n;
}

static double parts_value(struct parts *p) {
  int64_t power = p->power;
  if (p->len == 0)
    return 0;
  /* One operation on two floats that are exact is rounded once, which is right. */
  if (FLT_EVAL_METHOD == 0 && p->len < 19 && p->whole <= (uint64_t)EXACT_LIMIT &&
      power >= -MOST_POWER && power <= MOST_POWER)
    return power < 0 ? (double)p->whole / powers[-power] : (double)p->whole * powers[power];
  return read_slowly(p);
}

/* Any, without a sign. */
static double read_long(const char *s, const char *end) {
  struct parts p;
  int is_fraction = 0;
  p.len = 0;
  p.power = 0;
  p.whole = 0;
  p.digits[READ_DIGITS] = '0';
  for (; s < end && (*s | 0x20) != 'e'; s++) {
    if (*s == '.')
      is_fraction = 1;
    else
      parts_add(&p, *s, is_fraction);
  }
  if (s < end)
    p.power += read_exponent(s + 1, end);
  return parts_value(&p);
}

/* 'whole' / 10^power, rounded once: two that are floats are divided as such. Of others the
 * 64 bits of the quotient of integers are cut to 53, to the nearest, of two to the even one;
 * only whether there was a remainder counts of the rest. -1: not here. */
static double quotient(uint64_t whole, int power) {
  if (power < 0 || power > SHORT)
    return -1;
  if (whole <= (uint64_t)EXACT_LIMIT)
    return (double)whole / powers[power];
  if (power == 0)
    return (double)whole;
#ifdef __SIZEOF_INT128__
  int by = __builtin_clzll(whole), to = __builtin_clzll(tens[power]);
  uint64_t high = whole << by, divisor = tens[power] << to;
  int halved = high >= divisor; /* the quotient is to have 64 bits, and no more */
  unsigned_128 dividend = (unsigned_128)high << (64 - halved);
  uint64_t bits = (uint64_t)(dividend / divisor), rest = bits & 0x7FF;
  int is_more = dividend % divisor != 0;
  bits >>= 11;
  bits += rest > 0x400 || (rest == 0x400 && (is_more || (bits & 1)));
  return ldexp((double)bits, 11 - 64 + halved - by + to);
#else
  return -1;
#endif
}

/* Of few digits, without an exponent; -1 if there are more. */
static double read_short(const char *s, const char *end) {
  uint64_t whole = 0;
  const char *start = s, *point = end;
  if (FLT_EVAL_METHOD != 0 || end - s > SHORT + 1)
    return -1;
  for (; s < end; s++) {
    if (*s >= '0' && *s <= '9')
      whole = whole * 10 + (uint64_t)(*s - '0');
    else if (*s == '.')
      point = s + 1;
    else
      return -1;
  }
  return end - start - (point < end) > SHORT ? -1 : quotient(whole, (int)(end - point));
}

double net_decimal_read(const char *s, size_t len) {
  const char *end = s + len;
  int negative = len > 0 && *s == '-';
  double n = read_short(s + negative, end);
  if (n < 0)
    n = read_long(s + negative, end);
  return negative ? -n : n;
}
