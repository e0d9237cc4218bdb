/* SPDX-License-Identifier: MIT
 *
 * tickets.h - session tickets, with keys that a program can know and set.
 *
 * 48 bytes, as in Node: a name, a key for HMAC-SHA256, a key for AES-128-CBC, 16 bytes
 * each. libssl's own are 80 on the same calls, so the callback that uses them is ours;
 * two servers that share 48 bytes resume each other's sessions, be they Node's or these. */
#ifndef NET_TLS_TICKETS_H
#define NET_TLS_TICKETS_H

#include <lua.h>

#include "tls/base/openssl.h"

enum { NET_TLS_TICKET_KEYS = 48 };

/* Gives a new SSL_CTX random keys, and the callback; 0 if that fails. [-] */
int net_tls_tickets_install(SSL_CTX *ctx);
/* The tickets of this connection are made with the keys of that context from here on, which lives
 * longer; 0: no memory. [-] */
int net_tls_tickets_bind(SSL *ssl, SSL_CTX *ctx);

/* Into the table of functions on the top: ticket_keys(context) -> 48 bytes,
 * set_ticket_keys(context, bytes). [-0, +0, e] */
void net_tls_tickets_open(lua_State *L);

#endif
