/* SPDX-License-Identifier: MIT
 *
 * proxyheader.c - the header of the PROXY protocol. See proxyheader.h.
 *
 * It is strict, as whoever is believed about an address should be able to write one: a line
 * of version 1 has one space between its words and no leading zeros, and lengths of version 2
 * have to fit. What the protocol says is to be skipped is skipped: the words behind UNKNOWN,
 * and the addresses of LOCAL and of AF_UNSPEC.
 *
 * No header is guessed: a connection that begins with anything else is wrong, at its first
 * byte that is. */
#include "base/proxyheader.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const unsigned char signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* of version 2 */
static const unsigned char word[] = "PROXY ";                    /* of version 1 */
static const char crlf[] = "\r\n";

enum {
  SIGNATURE = sizeof signature - 1,
  WORD = sizeof word - 1,
  AT_COMMAND = SIGNATURE, /* version and command, four bits each */
  AT_FAMILY,              /* family and type, likewise */
  AT_LENGTH,              /* 16 bits, of what follows the head */
  UNIX_PATH = 108,        /* bytes of a path, as Linux has it */
};

static size_t two_bytes(const unsigned char *at) { return (size_t)at[0] << 8 | at[1]; }

/* Do the first 'n' bytes begin as those of 'with' do, as far as they go? */
static int begins(const unsigned char *bytes, size_t n, const unsigned char *with, size_t len) {
  return memcmp(bytes, with, n < len ? n : len) == 0;
}

/* --- how much of it there is ------------------------------------------------------ */

static ssize_t extent_v1(const unsigned char *bytes, size_t n, int *whole) {
  size_t most = n < NET_PROXYHEADER_V1_MAX ? n : NET_PROXYHEADER_V1_MAX;
  const unsigned char *lf = memchr(bytes, '\n', most);
  if (lf) {
    *whole = 1;
    return lf[-1] == '\r' ? lf + 1 - bytes : -EINVAL; /* behind "PROXY " at least */
  }
  return n < NET_PROXYHEADER_V1_MAX ? (ssize_t)n : -EINVAL;
}

/* Are version, command, family and type such as there are? */
static int is_known(const unsigned char *bytes, size_t n) {
  if (n > AT_COMMAND && bytes[AT_COMMAND] != 0x20 && bytes[AT_COMMAND] != 0x21)
    return 0;
  return n <= AT_FAMILY || (bytes[AT_FAMILY] >> 4 <= 3 && (bytes[AT_FAMILY] & 15) <= 2);
}

static ssize_t extent_v2(const unsigned char *bytes, size_t n, int *whole) {
  if (!is_known(bytes, n))
    return -EINVAL;
  if (n < NET_PROXYHEADER_HEAD)
    return (ssize_t)n;
  size_t all = NET_PROXYHEADER_HEAD + two_bytes(bytes + AT_LENGTH);
  *whole = n >= all;
  return (ssize_t)(*whole ? all : n);
}

ssize_t net_proxyheader_extent(const unsigned char *bytes, size_t n, int *whole) {
  *whole = 0;
  if (begins(bytes, n, word, WORD))
    return n > WORD ? extent_v1(bytes, n, whole) : (ssize_t)n;
  return begins(bytes, n, signature, SIGNATURE) ? extent_v2(bytes, n, whole) : -EINVAL;
}

/* --- version 1 ---------------------------------------------------------------------- */

/* A line that is read word by word. */
struct line {
  const char *at, *end;
};

/* Takes the next word and the one byte behind it, which is 'behind'; its length, or -EINVAL. */
static ssize_t take_word(struct line *line, char behind, const char **out) {
  const char *stop = memchr(line->at, behind, (size_t)(line->end - line->at));
  if (stop == NULL)
    return -EINVAL;
  *out = line->at;
  line->at = stop + 1;
  return stop - *out;
}

