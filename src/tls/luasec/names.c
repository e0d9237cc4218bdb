/* SPDX-License-Identifier: MIT
 *
 * names.c - the names in a certificate, as LuaSec has them. See names.h. */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <sys/socket.h>

#include <openssl/x509v3.h>

#include "tls/base/draft.h"
#include "tls/luasec/names.h"

enum { OID_MAX = 256 };

static void push_oid(lua_State *L, const ASN1_OBJECT *object) {
  char text[OID_MAX];
  int len = OBJ_obj2txt(text, sizeof text, object, 1);
  lua_pushlstring(L, text, len < 0 ? 0 : len < OID_MAX ? (size_t)len : OID_MAX - 1);
}

/* The long name; the OID of what OpenSSL does not know. */
static void push_long_name(lua_State *L, const ASN1_OBJECT *object) {
  int nid = OBJ_obj2nid(object);
  if (nid == NID_undef)
    push_oid(L, object);
  else
    lua_pushstring(L, OBJ_nid2ln(nid));
}

static void push_text(lua_State *L, const ASN1_STRING *text, enum net_sec_encoding encoding) {
  if (encoding == NET_SEC_AI5) {
    lua_pushlstring(L, (const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    return;
  }
  struct net_tls_draft *s = net_tls_draft_push(L);
  unsigned char *utf8 = NULL;
  int len = ASN1_STRING_to_UTF8(&utf8, text);
  if (len >= 0)
    net_tls_draft_hold_text(s, utf8);
  ERR_clear_error();
  lua_pushlstring(L, len >= 0 ? (const char *)utf8 : "", len >= 0 ? (size_t)len : 0);
  lua_remove(L, -2);
}

void net_sec_push_name(lua_State *L, const X509_NAME *name, enum net_sec_encoding encoding) {
  int count = X509_NAME_entry_count(name);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
    lua_createtable(L, 0, 3);
    push_oid(L, object);
    lua_setfield(L, -2, "oid");
    push_long_name(L, object);
    lua_setfield(L, -2, "name");
    push_text(L, X509_NAME_ENTRY_get_data(entry), encoding);
    lua_setfield(L, -2, "value");
    lua_rawseti(L, -2, i + 1);
  }
}

/* --- general names ------------------------------------------------------------------------ */

/* The value on the top joins the list table[key]; the table is below. [-1, +0, m] */
static void add_to(lua_State *L, const char *key) {
  if (lua_getfield(L, -2, key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, key);
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

static void add_text(lua_State *L, const char *key, const ASN1_STRING *text,
                     enum net_sec_encoding encoding) {
  push_text(L, text, encoding);
  add_to(L, key);
}

static int is_text(int type) {
  return type == V_ASN1_UTF8STRING || type == V_ASN1_IA5STRING || type == V_ASN1_PRINTABLESTRING;
}

/* Its text joins the list under its OID, which has a name besides. */
static void add_other(lua_State *L, const OTHERNAME *other, enum net_sec_encoding encoding) {
  char oid[OID_MAX];
  if (!is_text(other->value->type) || OBJ_obj2txt(oid, sizeof oid, other->type_id, 1) <= 0)
    return;
  add_text(L, oid, other->value->value.asn1_string, encoding);
  lua_getfield(L, -1, oid);
  push_long_name(L, other->type_id);
  lua_setfield(L, -2, "name");
  lua_pop(L, 1);
}

static void add_address(lua_State *L, const ASN1_OCTET_STRING *address) {
  char text[INET6_ADDRSTRLEN];
  int len = ASN1_STRING_length(address);
  int family = len == 4 ? AF_INET : len == 16 ? AF_INET6 : 0;
  if (family && inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text)) {
    lua_pushstring(L, text);
    add_to(L, "iPAddress");
  }
}

/* Into the table on the top; what LuaSec does not show is left out. [-0, +0, m] */
static void add_general(lua_State *L, const GENERAL_NAME *name, enum net_sec_encoding encoding) {
  switch (name->type) {
    case GEN_OTHERNAME: add_other(L, name->d.otherName, encoding); break;
    case GEN_DNS: add_text(L, "dNSName", name->d.dNSName, encoding); break;
    case GEN_EMAIL: add_text(L, "rfc822Name", name->d.rfc822Name, encoding); break;
    case GEN_URI:
      add_text(L, "uniformResourceIdentifier", name->d.uniformResourceIdentifier, encoding);
      break;
    case GEN_IPADD: add_address(L, name->d.iPAddress); break;
    default: break;
  }
}

static void add_generals(lua_State *L, const GENERAL_NAMES *names, enum net_sec_encoding encoding) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
    add_general(L, sk_GENERAL_NAME_value(names, i), encoding);
}

/* --- extensions --------------------------------------------------------------------------- */

static void free_names(void *names) { GENERAL_NAMES_free(names); }

/* The extension's names join the table on the top. [-0, +0, e] */
static void add_names_of(lua_State *L, X509_EXTENSION *ext, enum net_sec_encoding encoding) {
  struct net_tls_draft *s = net_tls_draft_push(L);
  lua_insert(L, -2);
  void *decoded = X509V3_EXT_d2i(ext);
  ERR_clear_error();
  if (decoded) {
    net_tls_draft_hold(s, decoded, free_names);
    add_generals(L, decoded, encoding);
  }
  lua_remove(L, -2);
}

void net_sec_push_extensions(lua_State *L, const X509 *x, enum net_sec_encoding encoding) {
  lua_newtable(L);
  for (int i = 0; i < X509_get_ext_count(x); i++) {
    X509_EXTENSION *ext = X509_get_ext(x, i);
    const ASN1_OBJECT *object = X509_EXTENSION_get_object(ext);
    int nid = OBJ_obj2nid(object);
    if (nid != NID_subject_alt_name && nid != NID_issuer_alt_name)
      continue;
    push_oid(L, object);
    lua_newtable(L);
    push_long_name(L, object);
    lua_setfield(L, -2, "name");
    add_names_of(L, ext, encoding);
    lua_rawset(L, -3);
  }
}
