/* SPDX-License-Identifier: MIT
 *
 * psk.c - keys that both sides know before. See psk.h.
 *
 * OpenSSL has no way to wait for such a key, so that Lua runs in the middle of its call:
 * protected, as an error would be a longjmp through OpenSSL's frames. What the program does
 * meanwhile to this connection, such as destroy(), is put off until the call is over; what
 * it does to others has buffers of its own. */
#include "tls/connection/psk.h"

#include <lauxlib.h>

#include "tls/connection/callbacks.h"

#ifndef OPENSSL_NO_PSK

/* A question, and where the answer goes. */
struct question {
  struct net_tls *t;
  const char *about; /* the hint or the identity; NULL: there is none */
  unsigned char *key;
  size_t key_size, key_len; /* len 0: there is no key */
  char *identity;           /* of a client; all NUL, and one more than its size behind it */
  size_t identity_size;
};

/* Copies the string at 'idx'; what is too long was refused by the Lua half. */
static size_t copy_string(lua_State *L, int idx, void *to, size_t size) {
  size_t len = 0;
  const char *bytes = lua_tolstring(L, idx, &len);
  if (bytes == NULL || len > size)
    return 0;
  memcpy(to, bytes, len);
  return len;
}

/* [C function] (question): in a protected call. */
static int ask(lua_State *L) {
  struct question *q = lua_touserdata(L, 1);
  lua_pushstring(L, q->about);
  net_tls_ask(L, q->t, "psk", 1, 2);
  if (q->identity)
    (void)copy_string(L, -1, q->identity, q->identity_size);
  q->key_len = copy_string(L, -2, q->key, q->key_size);
  return 0;
}

/* Asks Lua; returns how long the key is. */
static unsigned answer(struct question *q) {
  struct net_tls *t = q->t;
  struct net_tls_shared *shared = t->shared;
  lua_State *L = t->amid;
  unsigned nested = shared->nested;
  if (L == NULL || t->raised || t->closed || !lua_checkstack(L, LUA_MINSTACK))
    return 0;
  shared->nested = nested + t->depth + 1;
  lua_pushcfunction(L, ask);
  lua_pushlightuserdata(L, q);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    net_tls_keep_refusal(L, t);
    t->raised = 1;
    q->key_len = 0;
  }
  shared->nested = nested;
  return t->closed ? 0 : (unsigned)q->key_len;
}

static unsigned on_client(SSL *ssl, const char *hint, char *identity, unsigned identity_size,
                          unsigned char *key, unsigned key_size) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  struct question q = { t, hint, key, key_size, 0, identity, identity_size };
  return t ? answer(&q) : 0;
}

static unsigned on_server(SSL *ssl, const char *identity, unsigned char *key, unsigned key_size) {
  struct net_tls *t = net_tls_callbacks_connection(ssl);
  struct question q = { t, identity, key, key_size, 0, NULL, 0 };
  return t && identity ? answer(&q) : 0;
}

static int connection_psk(lua_State *L) {
  struct net_tls *t = net_tls_check(L, 1);
  if (t->ssl == NULL)
    return 0;
  if (t->is_server)
    SSL_set_psk_server_callback(t->ssl, on_server);
  else
    SSL_set_psk_client_callback(t->ssl, on_client);
  return 0;
}

static int connection_hint(lua_State *L) {
  struct net_tls *t = net_tls_check(L, 1);
  const char *hint = luaL_checkstring(L, 2);
  ERR_clear_error();
  if (t->ssl && !SSL_use_psk_identity_hint(t->ssl, hint))
    return net_tls_raise_error(L);
  return 0;
}

#else

enum { PSK_MAX_PSK_LEN = 0, PSK_MAX_IDENTITY_LEN = 0 };

static int connection_psk(lua_State *L) { return luaL_error(L, "this OpenSSL has no PSK"); }

static int connection_hint(lua_State *L) { return connection_psk(L); }

#endif

void net_tls_psk_open(lua_State *L) {
  static const luaL_Reg methods[] = { { "psk", connection_psk },
                                      { "hint", connection_hint },
                                      { NULL, NULL } };
  lua_getfield(L, -1, "Connection");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
  lua_pushinteger(L, PSK_MAX_PSK_LEN);
  lua_setfield(L, -2, "PSK_MAX");
  lua_pushinteger(L, PSK_MAX_IDENTITY_LEN);
  lua_setfield(L, -2, "PSK_IDENTITY_MAX");
}
