/* SPDX-License-Identifier: MIT
 *
 * settings.c - what the Lua half says to a connection before and amid its handshake.
 *
 * All of it is the library's own: what programs give was checked before. */
#include "tls/connection/settings.h"

#include <lauxlib.h>

#include "tls/certificate/identity.h"
#include "tls/connection/callbacks.h"
#include "tls/connection/connection.h"
#include "tls/connection/flow.h"
#include "tls/connection/turns.h"
#include "tls/context/verify.h"

/* Has 'ready' run. */
static void wake(const struct net_tls *t, int events) {
  struct net_handle *h = t->installed ? net_tls_net->handle(t->below.stream) : NULL;
  if (h)
    net_tls_net->wake(h, events);
}

/* verify(requests, rejects): whether the peer has to show a certificate, and a good one */
static int connection_verify(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  int requests = lua_toboolean(L, 2), rejects = lua_toboolean(L, 3);
  net_tls_verify_set(t->ssl, (t->is_server ? NET_TLS_VERIFY_SERVER : 0) |
                               (requests ? NET_TLS_VERIFY_REQUEST : 0) |
                               (rejects ? NET_TLS_VERIFY_REJECT : 0));
  return 0;
}

/* name(servername): what a client asks for */
static int connection_name(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  ERR_clear_error();
  if (!SSL_set_tlsext_host_name(t->ssl, luaL_checkstring(L, 2)))
    return net_tls_raise_error(L);
  return 0;
}

/* alpn(names): as they stand in the extension; a server's are in its order */
static int connection_alpn(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  size_t len;
  const char *names = luaL_checklstring(L, 2, &len);
  if (!t->is_server) {
    if (SSL_set_alpn_protos(t->ssl, (const unsigned char *)names, (unsigned)len) != 0)
      return net_tls_raise_memory(L);
    t->alpn_len = (unsigned)len;
    return 0;
  }
  unsigned char *copy = malloc(len > 0 ? len : 1);
  if (copy == NULL)
    return net_tls_raise_memory(L);
  memcpy(copy, names, len);
  free(t->alpn);
  t->alpn = copy;
  t->alpn_len = (unsigned)len;
  return 0;
}

/* flags(asks, notify): Lua is to hear of the client's first message; an end without
 * close_notify is an error */
static int connection_flags(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  t->asks = (unsigned)lua_toboolean(L, 2);
  t->wants_notify = (unsigned)lua_toboolean(L, 3);
  return 0;
}

/* hears(server): what the server's listeners want to hear of */
static int connection_hears(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  if (net_tls_net->listens(L, 2, "resumeSession"))
    t->asks = 1;
  t->stores = net_tls_net->listens(L, 2, "newSession") != 0;
  t->logs_keys = net_tls_net->listens(L, 2, "keylog") != 0;
  if (t->logs_keys)
    net_tls_callbacks_log_keys(t->ssl);
  if (net_tls_net->listens(L, 2, "OCSPRequest"))
    net_tls_callbacks_ask_status(t);
  return 0;
}

/* hello() -> name, names of ALPN's extension, a session's id, or nil each: what the client
 * asks for; whether it will be TLS 1.3 */
static int connection_hello(lua_State *L) {
  const struct net_tls_hello *h = net_tls_check(L, 1)->hello;
  lua_settop(L, 0);
  lua_pushlstring(L, h && h->name ? h->name : "", h ? h->name_len : 0);
  lua_pushlstring(L, h && h->alpn ? (const char *)h->alpn : "", h ? h->alpn_len : 0);
  lua_pushlstring(L, h && h->id ? (const char *)h->id : "", h ? h->id_len : 0);
  for (int i = 1; i <= 3; i++)
    if (lua_rawlen(L, i) == 0) {
      lua_pushnil(L);
      lua_replace(L, i);
    }
  lua_pushboolean(L, h && h->is_13);
  return 4;
}

/* found(der): the session of the client's id -> whether OpenSSL can read it */
static int connection_found(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  const unsigned char *at = (const unsigned char *)bytes;
  SSL_SESSION_free(t->found);
  t->found = d2i_SSL_SESSION(NULL, &at, (long)len);
  ERR_clear_error();
  lua_pushboolean(L, t->found != NULL);
  return 1;
}

/* go(): Lua has said what was asked; the handshake goes on */
static int connection_go(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  free(t->hello);
  t->hello = NULL;
  t->asks = t->waits = 0;
  if (t->installed)
    net_tls_turns_join(t);
  return 0;
}

