/* SPDX-License-Identifier: MIT
 *
 * trace.c - what a connection says to its peer, in words, on stderr. See trace.h.
 *
 * For a look at a handshake that fails; it shows secrets, so it is never on by itself. The
 * words are OpenSSL's own, which may be built without them: then there are none, as in Node. */
#include "tls/connection/trace.h"

#include <lauxlib.h>
#include <stdio.h>

#include "tls/connection/connection.h"

#ifndef OPENSSL_NO_SSL_TRACE

/* A stderr that takes no more is no fault of the connection's. */
static void on_message(int sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *out) {
  ERR_set_mark();
  SSL_trace(sent, version, type, bytes, len, ssl, out);
  ERR_pop_to_mark();
}

static int connection_trace(lua_State *L) {
  struct net_tls *t = net_tls_check(L, 1);
  if (t->ssl == NULL || t->trace)
    return 0;
  t->trace = BIO_new_fp(stderr, BIO_NOCLOSE | BIO_FP_TEXT);
  if (t->trace == NULL)
    return net_tls_raise_memory(L);
  SSL_set_msg_callback(t->ssl, on_message);
  SSL_set_msg_callback_arg(t->ssl, t->trace);
  return 0;
}

#else

static int connection_trace(lua_State *L) {
  (void)L;
  return 0;
}

#endif

void net_tls_trace_open(lua_State *L) {
  lua_getfield(L, -1, "Connection");
  lua_pushcfunction(L, connection_trace);
  lua_setfield(L, -2, "trace");
  lua_pop(L, 1);
}
