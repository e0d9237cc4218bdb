/* SPDX-License-Identifier: MIT
 *
 * publickey.h - what a certificate's table says of its key. */
#ifndef NET_TLS_PUBLICKEY_H
#define NET_TLS_PUBLICKEY_H

#include <lua.h>

#include "tls/base/draft.h"

/* Sets, in the table on the top: of RSA bits, modulus, exponent, pubkey; of curves bits,
 * pubkey, asn1Curve, nistCurve. Of other keys nothing. [-0, +0, e] */
void net_tls_publickey_set(lua_State *L, X509 *certificate, struct net_tls_draft *s);

#endif
