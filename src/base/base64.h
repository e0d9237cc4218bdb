/* SPDX-License-Identifier: MIT
 *
 * base64.h - bytes as base64, and back. No Lua. */
#ifndef NET_BASE64_H
#define NET_BASE64_H

#include <stddef.h>

/* Writes the text of 'len' bytes at 'out', which has room for (len / 3 + 1) * 4, and
 * returns its length. The second has the alphabet of URLs and no padding. */
size_t net_base64_put(unsigned char *out, const unsigned char *s, size_t len);
size_t net_base64url_put(unsigned char *out, const unsigned char *s, size_t len);

/* Writes the bytes of a text at 'out', which has room for (len / 4 + 1) * 3, and returns
 * how many they are. As in Node either alphabet is taken, the first "=" ends the text,
 * what is in no alphabet is passed over, and bits that fill no byte are dropped. */
size_t net_base64_read(unsigned char *out, const unsigned char *s, size_t len);

/* Whether it is a text that net_base64_put writes. */
int net_base64_is(const unsigned char *s, size_t len);

#endif
