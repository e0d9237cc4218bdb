/* SPDX-License-Identifier: MIT
 *
 * handshake.h - from the first byte to the verdict. */
#ifndef NET_TLS_HANDSHAKE_H
#define NET_TLS_HANDSHAKE_H

#include "tls/connection/connection.h"

/* Goes on with the handshake of the connection under the socket at index 1; within the turn's
 * budget, else soon. Runs Lua; whether the connection is still there is for the caller to find
 * out. [-0, +?, e] */
void net_tls_handshake(lua_State *L, struct net_tls *t);
/* Tells Lua what OpenSSL noted amid its calls. [-0, +0, e] */
void net_tls_tell_notes(lua_State *L, struct net_stream *stream, struct net_tls *t);
/* Is it still under that stream, or under what is under it? */
int net_tls_is_there(struct net_stream *stream, const struct net_tls *t);

#endif
