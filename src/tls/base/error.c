/* SPDX-License-Identifier: MIT
 *
 * error.c - what OpenSSL's error queue holds, as net's error values. See error.h.
 *
 * Texts and codes are Node's, without what it shows of OpenSSL's source: thread, function,
 * file and line. They are the same with every version of OpenSSL: the number in the text is
 * made of library and reason as OpenSSL 3 does, and an alert of SSL 3's has the name that
 * OpenSSL 3.2 gave it. */
#include "tls/base/error.h"

#include <ctype.h>
#include <lauxlib.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char metatable_key; /* registry: that of net's errors */

/* --- the queue ------------------------------------------------------------------- */

/* Libraries of OpenSSL 3, also where there are none of these numbers. */
enum { LIB_PROVIDERS = 57, LIB_DECODERS = 60 };

/* What OpenSSL 1.1.1 says otherwise: a wrong passphrase is for the ciphers to tell. */
static unsigned long renamed(unsigned long code) {
#if OPENSSL_VERSION_NUMBER < 0x30000000L
  if (ERR_GET_LIB(code) == ERR_LIB_EVP && ERR_GET_REASON(code) == EVP_R_BAD_DECRYPT)
    return ERR_PACK(LIB_PROVIDERS, 0, EVP_R_BAD_DECRYPT);
#endif
  return code;
}

/* A record that is too long has one name in OpenSSL 3.2, and three before. */
static unsigned long canonical(unsigned long code) {
  int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
      (reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_ENCRYPTED_LENGTH_TOO_LONG))
    return ERR_PACK(ERR_LIB_SSL, 0, SSL_R_DATA_LENGTH_TOO_LONG);
  return renamed(code);
}

static unsigned long next_entry(const char **data, int *flags) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  return ERR_get_error_all(NULL, NULL, NULL, data, flags);
#else
  return ERR_get_error_line_data(NULL, NULL, data, flags);
#endif
}

/* "SSL alert number 40" */
static int alert_in(const char *data, int flags) {
  static const char prefix[] = "SSL alert number ";
  if (!(flags & ERR_TXT_STRING) || strncmp(data, prefix, sizeof prefix - 1) != 0)
    return -1;
  return (int)strtol(data + sizeof prefix - 1, NULL, 10);
}

void net_tls_failure_take(struct net_tls_failure *f) {
  const char *data = "";
  int flags = 0;
  unsigned long code;
  f->count = 0;
  while ((code = next_entry(&data, &flags)) != 0) {
    if (f->count == NET_TLS_FAILURE_MAX)
      continue;
    f->entry[f->count].code = canonical(code);
    f->entry[f->count].alert = alert_in(data, flags);
    f->count++;
  }
}

/* --- texts ------------------------------------------------------------------------ */

/* What OpenSSL 1.1.1 has no words for, or other ones: its 294 is something else. NULL: it is
 * for OpenSSL to say. */
static const char *words_of(unsigned long code) {
  static const struct {
    unsigned long code;
    const char *words;
  } known[] = {
    { NET_TLS_UNEXPECTED_EOF, "unexpected eof while reading" },
    { ERR_PACK(ERR_LIB_SSL, 0, 1115), "tlsv1 alert unknown psk identity" },
    { ERR_PACK(ERR_LIB_SSL, 0, 1120), "tlsv1 alert no application protocol" },
    { ERR_PACK(LIB_PROVIDERS, 0, EVP_R_BAD_DECRYPT), "bad decrypt" },
    { NET_TLS_UNSUPPORTED, "unsupported" },
    { NET_TLS_CANCELLED, "interrupted or cancelled" },
  };
  unsigned long plain = ERR_PACK(ERR_GET_LIB(code), 0, ERR_GET_REASON(code));
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].code == plain)
      return known[i].words;
  return NULL;
}

static const char *library_of(unsigned long code) {
  const char *library = ERR_lib_error_string(code);
  if (library)
    return library;
  return ERR_GET_LIB(code) == LIB_PROVIDERS  ? "Provider routines"
         : ERR_GET_LIB(code) == LIB_DECODERS ? "DECODER routines"
                                             : NULL;
}

/* Pushes the reason in OpenSSL's words, or nil. [-0, +1, m] */
static void push_reason(lua_State *L, unsigned long code) {
  static const char old[] = "sslv3 alert ";
  const char *reason = words_of(code);
  if (reason == NULL)
    reason = ERR_reason_error_string(code);
  if (reason == NULL && ERR_GET_LIB(code) == ERR_LIB_SYS)
    reason = strerror(ERR_GET_REASON(code)); /* OpenSSL 3 has no words for errno */
  if (reason && strncmp(reason, old, sizeof old - 1) == 0)
    lua_pushfstring(L, "ssl/tls alert %s", reason + sizeof old - 1);
  else
    lua_pushstring(L, reason); /* nil for NULL */
}

