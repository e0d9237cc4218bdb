/* SPDX-License-Identifier: MIT
 *
 * parameters.h - what a SecureContext offers: ciphers, signatures, groups. */
#ifndef NET_TLS_PARAMETERS_H
#define NET_TLS_PARAMETERS_H

#include <lua.h>

/* Into the table of functions on the top; each answers as context.h says:
 * set_ciphers(context, list): those of TLS 1.2; "" leaves none.
 * set_suites(context, list): those of TLS 1.3.
 * set_sigalgs(context, list), set_groups(context, list).
 * set_dh(context [, pem]): parameters for TLS 1.2, "auto" without a PEM. With one of fewer
 * than 1024 bits it does nothing, and answers their number, as it does if it was set.
 * [-0, +0, e] */
void net_tls_parameters_open(lua_State *L);

#endif
