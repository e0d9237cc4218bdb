/* SPDX-License-Identifier: MIT
 *
 * tlshandshake.c - two ends of TLS in one process, without a socket, as a Lua module: for
 * the specs of what a context promises its connections.
 *
 *     local pair = tlshandshake.pair(client, server, client_flags, server_flags, name, session)
 *     local client_error, server_error = tlshandshake.shake(pair)
 *     tlshandshake.verdict(pair, "client")           -- the error behind it, or nil
 *     tlshandshake.ask(pair, "client", "cipher")     -- src/tls/connection/inspect.h
 *     tlshandshake.export(pair, "client", 32, "label", "context")
 *     tlshandshake.session(pair), tlshandshake.reused(pair) */
#include <lauxlib.h>
#include <string.h>

#include "tls/context/context.h"
#include "tls/base/error.h"
#include "tls/connection/inspect.h"
#include "tls/base/net.h"
#include "tls/context/verify.h"

enum { CLIENT, SERVER, SIDES };

struct pair {
  SSL *side[SIDES];
};

static int pair_gc(lua_State *L) {
  struct pair *p = luaL_checkudata(L, 1, "tlshandshake");
  for (int i = 0; i < SIDES; i++) {
    SSL_free(p->side[i]);
    p->side[i] = NULL;
  }
  return 0;
}

static SSL *side_at(lua_State *L) {
  struct pair *p = luaL_checkudata(L, 1, "tlshandshake");
  return p->side[strcmp(luaL_checkstring(L, 2), "server") == 0 ? SERVER : CLIENT];
}

static BIO *pipe_new(void) {
  BIO *bio = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(bio, -1);
  return bio;
}

static void set_session(lua_State *L, SSL *ssl, int idx) {
  size_t len;
  const unsigned char *der = (const unsigned char *)lua_tolstring(L, idx, &len);
  SSL_SESSION *session = der ? d2i_SSL_SESSION(NULL, &der, (long)len) : NULL;
  if (session)
    SSL_set_session(ssl, session);
  SSL_SESSION_free(session);
}

static int tlshandshake_pair(lua_State *L) {
  struct net_tls_context *of[SIDES] = { net_tls_context_check(L, 1), net_tls_context_check(L, 2) };
  lua_settop(L, 6);
  struct pair *p = lua_newuserdatauv(L, sizeof *p, 0);
  memset(p, 0, sizeof *p);
  luaL_setmetatable(L, "tlshandshake");
  for (int i = 0; i < SIDES; i++) {
    p->side[i] = SSL_new(of[i]->ctx);
    net_tls_verify_set(p->side[i], (int)luaL_optinteger(L, 3 + i, 0));
  }
  BIO *up = pipe_new(), *down = pipe_new();
  BIO_up_ref(up);
  BIO_up_ref(down);
  SSL_set_bio(p->side[CLIENT], down, up);
  SSL_set_bio(p->side[SERVER], up, down);
  SSL_set_connect_state(p->side[CLIENT]);
  SSL_set_accept_state(p->side[SERVER]);
  if (!lua_isnoneornil(L, 5))
    SSL_set_tlsext_host_name(p->side[CLIENT], luaL_checkstring(L, 5));
  set_session(L, p->side[CLIENT], 6);
  return 1;
}

/* One step: 1 if it is through, 0 if it waits, -1 if it has failed and the error is
 * pushed. */
static int step(lua_State *L, SSL *ssl) {
  char byte;
  ERR_clear_error();
  int done = SSL_is_init_finished(ssl) ? SSL_read(ssl, &byte, 1) : SSL_do_handshake(ssl);
  int what = SSL_get_error(ssl, done);
  if (done > 0 || what == SSL_ERROR_WANT_READ)
    return SSL_is_init_finished(ssl);
  net_tls_push_error(L);
  return -1;
}

static int tlshandshake_shake(lua_State *L) {
  enum { ROUNDS = 20 };
  struct pair *p = luaL_checkudata(L, 1, "tlshandshake");
  lua_settop(L, 1);
  lua_pushnil(L);
  lua_pushnil(L);
  for (int i = 0; i < ROUNDS; i++)
    for (int side = 0; side < SIDES; side++)
      if (lua_isnil(L, 2 + side) && step(L, p->side[side]) < 0)
        lua_replace(L, 2 + side);
  return 2;
}

static int tlshandshake_verdict(lua_State *L) {
  long verdict = SSL_get_verify_result(side_at(L));
  if (verdict == X509_V_OK)
    lua_pushnil(L);
  else
    net_tls_verify_push(L, verdict);
  return 1;
}

static int tlshandshake_ask(lua_State *L) {
  static const char *const what[] = { "cipher",        "protocol", "ephemeral", "sigalgs",
                                      "finished",      "theirs",   "own",       "peer",
                                      "peer detailed", NULL };
  SSL *ssl = side_at(L);
  switch (luaL_checkoption(L, 3, NULL, what)) {
    case 0: net_tls_inspect_cipher(L, ssl); break;
    case 1: net_tls_inspect_protocol(L, ssl); break;
    case 2: net_tls_inspect_ephemeral_key(L, ssl); break;
    case 3: net_tls_inspect_sigalgs(L, ssl); break;
    case 4: net_tls_inspect_finished(L, ssl, 0); break;
    case 5: net_tls_inspect_finished(L, ssl, 1); break;
    case 6: net_tls_inspect_certificate(L, ssl); break;
    case 7: net_tls_inspect_peer_certificate(L, ssl, 0); break;
    default: net_tls_inspect_peer_certificate(L, ssl, 1); break;
  }
  return 1;
}

static int tlshandshake_export(lua_State *L) {
  lua_settop(L, 5);
  net_tls_inspect_export(L, side_at(L), (size_t)luaL_checkinteger(L, 3), 4, 5);
  return 1;
}

static int tlshandshake_session(lua_State *L) {
  struct pair *p = luaL_checkudata(L, 1, "tlshandshake");
  SSL_SESSION *session = SSL_get_session(p->side[CLIENT]);
  int len = i2d_SSL_SESSION(session, NULL);
  unsigned char *der = lua_newuserdatauv(L, (size_t)len, 0), *at = der;
  i2d_SSL_SESSION(session, &at);
  lua_pushlstring(L, (const char *)der, (size_t)len);
  SSL_set_shutdown(p->side[CLIENT], SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  return 1;
}

static int tlshandshake_reused(lua_State *L) {
  struct pair *p = luaL_checkudata(L, 1, "tlshandshake");
  lua_pushboolean(L, SSL_session_reused(p->side[CLIENT]));
  return 1;
}

static void open_constants(lua_State *L) {
  lua_pushinteger(L, NET_TLS_VERIFY_SERVER);
  lua_setfield(L, -2, "SERVER");
  lua_pushinteger(L, NET_TLS_VERIFY_REQUEST);
  lua_setfield(L, -2, "REQUEST");
  lua_pushinteger(L, NET_TLS_VERIFY_REJECT);
  lua_setfield(L, -2, "REJECT");
}

__attribute__((visibility("default"))) int luaopen_tlshandshake(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "pair", tlshandshake_pair },       { "shake", tlshandshake_shake },
    { "verdict", tlshandshake_verdict }, { "ask", tlshandshake_ask },
    { "export", tlshandshake_export },   { "session", tlshandshake_session },
    { "reused", tlshandshake_reused },   { NULL, NULL }
  };
  net_tls_net = net_capi_get(L);
  net_tls_error_open(L);
  luaL_newmetatable(L, "tlshandshake");
  lua_pushcfunction(L, pair_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, functions);
  open_constants(L);
  return 1;
}
