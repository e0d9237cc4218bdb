/* SPDX-License-Identifier: MIT
 *
 * inspect.h - what a connection is asked for: by the methods of a TLS socket, which see to
 * it that there is one, and that it is far enough. Each pushes one value. */
#ifndef NET_TLS_INSPECT_H
#define NET_TLS_INSPECT_H

#include <lua.h>

#include "tls/base/openssl.h"

/* {name =, standardName =, version =}; nil before there is one. [-0, +1, m] */
void net_tls_inspect_cipher(lua_State *L, const SSL *ssl);
/* "TLSv1.3"; before the handshake the highest that may be. [-0, +1, m] */
void net_tls_inspect_protocol(lua_State *L, const SSL *ssl);
/* {type =, name =, size =} of the key by which the secrets were agreed on, {} if there is
 * none; nil on the server's side, and before the handshake. [-0, +1, m] */
void net_tls_inspect_ephemeral_key(lua_State *L, SSL *ssl);
/* {"RSA-PSS+SHA256", ...} [-0, +1, m] */
void net_tls_inspect_sigalgs(lua_State *L, SSL *ssl);
/* The last Finished message that was sent, or that came; nil if none did. [-0, +1, m] */
void net_tls_inspect_finished(lua_State *L, const SSL *ssl, int of_peer);
/* The certificate of this side; {} if it has none. [-0, +1, e] */
void net_tls_inspect_certificate(lua_State *L, const SSL *ssl);
/* That of the peer; {} if it has sent none. 'detailed': with those of who issued it.
 * [-0, +1, e] */
void net_tls_inspect_peer_certificate(lua_State *L, const SSL *ssl, int detailed);
/* The peer's certificate, which is the connection's; NULL if it has sent none. [-] */
X509 *net_tls_inspect_peer(const SSL *ssl);
/* 'length' bytes for the label and the context, two strings, at 'label' and 'context',
 * where the latter may be nil (RFC 5705). Raises libssl's error. [-0, +1, e] */
void net_tls_inspect_export(lua_State *L, SSL *ssl, size_t length, int label, int context);
/* Pushes a session as DER; nil where OpenSSL has none of it. [-0, +1, m] */
void net_tls_inspect_session(lua_State *L, SSL_SESSION *session);

#endif
