/* SPDX-License-Identifier: MIT
 *
 * error.h - what OpenSSL's error queue holds, as net's error values. */
#ifndef NET_TLS_ERROR_H
#define NET_TLS_ERROR_H

#include <lua.h>

#include "tls/base/openssl.h"

/* Only OpenSSL 3 has it, and there it is not told by who reads from a BIO. */
#define NET_TLS_UNEXPECTED_EOF ERR_PACK(ERR_LIB_SSL, 0, 294)
/* And the same of a key in no form that it knows, and of a passphrase that does not fit. */
#define NET_TLS_UNSUPPORTED ERR_PACK(60, 0, 268 | 0x80000)
#define NET_TLS_CANCELLED ERR_PACK(ERR_LIB_CRYPTO, 0, 265 | 0x80000)

/* How much of the queue is kept: the first says what failed, the rest is its stack. */
enum { NET_TLS_FAILURE_MAX = 6 };

struct net_tls_entry {
  unsigned long code;
  int alert; /* the number of the alert that the peer sent; -1: it is about none */
};

/* A queue that was read, for who may not run Lua yet. */
struct net_tls_failure {
  unsigned count; /* 0: OpenSSL has said nothing */
  struct net_tls_entry entry[NET_TLS_FAILURE_MAX];
};

/* Reads the error queue of this thread, and leaves it empty. What stays in there would turn
 * up as the failure of another connection. */
void net_tls_failure_take(struct net_tls_failure *f);
/* Pushes its error value: message, code, library, reason, and opensslErrorStack where there
 * is more than one entry. [-0, +1, m] */
void net_tls_failure_push(lua_State *L, const struct net_tls_failure *f);
/* Both: pushes the error behind a call of OpenSSL's that has just failed. [-0, +1, m] */
void net_tls_push_error(lua_State *L);
/* Raises it, with the traceback in its field 'stack'. [-0, -, e] */
int net_tls_raise_error(lua_State *L);
/* Raises Lua's own "not enough memory", for which it needs none, and leaves the queue empty.
 * [-0, -, e] */
int net_tls_raise_memory(lua_State *L);
/* Pushes an error value without further fields; 'code' may be NULL. [-0, +1, m] */
void net_tls_push_plain(lua_State *L, const char *message, const char *code);

/* Of core.so, once: keeps the metatable of net's errors. [-0, +0, e] */
void net_tls_error_open(lua_State *L);

#endif
