/* SPDX-License-Identifier: MIT
 *
 * names.h - the names in a certificate, in Node's words. No Lua.
 *
 * A name comes from whoever made the certificate: what could be taken for the end of it,
 * or for another one behind it, makes it a JSON string. */
#ifndef NET_TLS_NAMES_H
#define NET_TLS_NAMES_H

#include <openssl/bio.h>
#include <openssl/x509v3.h>

/* Writes `DNS:a.com`, `IP Address:1.2.3.4`, `DirName:"CN=a\u002cO=b"`. Unless 'quotes', a
 * value stands there as it is, and not as JSON, as UTF-8. 0: no memory. [-] */
int net_tls_names_write(BIO *out, const GENERAL_NAME *name, int quotes);

#endif