/* 0 to 65535 without leading zeros, or -EINVAL. */
static int read_port(const char *text, ssize_t len) {
  int port = 0;
  if (len < 1 || len > 5 || (len > 1 && *text == '0'))
    return -EINVAL;
  for (ssize_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return -EINVAL;
    port = port * 10 + (text[i] - '0');
  }
  return port <= UINT16_MAX ? port : -EINVAL;
}

/* An address of the family in the line's words; net_addr_parse takes no leading zeros. */
static int read_ip(const char *text, ssize_t len, int port, int family, struct net_addr *out) {
  if (len < 1 || port < 0 || memchr(text, '%', (size_t)len))
    return -EINVAL;
  int err = net_addr_parse(text, (size_t)len, port, out);
  return err == 0 && out->sa.ss_family != family ? -EINVAL : err;
}

/* "source destination port port\r\n" */
static int read_endpoints(struct line *line, struct net_proxyheader *out) {
  const char *ips[2], *ports[2];
  ssize_t ip0 = take_word(line, ' ', &ips[0]);
  ssize_t ip1 = ip0 < 0 ? -EINVAL : take_word(line, ' ', &ips[1]);
  ssize_t port0 = ip1 < 0 ? -EINVAL : take_word(line, ' ', &ports[0]);
  ssize_t port1 = port0 < 0 ? -EINVAL : take_word(line, '\r', &ports[1]);
  if (port1 < 0 || line->end - line->at != 1) /* the LF */
    return -EINVAL;
  int err = read_ip(ips[0], ip0, read_port(ports[0], port0), out->family, &out->source);
  return err < 0 ? err
                 : read_ip(ips[1], ip1, read_port(ports[1], port1), out->family, &out->destination);
}

static int read_v1(const unsigned char *bytes, size_t n, struct net_proxyheader *out) {
  struct line line = { (const char *)bytes + WORD, (const char *)bytes + n };
  size_t left = n - WORD;
  out->version = 1;
  if (left >= 9 && memcmp(line.at, "UNKNOWN", 7) == 0)
    return line.at[7] == ' ' || (left == 9 && memcmp(line.at + 7, crlf, 2) == 0) ? 0 : -EINVAL;
  if (left < 5 || (memcmp(line.at, "TCP4 ", 5) != 0 && memcmp(line.at, "TCP6 ", 5) != 0))
    return -EINVAL;
  out->family = line.at[3] == '4' ? AF_INET : AF_INET6;
  out->type = SOCK_STREAM;
  line.at += 5;
  return read_endpoints(&line, out);
}

/* --- version 2 ---------------------------------------------------------------------- */

/* Bytes of both addresses of a family, by its number there. */
static size_t size_of(int family) {
  static const size_t sizes[] = { 0, 12, 36, 2 * UNIX_PATH };
  return sizes[family];
}

static void read_v4(const unsigned char *ip, const unsigned char *port, struct net_addr *out) {
  uint32_t number;
  memcpy(&number, ip, sizeof number);
  net_addr_from_v4(AF_INET, number, (int)two_bytes(port), out);
}

static void read_v6(const unsigned char *ip, const unsigned char *port, struct net_addr *out) {
  net_addr_any(AF_INET6, (int)two_bytes(port), out);
  memcpy(&((struct sockaddr_in6 *)&out->sa)->sin6_addr, ip, 16);
}

/* A path, padded by NULs; one that begins with a NUL is abstract, or of a socket without a
 * name. */
static void read_path(const unsigned char *path, struct net_addr *out) {
  size_t len = UNIX_PATH;
  while (len > 0 && path[len - 1] == '\0')
    len--;
  const unsigned char *nul = *path ? memchr(path, '\0', len) : NULL;
  if (net_addr_unix((const char *)path, nul ? (size_t)(nul - path) : len, out) < 0)
    out->len = 0;
}

/* The addresses behind the head, of which there are enough bytes. */
static void read_addresses(const unsigned char *at, int family, struct net_proxyheader *out) {
  static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX };
  out->family = families[family];
  if (out->family == AF_INET) {
    read_v4(at, at + 8, &out->source);
    read_v4(at + 4, at + 10, &out->destination);
  } else if (out->family == AF_INET6) {
    read_v6(at, at + 32, &out->source);
    read_v6(at + 16, at + 34, &out->destination);
  } else {
    read_path(at, &out->source);
    read_path(at + UNIX_PATH, &out->destination);
  }
}

