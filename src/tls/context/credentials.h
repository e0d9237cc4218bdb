/* SPDX-License-Identifier: MIT
 *
 * credentials.h - who a SecureContext is: certificates and their keys. */
#ifndef NET_TLS_CREDENTIALS_H
#define NET_TLS_CREDENTIALS_H

#include <lua.h>

#include "tls/base/openssl.h"

/* No file that libssl reads for this context makes it ask the terminal. [-] */
void net_tls_credentials_install(SSL_CTX *ctx);

/* Into the table of functions on the top; each answers as context.h says:
 * set_cert(context, pem): the leaf, and those that are sent along.
 * set_key(context, pem [, passphrase]).
 * load_pfx(context, bytes [, passphrase]): key, certificate, those sent along, which are
 * trusted as well; what is wrong is libssl's reason as a text, and true if it knows the
 * algorithms no more. [-0, +0, e] */
void net_tls_credentials_open(lua_State *L);

#endif
