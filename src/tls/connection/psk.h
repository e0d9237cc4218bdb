/* SPDX-License-Identifier: MIT
 *
 * psk.h - keys that both sides know before: the one place where Lua runs amid a call of
 * OpenSSL's. */
#ifndef NET_TLS_PSK_H
#define NET_TLS_PSK_H

#include "tls/connection/connection.h"

/* Adds to the Connection's methods, of the table 'core' on the top:
 * psk(): Lua is asked for keys.
 * hint(text): what a server says to clients about which key they should take, in TLS 1.2.
 * And to the table itself: PSK_MAX, PSK_IDENTITY_MAX, in bytes. [-0, +0, e] */
void net_tls_psk_open(lua_State *L);

#endif
