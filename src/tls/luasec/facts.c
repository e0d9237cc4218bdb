/* SPDX-License-Identifier: MIT
 *
 * facts.c - what LuaSec's connections can be asked for. See luasec.h. */
#include <lauxlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "tls/luasec/luasec.h"

/* info(connection) -> OpenSSL's description of the cipher, bits, bits of the algorithm,
 * protocol, method of compression; nil, "closed" before the handshake */
static int sec_info(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  char text[256];
  int bits, of_algorithm;
  if (!e->connected)
    return net_sec_closed(L);
  const SSL_CIPHER *cipher = SSL_get_current_cipher(e->ssl);
  if (cipher == NULL)
    return 0;
  bits = SSL_CIPHER_get_bits(cipher, &of_algorithm);
  lua_pushstring(L, SSL_CIPHER_description(cipher, text, sizeof text));
  lua_pushinteger(L, bits);
  lua_pushinteger(L, of_algorithm);
  lua_pushstring(L, SSL_get_version(e->ssl));
  lua_pushstring(L, SSL_COMP_get_name(SSL_get_current_compression(e->ssl)));
  return 5;
}

/* want(connection) -> what it waits for: "read", "write", "nothing" */
static int sec_want(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  switch (e->ssl && e->word == NULL && e->broken == 0 ? SSL_want(e->ssl) : SSL_NOTHING) {
    case SSL_READING: lua_pushliteral(L, "read"); break;
    case SSL_WRITING: lua_pushliteral(L, "write"); break;
    case SSL_X509_LOOKUP: lua_pushliteral(L, "x509lookup"); break;
    default: lua_pushliteral(L, "nothing"); break;
  }
  return 1;
}

/* alpn(connection) -> the protocol, or nil */
static int sec_alpn(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  const unsigned char *name = NULL;
  unsigned len = 0;
  if (e->ssl)
    SSL_get0_alpn_selected(e->ssl, &name, &len);
  if (len > 0)
    lua_pushlstring(L, (const char *)name, len);
  else
    lua_pushnil(L);
  return 1;
}

/* --- names ------------------------------------------------------------------------------ */

/* servername(connection) -> the name that the client has asked for, or nil */
static int sec_servername(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  lua_pushstring(L, e->ssl ? SSL_get_servername(e->ssl, TLSEXT_NAMETYPE_host_name) : NULL);
  return 1;
}

/* isserver(connection) */
static int sec_isserver(lua_State *L) {
  lua_pushboolean(L, net_sec_check(L, 1)->is_server);
  return 1;
}

/* iscontext(any): is it one that is not closed? */
static int sec_iscontext(lua_State *L) {
  const struct net_sec_context *c = luaL_testudata(L, 1, NET_SEC_CONTEXT_CLASS);
  lua_pushboolean(L, c != NULL && c->ctx != NULL);
  return 1;
}

/* sni(connection, name), of a client; sni(connection, {name = context}[, strict]), of a server,
 * with contexts and nothing else */
static int sec_sni(lua_State *L) {
  struct net_sec *e = net_sec_check(L, 1);
  if (e->ssl == NULL)
    return 0;
  if (!e->is_server) {
    size_t len;
    const char *name = luaL_checklstring(L, 2, &len);
    if (strlen(name) == len)
      (void)SSL_set_tlsext_host_name(e->ssl, name);
    ERR_clear_error();
    return 0;
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  e->is_strict = lua_toboolean(L, 3);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, NET_SEC_NAMES);
  return 0;
}

/* --- the handshake ---------------------------------------------------------------------- */

enum { FINISHED_MAX = 256 };

static int push_finished(lua_State *L, size_t (*get)(const SSL *, void *, size_t)) {
  const struct net_sec *e = net_sec_check(L, 1);
  char bytes[FINISHED_MAX];
  if (!e->connected)
    return net_sec_closed(L);
  size_t len = get(e->ssl, bytes, sizeof bytes);
  if (len == 0)
    return 0;
  lua_pushlstring(L, bytes, len < sizeof bytes ? len : sizeof bytes);
  return 1;
}

/* finished(connection), peerfinished(connection) -> the messages that end the handshake */
static int sec_finished(lua_State *L) { return push_finished(L, SSL_get_finished); }
static int sec_peerfinished(lua_State *L) { return push_finished(L, SSL_get_peer_finished); }

