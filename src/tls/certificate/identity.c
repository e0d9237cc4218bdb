/* SPDX-License-Identifier: MIT
 *
 * identity.c - is a certificate that of a host?
 *
 * Node's rules (RFC 6125 with a wildcard in a part of the first label), on the names of the
 * certificate themselves: no table is made for the answer yes. X509_check_host is not
 * asked, whose rules for wildcards and for the common name are others. */
#include "tls/certificate/identity.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls/base/bio.h"

/* Bytes of a name that are compared. */
struct span {
  const char *at;
  size_t len;
};

enum { V4_BYTES = 4, V6_BYTES = 16, IP_TEXT = 46 }; /* as INET6_ADDRSTRLEN */

/* --- names -------------------------------------------------------------------------------- */

static struct span without_dot(struct span s) {
  if (s.len > 0 && s.at[s.len - 1] == '.')
    s.len--;
  return s;
}

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

static int is_same(struct span a, struct span b) {
  if (a.len != b.len)
    return 0;
  for (size_t i = 0; i < a.len; i++)
    if (lower(a.at[i]) != lower(b.at[i]))
      return 0;
  return 1;
}

static size_t count(struct span s, char c) {
  size_t n = 0;
  for (size_t i = 0; i < s.len; i++)
    n += s.at[i] == c;
  return n;
}

/* Cuts off what stands before the first dot, and the dot. */
static struct span first_label(struct span *s) {
  const char *dot = memchr(s->at, '.', s->len);
  struct span label = { s->at, dot ? (size_t)(dot - s->at) : s->len };
  size_t skip = label.len + (dot != NULL);
  s->at += skip;
  s->len -= skip;
  return label;
}

/* A name of a certificate that names can be compared with: labels of printable ASCII, none
 * of them empty. */
static int is_pattern(struct span s) {
  char before = '.';
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.at[i];
    if (c < 0x21 || c > 0x7F || (c == '.' && before == '.'))
      return 0;
    before = s.at[i];
  }
  return before != '.';
}

/* "xn--": a name in another script, of which a part means nothing. */
static int is_encoded(struct span s) {
  static const char mark[] = "xn--";
  struct span part = { s.at, sizeof mark - 1 }, xn = { mark, sizeof mark - 1 };
  for (; part.at + part.len <= s.at + s.len; part.at++)
    if (is_same(part, xn))
      return 1;
  return 0;
}

/* "f*o" stands for what begins and ends so, of one label. */
static int is_label(struct span label, struct span pattern) {
  const char *star = memchr(pattern.at, '*', pattern.len);
  struct span head = { pattern.at, (size_t)(star - pattern.at) };
  struct span tail = { star + 1, pattern.len - head.len - 1 };
  if (head.len + tail.len > label.len)
    return 0;
  return is_same((struct span){ label.at, head.len }, head) &&
         is_same((struct span){ label.at + label.len - tail.len, tail.len }, tail);
}

/* A wildcard is of the first label alone, and stands before two others at least. */
static int is_match(struct span host, struct span pattern) {
  host = without_dot(host);
  pattern = without_dot(pattern);
  size_t dots = count(pattern, '.');
  if (!is_pattern(pattern) || count(host, '.') != dots)
    return 0;
  struct span name = first_label(&host), first = first_label(&pattern);
  if (!is_same(host, pattern))
    return 0;
  size_t stars = count(first, '*');
  if (stars == 0 || is_encoded(first))
    return is_same(name, first);
  return stars == 1 && dots >= 2 && is_label(name, first);
}

/* --- addresses ------------------------------------------------------------------------------- */

/* The bytes of an address, of which a zone is no part; returns how many, 0 if it is none. */
static int parse_address(struct span host, unsigned char *bytes) {
  char text[IP_TEXT];
  const char *zone = memchr(host.at, '%', host.len);
  size_t len = zone ? (size_t)(zone - host.at) : host.len;
  if (len >= sizeof text || memchr(host.at, '\0', len))
    return 0;
  memcpy(text, host.at, len);
  text[len] = '\0';
  if (zone == NULL && inet_pton(AF_INET, text, bytes) == 1)
    return V4_BYTES;
  return inet_pton(AF_INET6, text, bytes) == 1 ? V6_BYTES : 0;
}

