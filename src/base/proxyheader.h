/* SPDX-License-Identifier: MIT
 *
 * proxyheader.h - the header of the PROXY protocol, versions 1 and 2: whom a proxy says that a
 * connection is from.
 *
 * Bytes in, addresses out: no descriptor, no Lua. The protocol is HAProxy's; its text,
 * "The PROXY protocol, versions 1 & 2", is what the sections named here are of. */
#ifndef NET_PROXYHEADER_H
#define NET_PROXYHEADER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"

/* The longest there may be, in bytes: a line of version 1, and what 16 bits can say that
 * follows the head of version 2. */
#define NET_PROXYHEADER_V1_MAX 107
#define NET_PROXYHEADER_HEAD 16
#define NET_PROXYHEADER_MAX (NET_PROXYHEADER_HEAD + 65535)

/* Types of TLVs that are looked at (section 2.2). */
enum {
  NET_PROXY_ALPN = 0x01,
  NET_PROXY_AUTHORITY = 0x02,
  NET_PROXY_CRC32C = 0x03,
  NET_PROXY_UNIQUE_ID = 0x05,
  NET_PROXY_SSL = 0x20,
  NET_PROXY_SSL_VERSION = 0x21,
  NET_PROXY_SSL_CN = 0x22,
  NET_PROXY_SSL_CIPHER = 0x23,
  NET_PROXY_SSL_SIG_ALG = 0x24,
  NET_PROXY_SSL_KEY_ALG = 0x25,
};

/* A run of type, length and value. */
struct net_proxytlvs {
  const unsigned char *at, *end;
};

struct net_proxytlv {
  int type;
  const unsigned char *value; /* in the bytes of the header */
  size_t len;
};

struct net_proxyheader {
  int version;                 /* 1 or 2 */
  int is_local;                /* the proxy speaks for itself: LOCAL */
  int family;                  /* AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC: it says nothing of
                                      who the client is */
  int type;                    /* SOCK_STREAM, SOCK_DGRAM; 0 with AF_UNSPEC */
  struct net_addr source;      /* the client; no address with AF_UNSPEC, or an unnamed path */
  struct net_addr destination; /* whom it had connected to */
  struct net_proxytlvs tlvs;   /* in the bytes of the header */
};

/* How many of the first 'n' bytes of a connection are its header's; '*whole' tells whether that
 * is all of it. -EINVAL: no header begins so. */
ssize_t net_proxyheader_extent(const unsigned char *bytes, size_t n, int *whole);
/* Reads a whole header of 'n' bytes; 0 or -EINVAL. */
int net_proxyheader_read(const unsigned char *bytes, size_t n, struct net_proxyheader *out);
/* Takes the next TLV out; 1, 0 where there is none, -EINVAL where it is cut short. */
int net_proxyheader_next(struct net_proxytlvs *tlvs, struct net_proxytlv *out);
/* The CRC32c of RFC 4960, of bytes behind those of which it is 'crc'; begins with 0. */
uint32_t net_crc32c(uint32_t crc, const unsigned char *bytes, size_t n);

#endif
