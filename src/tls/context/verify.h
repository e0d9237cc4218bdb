/* SPDX-License-Identifier: MIT
 *
 * verify.h - is the peer's chain of certificates a good one? In Node's codes and words.
 *
 * Judged inside of the handshake, so that a peer that is refused hears it by an alert; and
 * looked at once more after it, as a session that is resumed is not judged anew. */
#ifndef NET_TLS_VERIFY_H
#define NET_TLS_VERIFY_H

#include <lua.h>

#include "tls/base/openssl.h"

/* Whom a connection asks for a certificate, and what becomes of a bad one: bits. */
enum {
  NET_TLS_VERIFY_SERVER = 1,  /* this is the server's side */
  NET_TLS_VERIFY_REQUEST = 2, /* a server asks the client for one; a client always does */
  NET_TLS_VERIFY_REJECT = 4   /* a bad one, or on the server's side none, ends the handshake */
};

/* Makes this library's judgement that of all connections of the context. [-] */
void net_tls_verify_install(SSL_CTX *ctx);
/* NET_TLS_VERIFY_* bits of one connection, before its handshake. [-] */
void net_tls_verify_set(SSL *ssl, int flags);
/* Pushes the error behind a verdict, SSL_get_verify_result's, which is not X509_V_OK.
 * [-0, +1, m] */
void net_tls_verify_push(lua_State *L, long verdict);
/* Its code, also "UNSPECIFIED": for authorizationError. [-] */
const char *net_tls_verify_code(long verdict);

#endif
