/* SPDX-License-Identifier: MIT
 *
 * openssl.h - OpenSSL's headers, of a version that will do.
 *
 * Each file of this folder includes it before any other of OpenSSL's. LibreSSL and
 * BoringSSL have no client-hello callback, by which a server waits for what Lua says. */
#ifndef NET_TLS_OPENSSL_H
#define NET_TLS_OPENSSL_H

#include <openssl/opensslv.h>

#if defined(LIBRESSL_VERSION_NUMBER) || defined(OPENSSL_IS_BORINGSSL)
#error "net.tls needs OpenSSL: this is LibreSSL or BoringSSL"
#elif OPENSSL_VERSION_NUMBER < 0x10101000L
#error "net.tls needs OpenSSL 1.1.1 or later"
#endif

#include <openssl/err.h>
#include <openssl/ssl.h>

#endif
