/* SPDX-License-Identifier: MIT
 *
 * utf8.h - the characters of UTF-8: measured, read and written.
 *
 * For all code that looks at text byte by byte. Inline, as it runs for each byte of what
 * is read and sent. What is ill-formed counts as U+FFFD, one for each "maximal subpart",
 * as the WHATWG has it, and so Node. */
#ifndef NET_UTF8_H
#define NET_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NET_UTF8_REPLACEMENT 0xFFFDu

/* How many bytes below 0x80 's' starts with. */
static inline size_t net_utf8_ascii_run(const unsigned char *s, size_t len) {
  size_t i = 0;
  uint64_t word;
  for (; len - i >= sizeof word; i += sizeof word) {
    memcpy(&word, s + i, sizeof word); /* 's' may be unaligned */
    if (word & UINT64_C(0x8080808080808080))
      break;
  }
  while (i < len && s[i] < 0x80)
    i++;
  return i;
}

static inline int net_utf8_is_trail(unsigned char c) { return (c & 0xC0) == 0x80; }

/* Measures the sequence at 's' ('len' is at least 1): its length if it is
 * well-formed, else minus the bytes that one U+FFFD stands for. Table 3-7 of
 * the Unicode standard. */
static inline int net_utf8_measure(const unsigned char *s, size_t len) {
  unsigned char lead = s[0], low = 0x80, high = 0xBF; /* what the second byte may be */
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2 || lead > 0xF4)
    return -1;
  if (lead >= 0xE0) { /* no overlong form, surrogate, nor beyond U+10FFFF */
    low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  }
  if (len < 2 || s[1] < low || s[1] > high)
    return -1;
  if (lead < 0xE0)
    return 2;
  if (len < 3 || !net_utf8_is_trail(s[2]))
    return -2;
  if (lead < 0xF0)
    return 3;
  return len > 3 && net_utf8_is_trail(s[3]) ? 4 : -3;
}

/* How many bytes of valid UTF-8 's' starts with. */
static inline size_t net_utf8_run(const unsigned char *s, size_t len) {
  size_t i = net_utf8_ascii_run(s, len);
  while (i < len) {
    int n = net_utf8_measure(s + i, len - i);
    if (n < 0)
      break;
    i += (size_t)n;
    if (i < len && s[i] < 0x80)
      i += net_utf8_ascii_run(s + i, len - i);
  }
  return i;
}

/* The code point at '*s', which it moves past it; U+FFFD if ill-formed. */
static inline uint32_t net_utf8_next(const unsigned char **s, const unsigned char *end) {
  const unsigned char *at = *s;
  uint32_t code;
  int n;
  if (at[0] < 0x80)
    return *(*s)++;

  n = net_utf8_measure(at, (size_t)(end - at));
  *s += n < 0 ? -n : n;
  if (n < 0)
    return NET_UTF8_REPLACEMENT;
  code = at[0] & (0x7Fu >> n);
  for (int i = 1; i < n; i++)
    code = code << 6 | (at[i] & 0x3Fu);
  return code;
}

/* Writes 'code' (no surrogate) at 'out', four bytes at most, and returns the byte
 * after it. */
static inline unsigned char *net_utf8_put(unsigned char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (unsigned char)code;
    return out;
  }
  if (code < 0x800) {
    *out++ = (unsigned char)(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *out++ = (unsigned char)(0xE0 | code >> 12);
    } else {
      *out++ = (unsigned char)(0xF0 | code >> 18);
      *out++ = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    }
    *out++ = (unsigned char)(0x80 | (code >> 6 & 0x3F));
  }
  *out++ = (unsigned char)(0x80 | (code & 0x3F));
  return out;
}

#endif
