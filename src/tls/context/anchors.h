/* SPDX-License-Identifier: MIT
 *
 * anchors.h - whom a SecureContext trusts: the certificates at the end of a good chain, and
 * lists of those that were revoked. */
#ifndef NET_TLS_ANCHORS_H
#define NET_TLS_ANCHORS_H

#include <lua.h>

#include "tls/base/openssl.h"

struct net_tls_context;

/* Certificates that this context trusts besides, and whose names it sends to clients; 0 if
 * libssl has no memory. [-] */
int net_tls_anchors_add(struct net_tls_context *c, STACK_OF(X509) *certificates);

/* Into the table of functions on the top; each answers as context.h says, but for the
 * last four:
 * add_ca(context, pem): at least one certificate.
 * use_default_ca(context): the default store, which is made if there is none yet.
 * set_partial_chain(context): an intermediate is an anchor, too.
 * add_crl(context, pem): at least one list; from then on all are looked at.
 * trust(context) -> bytes, the same for the same certificates, lists and flags.
 * ca_count() -> how many certificates the default store has.
 * ca(is_default) -> a list of their PEMs, or of those of the system.
 * set_default_ca(pems) -> how many the new default store has of them; 0 if there was
 * something, and nothing of it a certificate: the old store stays. [-0, +0, e] */
void net_tls_anchors_open(lua_State *L);

#endif
