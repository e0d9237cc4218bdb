/* SPDX-License-Identifier: MIT
 *
 * certificate.h - a certificate as a table, as Node's getPeerCertificate has it. */
#ifndef NET_TLS_CERTIFICATE_H
#define NET_TLS_CERTIFICATE_H

#include <lua.h>

#include "tls/base/openssl.h"

/* Pushes the table of a certificate, which stays the caller's and has to live on. [-0, +1, e] */
void net_tls_certificate_push(lua_State *L, X509 *certificate);
/* The same with 'issuerCertificate', and so on up to the root, whose issuer is itself: of
 * 'chain', which may be NULL and have them in any order, and then of the store of 'ctx'.
 * [-0, +1, e] */
void net_tls_certificate_push_chain(lua_State *L, X509 *certificate, STACK_OF(X509) *chain,
                                    SSL_CTX *ctx);

/* Adds certificate(pem) -> table, or nil and an error, to the core table on the top.
 * [-0, +0, m] */
void net_tls_certificate_open(lua_State *L);

#endif
