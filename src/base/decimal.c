/* SPDX-License-Identifier: MIT
 *
 * decimal.c - numbers as decimal text, whatever the locale.
 *
 * The C library's functions take the point from the locale, which a host may have set to
 * one with a comma, and cannot tell how many digits are enough. So the usual numbers are
 * done here, exactly, by integers; for the rest, the very large and very small, digits are
 * taken out of what the library prints.
 *
 * Shortest digits are generated as by Steele and White: a fraction is multiplied by ten
 * again and again, and the whole part is the next digit, until what is left is less than
 * half the distance to the next float. In binary fixed point, wide enough, that is exact. */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MANTISSA_BITS 52
#define EXACT_LIMIT 9007199254740992.0 /* 2^53: up to it all whole numbers are floats */
#define TINY 0x1p-60                   /* below it the fixed point is not wide enough */
#define POINT 60                       /* bits of the upper word that are a fraction */
#define MOST_DIGITS 17                 /* that a float needs */

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

/* Digits of a number of two or more. */
static int count_digits(uint64_t n) {
  int count = 3;
  for (; n >= 1000; n /= 1000)
    count += 3;
  return count - (n < 100) - (n < 10);
}

static char *put_whole(char *out, uint64_t n) {
  char *end, *first;
  if (n < 10) {
    *out = (char)('0' + n);
    return out + 1;
  }
  first = end = out + count_digits(n);
  for (; n >= 100; n /= 100) {
    first -= 2;
    memcpy(first, pairs + n % 100 * 2, 2);
  }
  if (n >= 10)
    memcpy(out, pairs + n * 2, 2);
  else
    *out = (char)('0' + n);
  return end;
}

