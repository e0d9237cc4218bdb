/* SPDX-License-Identifier: MIT
 *
 * base64.c - bytes as base64, and back. */
#include "base/base64.h"

#include <stdint.h>

typedef unsigned char byte;

/* One more than the digit's value, 0 for what is no digit; of both alphabets. */
static const byte value_of[256] = {
  ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
  ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
  ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
  ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
  ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
  ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
  ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
  ['/'] = 64, ['_'] = 64,
};

#define COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* 'pad' is '=', or '\0' for none. */
static size_t spell(byte *out, const byte *s, size_t len, const char *digits, char pad) {
  const byte *start = out;
  for (; len >= 3; s += 3, len -= 3) {
    *out++ = (byte)digits[s[0] >> 2];
    *out++ = (byte)digits[(s[0] & 3) << 4 | s[1] >> 4];
    *out++ = (byte)digits[(s[1] & 15) << 2 | s[2] >> 6];
    *out++ = (byte)digits[s[2] & 63];
  }
  if (len > 0) {
    unsigned second = len == 2 ? s[1] : 0;
    *out++ = (byte)digits[s[0] >> 2];
    *out++ = (byte)digits[(s[0] & 3) << 4 | second >> 4];
    if (len == 2)
      *out++ = (byte)digits[(second & 15) << 2];
    for (; pad != '\0' && len < 3; len++)
      *out++ = (byte)pad;
  }
  return (size_t)(out - start);
}

size_t net_base64_put(byte *out, const byte *s, size_t len) {
  return spell(out, s, len, COMMON "+/", '=');
}

size_t net_base64url_put(byte *out, const byte *s, size_t len) {
  return spell(out, s, len, COMMON "-_", '\0');
}

size_t net_base64_read(byte *out, const byte *s, size_t len) {
  const byte *start = out;
  uint32_t bits = 0; /* the low 'have' are still to go out */
  unsigned have = 0;
  for (size_t i = 0; i < len && s[i] != '='; i++) {
    if (value_of[s[i]] == 0)
      continue;
    bits = bits << 6 | (value_of[s[i]] - 1u);
    have += 6;
    if (have >= 8) {
      have -= 8;
      *out++ = (byte)(bits >> have);
    }
  }
  return (size_t)(out - start);
}

/* The bits of the last digit that fill no byte have to be 0, else another text would
 * stand for the same bytes. */
int net_base64_is(const byte *s, size_t len) {
  size_t digits = len, unused;
  if (len % 4 != 0)
    return 0;
  while (digits > 0 && len - digits < 2 && s[digits - 1] == '=')
    digits--;
  for (size_t i = 0; i < digits; i++)
    if (value_of[s[i]] == 0 || s[i] == '-' || s[i] == '_')
      return 0;
  unused = (len - digits) * 2;
  return unused == 0 || ((value_of[s[digits - 1]] - 1u) & ((1u << unused) - 1)) == 0;
}
