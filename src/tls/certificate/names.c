/* SPDX-License-Identifier: MIT
 *
 * names.c - the names in a certificate, in Node's words.
 *
 * Of Node's format as of CVE-2021-44532: before, a name with ", DNS:b.com" in it was two.
 * libssl's own printer (GENERAL_NAME_print) is not used, as it quotes nothing. */
#include "tls/certificate/names.h"

#include <openssl/objects.h>
#include <string.h>

/* Bytes as they are in the certificate: UTF-8, or one byte a character. */
struct text {
  const unsigned char *bytes;
  int len;
  int is_utf8;
};

static int put(BIO *out, const char *bytes, int len) {
  return len == 0 || BIO_write(out, bytes, len) == len;
}

static int put_string(BIO *out, const char *text) { return put(out, text, (int)strlen(text)); }

/* --- one value ------------------------------------------------------------------------- */

/* Nothing that could end it, begin another one, or not be seen. */
static int is_safe(const struct text *t) {
  for (int i = 0; i < t->len; i++) {
    unsigned char c = t->bytes[i];
    if (c < ' ' || c == 0x7F || (c > 0x7F && !t->is_utf8) || strchr("\"\\,'", c))
      return 0;
  }
  return 1;
}

static int put_escaped(BIO *out, unsigned char c, int is_utf8) {
  char plain = (char)c;
  if (c == '"' || c == '\\')
    return put(out, "\\", 1) && put(out, &plain, 1);
  if ((c >= ' ' && c != ',' && c < 0x7F) || (is_utf8 && c > 0x7F))
    return put(out, &plain, 1);
  return BIO_printf(out, "\\u%04x", c) > 0;
}

static int put_quoted(BIO *out, const struct text *t, const char *prefix) {
  int ok = put(out, "\"", 1) && put_string(out, prefix);
  for (int i = 0; ok && i < t->len; i++)
    ok = put_escaped(out, t->bytes[i], t->is_utf8);
  return ok && put(out, "\"", 1);
}

/* As UTF-8. */
static int put_plain(BIO *out, const struct text *t) {
  if (t->is_utf8)
    return put(out, (const char *)t->bytes, t->len);
  for (int i = 0; i < t->len; i++) {
    unsigned char c = t->bytes[i];
    char two[] = { (char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F)) };
    if (!(c < 0x80 ? put(out, (const char *)&t->bytes[i], 1) : put(out, two, sizeof two)))
      return 0;
  }
  return 1;
}

static int put_value(BIO *out, const struct text *t, const char *prefix, int quotes) {
  if (quotes && !is_safe(t))
    return put_quoted(out, t, prefix);
  return put_string(out, prefix) && put_plain(out, t);
}

static int put_asn1(BIO *out, const ASN1_STRING *string, const char *prefix, int is_utf8,
                    int quotes) {
  struct text t = { ASN1_STRING_get0_data(string), ASN1_STRING_length(string), is_utf8 };
  return put_value(out, &t, prefix, quotes);
}

/* --- kinds of names ---------------------------------------------------------------------- */

/* "CN=a,O=b", where what RFC 2253 escapes is escaped, as far as JSON does not do it. */
static int put_directory(BIO *out, const X509_NAME *name, int quotes) {
  unsigned long how =
    XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB & ~(unsigned long)ASN1_STRFLGS_ESC_CTRL;
  BIO *line = BIO_new(BIO_s_mem());
  int ok = line && X509_NAME_print_ex(line, name, 0, how) >= 0;
  if (ok) {
    char *bytes;
    long len = BIO_get_mem_data(line, &bytes);
    struct text t = { (const unsigned char *)bytes, (int)len, 1 };
    ok = put_value(out, &t, "", quotes);
  }
  BIO_free(line);
  return ok;
}

static int put_address(BIO *out, const ASN1_OCTET_STRING *ip) {
  enum { V4 = 4, V6 = 16 };
  const unsigned char *b = ASN1_STRING_get0_data(ip);
  int len = ASN1_STRING_length(ip);
  if (len == V4)
    return BIO_printf(out, "%d.%d.%d.%d", b[0], b[1], b[2], b[3]) > 0;
  if (len != V6)
    return BIO_printf(out, "<invalid length=%d>", len) > 0;
  for (int i = 0; i < V6; i += 2)
    if (BIO_printf(out, i ? ":%X" : "%X", b[i] << 8 | b[i + 1]) <= 0)
      return 0;
  return 1;
}

/* Those that are known by name; OpenSSL 1.1.1 has no number for most. */
static const struct other {
  const char *oid;
  const char *prefix;
  int type; /* V_ASN1_* that it has to be */
} others[] = {
  { "1.3.6.1.5.5.7.8.9", "SmtpUTF8Mailbox:", V_ASN1_UTF8STRING },
  { "1.3.6.1.5.5.7.8.5", "XmppAddr:", V_ASN1_UTF8STRING },
  { "1.3.6.1.5.5.7.8.7", "SRVName:", V_ASN1_IA5STRING },
  { "1.3.6.1.4.1.311.20.2.3", "UPN:", V_ASN1_UTF8STRING },
  { "1.3.6.1.5.5.7.8.8", "NAIRealm:", V_ASN1_UTF8STRING },
};

static int put_other(BIO *out, const OTHERNAME *name, int quotes) {
  enum { OID_SIZE = 128 };
  char oid[OID_SIZE];
  (void)OBJ_obj2txt(oid, sizeof oid, name->type_id, 1);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp(others[i].oid, oid) == 0 && name->value->type == others[i].type)
      return put_asn1(out, name->value->value.asn1_string, others[i].prefix,
                      others[i].type == V_ASN1_UTF8STRING, quotes);
  return put_string(out, "<unsupported>");
}

static int put_id(BIO *out, const ASN1_OBJECT *id) {
  enum { OID_SIZE = 256 };
  char oid[OID_SIZE];
  (void)OBJ_obj2txt(oid, sizeof oid, id, 1);
  return put_string(out, oid);
}

int net_tls_names_write(BIO *out, const GENERAL_NAME *name, int quotes) {
  switch (name->type) {
    case GEN_DNS: return put_string(out, "DNS:") && put_asn1(out, name->d.dNSName, "", 0, quotes);
    case GEN_EMAIL:
      return put_string(out, "email:") && put_asn1(out, name->d.rfc822Name, "", 0, quotes);
    case GEN_URI:
      return put_string(out, "URI:") &&
             put_asn1(out, name->d.uniformResourceIdentifier, "", 0, quotes);
    case GEN_DIRNAME:
      return put_string(out, "DirName:") && put_directory(out, name->d.directoryName, quotes);
    case GEN_OTHERNAME:
      return put_string(out, "othername:") && put_other(out, name->d.otherName, quotes);
    case GEN_IPADD: return put_string(out, "IP Address:") && put_address(out, name->d.iPAddress);
    case GEN_RID: return put_string(out, "Registered ID:") && put_id(out, name->d.registeredID);
    case GEN_X400: return put_string(out, "X400Name:<unsupported>");
    default: return put_string(out, "EdiPartyName:<unsupported>");
  }
}