/* --- certificates ------------------------------------------------------------------------------ */

static int has_address(GENERAL_NAMES *names, const unsigned char *bytes, int len) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == len &&
        memcmp(ASN1_STRING_get0_data(name->d.iPAddress), bytes, (size_t)len) == 0)
      return 1;
  }
  return 0;
}

/* 1: has it; 0: has other names of hosts, and so no other means; -1: has none. */
static int has_name(GENERAL_NAMES *names, struct span host) {
  int found = -1;
  for (int i = 0; found != 1 && i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS)
      continue;
    struct span pattern = { (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                            (size_t)ASN1_STRING_length(name->d.dNSName) };
    found = is_match(host, pattern);
  }
  return found;
}

/* The common names of the subject, of which there may be several. */
static int has_common_name(const X509 *certificate, struct span host) {
  const X509_NAME *subject = X509_get_subject_name(certificate);
  int at = -1, found = 0;
  while (!found &&
         (at = X509_NAME_get_index_by_NID((X509_NAME *)subject, NID_commonName, at)) >= 0) {
    unsigned char *text = NULL;
    int len =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len >= 0)
      found = is_match(host, (struct span){ (const char *)text, (size_t)len });
    OPENSSL_free(text);
  }
  return found;
}

int net_tls_identity_check(const X509 *certificate, const char *host, size_t len) {
  struct span name = { host, len };
  unsigned char bytes[V6_BYTES];
  int critical;
  int address = parse_address(name, bytes);
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
  if (critical != -1 && sk_GENERAL_NAME_num(names) <= 0) {
    GENERAL_NAMES_free(names); /* none, or not to be read: the common name is no way out */
    return 0;
  }
  int found = address ? has_address(names, bytes, address) : has_name(names, name);
  GENERAL_NAMES_free(names);
  return found < 0 ? has_common_name(certificate, name) : found;
}

/* --- for Lua ---------------------------------------------------------------------------------- */

static struct span check_span(lua_State *L, int idx) {
  struct span s;
  s.at = luaL_checklstring(L, idx, &s.len);
  return s;
}

static int identity_matches(lua_State *L) {
  lua_pushboolean(L, is_match(check_span(L, 1), check_span(L, 2)));
  return 1;
}

static int identity_canonical(lua_State *L) {
  unsigned char bytes[V6_BYTES];
  char text[IP_TEXT];
  int len = parse_address(check_span(L, 1), bytes);
  int family = len == V4_BYTES ? AF_INET : AF_INET6;
  lua_pushstring(L, len ? inet_ntop(family, bytes, text, sizeof text) : NULL);
  return 1;
}

/* check(pem, host) -> net_tls_identity_check of a certificate that no connection has told
 * of; nil: it is none. [-0, +1, m] */
static int identity_check(lua_State *L) {
  struct span pem = check_span(L, 1), host = check_span(L, 2);
  BIO *bio = net_tls_bio_over(pem.at, pem.len);
  X509 *certificate = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, (void *)"") : NULL;
  int found = certificate ? net_tls_identity_check(certificate, host.at, host.len) : -1;
  X509_free(certificate);
  BIO_free(bio);
  ERR_clear_error();
  if (found < 0)
    lua_pushnil(L);
  else
    lua_pushboolean(L, found);
  return 1;
}

static const luaL_Reg identity_functions[] = { { "check", identity_check },
                                               { "matches", identity_matches },
                                               { "canonical", identity_canonical },
                                               { NULL, NULL } };

void net_tls_identity_open(lua_State *L) {
  luaL_newlib(L, identity_functions);
  lua_setfield(L, -2, "identity");
}