/* want_status(): a client wants to have what an authority says of the server's certificate */
static int connection_want_status(lua_State *L) {
  SSL_set_tlsext_status_type(net_tls_check_open(L)->ssl, TLSEXT_STATUSTYPE_ocsp);
  return 0;
}

/* status(bytes): what is sent of it, "" for nothing; the handshake goes on */
static int connection_status(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  if (!net_tls_bytes_add(&t->status, bytes, len))
    return net_tls_raise_memory(L);
  t->asks_status = t->waits = 0;
  net_tls_turns_join(t);
  return 0;
}

/* open(): the verdict is good, bytes may pass */
static int connection_open(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  t->open = 1;
  wake(t, NET_WRITE | (net_tls_is_here(t) ? NET_READ : 0));
  return 0;
}

/* Has a server without a certificate shown that it knows a key? In TLS 1.3 that looks as a
 * session that is resumed. */
static int knows_key(SSL *ssl) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  if (cipher && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk)
    return 1;
  return SSL_version(ssl) == TLS1_3_VERSION && SSL_session_reused(ssl);
}

/* verdict(has_failed) -> nil, or the error that the peer's certificates are; of a handshake
 * that has failed it is the one that ended it */
static int connection_verdict(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  long verdict = SSL_get_verify_result(t->ssl);
  X509 *peer = SSL_get_peer_certificate(t->ssl);
  X509_free(peer);
  if (peer == NULL && !lua_toboolean(L, 2)) {
    if (!t->is_server && knows_key(t->ssl))
      return 0;
    verdict = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT; /* as Node */
  }
  if (verdict == X509_V_OK)
    return 0;
  net_tls_verify_push(L, verdict);
  return 1;
}

/* is_of(host) -> boolean: is the peer's certificate that of a host, which identity.lua has
 * prepared? */
static int connection_is_of(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  size_t len;
  const char *host = luaL_checklstring(L, 2, &len);
  X509 *peer = SSL_get_peer_certificate(t->ssl);
  lua_pushboolean(L, peer != NULL && net_tls_identity_check(peer, host, len));
  X509_free(peer);
  return 1;
}

/* Has a client's first message room for the session's ticket, behind the names of protocols? All
 * else that it has is less than 4 KiB, also with a key of ML-KEM; OpenSSL, which does not look,
 * would fail with an internal error. */
static int has_room_for(const struct net_tls *t, const SSL_SESSION *session) {
  enum { ROOM = 65535 - 4096 };
  const unsigned char *ticket;
  size_t len = 0;
  SSL_SESSION_get0_ticket(session, &ticket, &len);
  return len + t->alpn_len <= ROOM;
}

/* resume(der) -> whether OpenSSL knows what to do with it, and it can be offered */
static int connection_resume(lua_State *L) {
  struct net_tls *t = net_tls_check_open(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  const unsigned char *at = (const unsigned char *)bytes;
  SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)len);
  lua_pushboolean(L, session != NULL && has_room_for(t, session) &&
                       SSL_set_session(t->ssl, session) == 1);
  SSL_SESSION_free(session);
  ERR_clear_error();
  return 1;
}

/* state() -> "new", "handshake", "open" or nil: it is closed */
static int connection_state(lua_State *L) {
  const struct net_tls *t = net_tls_check(L, 1);
  if (t->ssl == NULL || t->closed)
    return 0;
  lua_pushstring(L, t->open ? "open" : t->installed ? "handshake" : "new");
  return 1;
}

/* got_notify() -> whether the peer has said that this was all */
static int connection_got_notify(lua_State *L) {
  lua_pushboolean(L, net_tls_check(L, 1)->got_notify);
  return 1;
}

void net_tls_settings_open(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "verify", connection_verify },
    { "name", connection_name },
    { "alpn", connection_alpn },
    { "flags", connection_flags },
    { "hears", connection_hears },
    { "hello", connection_hello },
    { "found", connection_found },
    { "go", connection_go },
    { "want_status", connection_want_status },
    { "status", connection_status },
    { "open", connection_open },
    { "verdict", connection_verdict },
    { "is_of", connection_is_of },
    { "resume", connection_resume },
    { "state", connection_state },
    { "got_notify", connection_got_notify },
    { NULL, NULL },
  };
  lua_getfield(L, -1, "Connection");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
}
