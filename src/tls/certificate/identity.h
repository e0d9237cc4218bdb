/* SPDX-License-Identifier: MIT
 *
 * identity.h - is a certificate that of a host? By Node's rules. */
#ifndef NET_TLS_IDENTITY_H
#define NET_TLS_IDENTITY_H

#include <lua.h>

#include "tls/base/openssl.h"

/* Whether the certificate is that of the host: an IP address, or a name in ASCII without
 * its last dot, as identity.prepare of lua/net/internal/tls/identity.lua makes it of what a
 * program has. No means no; why, tells checkServerIdentity of that module. [-] */
int net_tls_identity_check(const X509 *certificate, const char *host, size_t len);

/* Adds 'identity' to the core table on the top: check(pem, host) -> the same, or nil where
 * the PEM is no certificate; matches(host, pattern) -> boolean, of two names;
 * canonical(text) -> an IP address in its one spelling, without zone, or nil. [-0, +0, e] */
void net_tls_identity_open(lua_State *L);

#endif