int net_proxyheader_next(struct net_proxytlvs *tlvs, struct net_proxytlv *out) {
  size_t left = (size_t)(tlvs->end - tlvs->at);
  if (left == 0)
    return 0;
  if (left < 3 || left - 3 < two_bytes(tlvs->at + 1))
    return -EINVAL;
  *out = (struct net_proxytlv){ tlvs->at[0], tlvs->at + 3, two_bytes(tlvs->at + 1) };
  tlvs->at = out->value + out->len;
  return 1;
}

uint32_t net_crc32c(uint32_t crc, const unsigned char *bytes, size_t n) {
  crc = ~crc;
  for (size_t i = 0; i < n; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0); /* Castagnoli's polynomial, reflected */
  }
  return ~crc;
}

/* Is the sum in that TLV that of the header with zeros in its place? */
static int sum_holds(const unsigned char *bytes, size_t n, const struct net_proxytlv *sum) {
  static const unsigned char zeros[4];
  if (sum->len != sizeof zeros)
    return 0;
  uint32_t crc = net_crc32c(0, bytes, (size_t)(sum->value - bytes));
  crc = net_crc32c(crc, zeros, sizeof zeros);
  crc = net_crc32c(crc, sum->value + 4, (size_t)(bytes + n - (sum->value + 4)));
  return crc == (uint32_t)(two_bytes(sum->value) << 16 | two_bytes(sum->value + 2));
}

/* Goes through the TLVs. Where addresses were to be skipped, nobody says where they begin, and
 * what reads as none is skipped too. */
static int check_tlvs(const unsigned char *bytes, size_t n, struct net_proxyheader *out) {
  struct net_proxytlvs rest = out->tlvs;
  struct net_proxytlv tlv, sum = { 0, NULL, 0 };
  int more;
  while ((more = net_proxyheader_next(&rest, &tlv)) > 0) {
    if (tlv.type == NET_PROXY_CRC32C && sum.value)
      return -EINVAL; /* one of the two sums is wrong */
    if (tlv.type == NET_PROXY_CRC32C)
      sum = tlv;
  }
  if (more < 0 && out->family == AF_UNSPEC) {
    out->tlvs.at = out->tlvs.end;
    return 0;
  }
  return more < 0 || (sum.value && !sum_holds(bytes, n, &sum)) ? -EINVAL : 0;
}

static int read_v2(const unsigned char *bytes, size_t n, struct net_proxyheader *out) {
  const unsigned char *rest = bytes + NET_PROXYHEADER_HEAD;
  int family = bytes[AT_FAMILY] >> 4, type = bytes[AT_FAMILY] & 15;
  out->version = 2;
  out->is_local = bytes[AT_COMMAND] == 0x20;
  if (!out->is_local && size_of(family) > n - NET_PROXYHEADER_HEAD)
    return -EINVAL;
  if (!out->is_local && family != 0 && type != 0) {
    out->type = type == 1 ? SOCK_STREAM : SOCK_DGRAM;
    read_addresses(rest, family, out);
  }
  size_t skip = size_of(family) <= n - NET_PROXYHEADER_HEAD ? size_of(family) : 0;
  out->tlvs = (struct net_proxytlvs){ rest + skip, bytes + n };
  return check_tlvs(bytes, n, out);
}

int net_proxyheader_read(const unsigned char *bytes, size_t n, struct net_proxyheader *out) {
  int whole;
  memset(out, 0, sizeof *out);
  out->family = AF_UNSPEC;
  out->tlvs = (struct net_proxytlvs){ bytes + n, bytes + n };
  if (net_proxyheader_extent(bytes, n, &whole) != (ssize_t)n || !whole)
    return -EINVAL;
  return bytes[0] == word[0] ? read_v1(bytes, n, out) : read_v2(bytes, n, out);
}