/* keyingmaterial(connection, label, n[, context]) -> n bytes that only both ends know */
static int sec_keyingmaterial(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  size_t label_len, context_len = 0;
  const char *label = luaL_checklstring(L, 2, &label_len);
  lua_Integer n = luaL_checkinteger(L, 3);
  const char *context = luaL_optlstring(L, 4, NULL, &context_len);
  luaL_argcheck(L, n >= 0 && n <= 1 << 20, 3, "out of range");
  if (!e->connected)
    return net_sec_closed(L);
  unsigned char *bytes = lua_newuserdatauv(L, (size_t)n + 1, 0);
  ERR_clear_error();
  if (SSL_export_keying_material(e->ssl, bytes, (size_t)n, label, label_len,
                                 (const unsigned char *)context, context_len, context != NULL) != 1)
    return net_sec_refuse(L, "error exporting keying material (%s)");
  lua_pushlstring(L, (const char *)bytes, (size_t)n);
  OPENSSL_cleanse(bytes, (size_t)n);
  return 1;
}

/* --- certificates ------------------------------------------------------------------------ */

/* A table of the faults that were gone past: depth + 1 -> their words. [-0, +1, m] */
static void push_faults(lua_State *L, const struct net_sec *e) {
  lua_newtable(L);
  for (int i = 0; i < e->fault_count; i++) {
    if (lua_rawgeti(L, -1, e->faults[i].depth + 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -1);
      lua_rawseti(L, -3, e->faults[i].depth + 1);
    }
    lua_pushstring(L, X509_verify_cert_error_string(e->faults[i].code));
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
  }
}

/* verification(connection) -> true; or false, and a word, or all of them where the context says
 * "lsec_continue" */
static int sec_verification(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  lua_pushboolean(L, 0);
  if (!e->connected) {
    lua_pushliteral(L, "closed");
    return 2;
  }
  long verdict = SSL_get_verify_result(e->ssl);
  if (verdict == X509_V_OK && e->fault_count == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  if (e->fault_count > 0)
    push_faults(L, e);
  else
    lua_pushstring(L, X509_verify_cert_error_string(verdict));
  return 2;
}

/* Certificate n, 1 is the peer's own, with a reference for who is given it; NULL: there are not
 * so many. A server's list lacks the first. [-] */
static X509 *nth_certificate(const SSL *ssl, lua_Integer n) {
  if (n == 1)
    return SSL_get_peer_certificate(ssl);
  STACK_OF(X509) *list = SSL_get_peer_cert_chain(ssl);
  lua_Integer at = SSL_is_server(ssl) ? n - 2 : n - 1;
  if (list == NULL || at >= sk_X509_num(list))
    return NULL;
  X509 *found = sk_X509_value(list, (int)at);
  X509_up_ref(found);
  return found;
}

/* certificate(connection[, n]) -> a certificate of the peer's, or nil */
static int sec_certificate(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  if (!e->connected)
    return net_sec_closed(L);
  if (n < 1)
    return net_sec_no(L, "%s", "invalid certificate index");
  net_sec_certificate_push(L, nth_certificate(e->ssl, n));
  return 1;
}

/* chain(connection) -> a list of what the peer has sent */
static int sec_chain(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  if (!e->connected)
    return net_sec_closed(L);
  lua_newtable(L);
  for (lua_Integer n = 1;; n++) {
    net_sec_certificate_push(L, nth_certificate(e->ssl, n));
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      return 1;
    }
    lua_rawseti(L, -2, n);
  }
}

/* --- opening ----------------------------------------------------------------------------- */

void net_sec_facts_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "info", sec_info },
    { "want", sec_want },
    { "alpn", sec_alpn },
    { "servername", sec_servername },
    { "sni", sec_sni },
    { "isserver", sec_isserver },
    { "iscontext", sec_iscontext },
    { "finished", sec_finished },
    { "peerfinished", sec_peerfinished },
    { "keyingmaterial", sec_keyingmaterial },
    { "verification", sec_verification },
    { "certificate", sec_certificate },
    { "chain", sec_chain },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
}

static int core_sec(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  if (lua_getfield(L, 1, "sec") == LUA_TTABLE)
    return 1;
  lua_settop(L, 1);
  lua_newtable(L);
  net_sec_context_open(L);
  net_sec_options_open(L);
  net_sec_connection_open(L);
  net_sec_facts_open(L);
  net_sec_certificate_open(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, 1, "sec");
  return 1;
}

void net_sec_open(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, core_sec, 1);
  lua_setfield(L, -2, "open_sec");
}