char *net_decimal_put_integer(char *out, int64_t n) {
  uint64_t magnitude = (uint64_t)n;
  if (n < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  return put_whole(out, magnitude);
}

/* Fixed point: 4 bits before the point, POINT + 64 behind it. */
struct fixed {
  uint64_t high, low;
};

/* 'n' with 'shift' (0 to 127) bits behind it. */
static struct fixed fixed_of(uint64_t n, int shift) {
  struct fixed f;
  unsigned by = (unsigned)shift & 127;
  f.low = by < 64 ? n << by : 0;
  f.high = by == 0 ? 0 : by < 64 ? n >> (64 - by) : n << (by - 64);
  return f;
}

static struct fixed fixed_add(struct fixed a, struct fixed b) {
  struct fixed sum = { a.high + b.high, a.low + b.low };
  sum.high += sum.low < a.low;
  return sum;
}

static struct fixed fixed_times_ten(struct fixed f) {
  struct fixed twice = { f.high << 1 | f.low >> 63, f.low << 1 };
  struct fixed eight = { f.high << 3 | f.low >> 61, f.low << 3 };
  return fixed_add(twice, eight);
}

static int fixed_less(struct fixed a, struct fixed b) {
  return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* The digits of a fraction, and of how far it may be changed: 'above' and 'below' are
 * half the distance to the next floats. Even mantissas are read for what lies just between
 * as well. Returns how many digits. */
static int put_fraction(char *digits, struct fixed rest, struct fixed below, struct fixed above,
                        int even) {
  static const struct fixed one = { UINT64_C(1) << POINT, 0 };
  static const struct fixed half = { UINT64_C(1) << (POINT - 1), 0 };
  int n = 0, low, high;
  do {
    struct fixed sum;
    rest = fixed_times_ten(rest);
    below = fixed_times_ten(below);
    above = fixed_times_ten(above);
    digits[n++] = (char)('0' + (rest.high >> POINT));
    rest.high &= one.high - 1;
    sum = fixed_add(rest, above);
    low = even ? !fixed_less(below, rest) : fixed_less(rest, below);
    high = even ? !fixed_less(sum, one) : fixed_less(one, sum);
  } while (!low && !high);
  if (high && low) /* the nearer; right between two digits it is the even one */
    high = fixed_less(half, rest) || (!fixed_less(rest, half) && digits[n - 1] % 2 != 0);
  digits[n - 1] = (char)(digits[n - 1] + high); /* never beyond 9: no float is there */
  return n;
}

/* The same where one word is enough. */
static int put_short_fraction(char *digits, uint64_t rest, uint64_t below, uint64_t above,
                              int even) {
  const uint64_t one = UINT64_C(1) << POINT, half = one >> 1;
  int n = 0, low, high;
  do {
    rest *= 10;
    below *= 10;
    above *= 10;
    digits[n++] = (char)('0' + (rest >> POINT));
    rest &= one - 1;
    low = even ? rest <= below : rest < below;
    high = even ? rest + above >= one : rest + above > one;
  } while (!low && !high);
  if (high && low)
    high = rest > half || (rest == half && digits[n - 1] % 2 != 0);
  digits[n - 1] = (char)(digits[n - 1] + high);
  return n;
}

/* What lies behind the point of 'n', from TINY to EXACT_LIMIT and not whole. 'digits' has
 * room for 40: those needed, and zeros before them. */
static int fraction_of(char *digits, double n) {
  uint64_t bits, mantissa;
  int exponent, shift, power_of_two;
  memcpy(&bits, &n, sizeof bits);
  mantissa = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1);
  exponent = (int)(bits >> MANTISSA_BITS) - 1023 - MANTISSA_BITS; /* of the last bit */
  power_of_two = mantissa == 0;
  mantissa |= UINT64_C(1) << MANTISSA_BITS;
  if (exponent > -MANTISSA_BITS - 1)
    mantissa &= (UINT64_C(1) << -exponent) - 1;
  shift = POINT + exponent;
  if (shift >= 2)
    return put_short_fraction(digits, mantissa << shift, UINT64_C(1) << (shift - 1 - power_of_two),
                              UINT64_C(1) << (shift - 1), (mantissa & 1) == 0);
  shift += 64;
  return put_fraction(digits, fixed_of(mantissa, shift), fixed_of(1, shift - 1 - power_of_two),
                      fixed_of(1, shift - 1), (mantissa & 1) == 0);
}

/* "d.ddde-7" of digits whose first stands for that power of ten. */
static char *put_scientific(char *out, const char *digits, int len, int power) {
  *out++ = digits[0];
  if (len > 1) {
    *out++ = '.';
    memcpy(out, digits + 1, (size_t)len - 1);
    out += len - 1;
  }
  *out++ = 'e';
  *out++ = power < 0 ? '-' : '+';
  return put_whole(out, (uint64_t)(power < 0 ? -power : power));
}

/* One with up to three digits behind the point, as prices and times have; NULL: it is none. A
 * quotient of two floats that are exact is rounded once, and no two numbers of thousandths
 * are one float there, so these are the shortest digits. */
static char *put_thousandths(char *out, double n) {
  uint64_t thousandths, rest;
  if (FLT_EVAL_METHOD != 0 || n >= 0x1p40)
    return NULL;
  thousandths = (uint64_t)(n * 1000 + .5);
  if ((double)thousandths / 1000 != n)
    return NULL;
  out = put_whole(out, thousandths / 1000);
  rest = thousandths % 1000;
  out[0] = '.';
  out[1] = (char)('0' + rest / 100);
  memcpy(out + 2, pairs + rest % 100 * 2, 2);
  return out + (rest % 100 == 0 ? 2 : rest % 10 == 0 ? 3 : 4);
}

/* From TINY to EXACT_LIMIT, and not whole. JavaScript writes out up to six zeros. */
static char *put_usual(char *out, double n) {
  char digits[40] = "", *end = put_thousandths(out, n);
  int len, zeros = 0;
  if (end != NULL)
    return end;
  len = fraction_of(digits, n);
  if (n < 1e-6) {
    while (zeros < len && digits[zeros] == '0')
      zeros++;
    return put_scientific(out, digits + zeros, len - zeros, -1 - zeros);
  }
  out = put_whole(out, (uint64_t)n);
  *out++ = '.';
  memcpy(out, digits, (size_t)len);
  return out + len;
}

/* Whether these digits stand for 'n'. */
static int reads_as(const char *digits, int len, int power, double n) {
  char text[NET_DECIMAL_ROOM] = "";
  return net_decimal_read(text, (size_t)(put_scientific(text, digits, len, power) - text)) == n;
}

/* The next number of as many digits; 0 if the first digit were 10. */
static int step_up(char *digits, int len) {
  while (len > 0 && digits[len - 1] == '9')
    digits[--len] = '0';
  if (len > 0)
    digits[len - 1]++;
  return len > 0;
}

/* 'len' digits of 'n' as the library rounds it, and their power. Its point, which may be
 * of several bytes, stands behind the first of them. */
static int print_digits(char *digits, int len, double n) {
  char text[NET_DECIMAL_ROOM + 16];
  int power = 0, sign = 1, i = 0;
  const char *c = text;
  (void)snprintf(text, sizeof text, "%.*e", len - 1, n);
  for (; *c != 'e'; c++)
    if (*c >= '0' && *c <= '9' && i < len)
      digits[i++] = *c;
  if (*++c == '-')
    sign = -1;
  for (c++; *c != '\0'; c++)
    power = power * 10 + (*c - '0');
  return sign * power;
}

/* Any other. Where floats lie less dense above a power of two than below it, a number
 * just above may be shorter than the nearest one. */
static char *put_extreme(char *out, double n) {
  char digits[MOST_DIGITS] = "";
  int exponent, power, len = n < DBL_MIN ? 1 : DBL_DIG;
  int power_of_two = frexp(n, &exponent) == 0.5;
  for (;; len++) {
    power = print_digits(digits, len, n);
    if (len == MOST_DIGITS || reads_as(digits, len, power, n))
      break;
    if (power_of_two && step_up(digits, len) && reads_as(digits, len, power, n))
      break;
  }
  while (len > 1 && digits[len - 1] == '0')
    len--;
  return put_scientific(out, digits, len, power);
}

char *net_decimal_put(char *out, double n) {
  double size = fabs(n);
  if (n < 0)
    *out++ = '-';
  if (size <= EXACT_LIMIT && size == floor(size))
    return put_whole(out, (uint64_t)size);
  if (size < EXACT_LIMIT && size >= TINY)
    return put_usual(out, size);
  return put_extreme(out, size);
}