/* Pushes `error:0A00009C:SSL routines::http request`. [-0, +1, m] */
static void push_text(lua_State *L, unsigned long code, int alert) {
  enum { LIBRARY_SHIFT = 23, REASON_COMMON = 0x80000 }; /* for which 1.1.1's codes have no room */
  char number[sizeof "00000000"];
  const char *library = library_of(code);
  unsigned long packed =
    ((unsigned long)ERR_GET_LIB(code) << LIBRARY_SHIFT) | (unsigned long)ERR_GET_REASON(code);
  if (code == NET_TLS_UNSUPPORTED || code == NET_TLS_CANCELLED)
    packed |= REASON_COMMON;
  (void)snprintf(number, sizeof number, "%08lX", packed & 0xFFFFFFFFUL);
  push_reason(L, code);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushfstring(L, "reason(%d)", ERR_GET_REASON(code));
  }
  lua_pushfstring(L, "error:%s:%s::%s", number, library ? library : "", lua_tostring(L, -1));
  if (alert >= 0) {
    lua_pushfstring(L, " (alert %d)", alert);
    lua_concat(L, 2);
  }
  lua_remove(L, -2);
}

/* What stands before the reason in a code, for the libraries that Node knows. */
static const char *prefix_of(int library) {
  static const struct {
    int library;
    const char *prefix;
  } known[] = {
    { ERR_LIB_SSL, "ERR_SSL_" },
    { ERR_LIB_SYS, "ERR_OSSL_SYS_" },
    { ERR_LIB_BN, "ERR_OSSL_BN_" },
    { ERR_LIB_RSA, "ERR_OSSL_RSA_" },
    { ERR_LIB_DH, "ERR_OSSL_DH_" },
    { ERR_LIB_EVP, "ERR_OSSL_EVP_" },
    { ERR_LIB_BUF, "ERR_OSSL_BUF_" },
    { ERR_LIB_OBJ, "ERR_OSSL_OBJ_" },
    { ERR_LIB_PEM, "ERR_OSSL_PEM_" },
    { ERR_LIB_DSA, "ERR_OSSL_DSA_" },
    { ERR_LIB_X509, "ERR_OSSL_X509_" },
    { ERR_LIB_ASN1, "ERR_OSSL_ASN1_" },
    { ERR_LIB_CONF, "ERR_OSSL_CONF_" },
    { ERR_LIB_CRYPTO, "ERR_OSSL_CRYPTO_" },
    { ERR_LIB_EC, "ERR_OSSL_EC_" },
    { ERR_LIB_BIO, "ERR_OSSL_BIO_" },
    { ERR_LIB_PKCS7, "ERR_OSSL_PKCS7_" },
    { ERR_LIB_X509V3, "ERR_OSSL_X509V3_" },
    { ERR_LIB_PKCS12, "ERR_OSSL_PKCS12_" },
    { ERR_LIB_RAND, "ERR_OSSL_RAND_" },
    { ERR_LIB_OCSP, "ERR_OSSL_OCSP_" },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].library == library)
      return known[i].prefix;
  return "ERR_OSSL_"; /* as of OpenSSL 3's providers and decoders */
}

/* Pushes ERR_SSL_HTTP_REQUEST and the like, or nil for a reason without a name. [-0, +1, m] */
static void push_code(lua_State *L, unsigned long code) {
  luaL_Buffer b;
  push_reason(L, code);
  const char *reason = lua_tostring(L, -1);
  if (reason == NULL)
    return;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, prefix_of(ERR_GET_LIB(code)));
  for (; *reason; reason++)
    luaL_addchar(&b, (char)(*reason == ' ' ? '_' : toupper((unsigned char)*reason)));
  luaL_pushresult(&b);
  lua_remove(L, -2);
}

/* --- values -------------------------------------------------------------------------- */

void net_tls_push_plain(lua_State *L, const char *message, const char *code) {
  luaL_checkstack(L, 6, "no room for an error");
  lua_createtable(L, 0, 6);
  lua_pushliteral(L, "Error");
  lua_setfield(L, -2, "name");
  lua_pushstring(L, message);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_setmetatable(L, -2);
}

/* Sets opensslErrorStack of the error on the top: what followed the first. [-0, +0, m] */
static void set_stack(lua_State *L, const struct net_tls_failure *f) {
  lua_createtable(L, (int)f->count - 1, 0);
  for (unsigned i = 1; i < f->count; i++) {
    push_text(L, f->entry[i].code, f->entry[i].alert);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  lua_setfield(L, -2, "opensslErrorStack");
}

void net_tls_failure_push(lua_State *L, const struct net_tls_failure *f) {
  if (f->count == 0) {
    net_tls_push_plain(L, "OpenSSL has failed, and does not say why",
                       "ERR_CRYPTO_OPERATION_FAILED");
    return;
  }
  unsigned long code = f->entry[0].code;
  net_tls_push_plain(L, "", NULL);
  push_text(L, code, f->entry[0].alert);
  lua_setfield(L, -2, "message");
  push_code(L, code);
  lua_setfield(L, -2, "code");
  lua_pushstring(L, library_of(code));
  lua_setfield(L, -2, "library");
  push_reason(L, code);
  lua_setfield(L, -2, "reason");
  if (f->count > 1)
    set_stack(L, f);
}

void net_tls_push_error(lua_State *L) {
  struct net_tls_failure f;
  net_tls_failure_take(&f);
  net_tls_failure_push(L, &f);
}

int net_tls_raise_error(lua_State *L) {
  net_tls_push_error(L);
  luaL_traceback(L, L, luaL_tolstring(L, -1, NULL), 0);
  lua_setfield(L, -3, "stack");
  lua_pop(L, 1);
  return lua_error(L);
}

int net_tls_raise_memory(lua_State *L) {
  ERR_clear_error();
  lua_pushliteral(L, "not enough memory");
  return lua_error(L);
}

void net_tls_error_open(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "net.core");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "error_metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
  lua_pop(L, 1);
}
