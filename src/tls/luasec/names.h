/* SPDX-License-Identifier: MIT
 *
 * names.h - the names in a certificate, as LuaSec has them. */
#ifndef NET_LUASEC_NAMES_H
#define NET_LUASEC_NAMES_H

#include <lua.h>

#include "tls/base/openssl.h"

/* How text is given: as it stands there, or as UTF-8. */
enum net_sec_encoding { NET_SEC_AI5, NET_SEC_UTF8 };

/* Pushes a list of {oid=, name=, value=}. [-0, +1, e] */
void net_sec_push_name(lua_State *L, const X509_NAME *name, enum net_sec_encoding encoding);
/* Pushes oid -> {name=, dNSName={...}, ...}, of the extensions that have names. [-0, +1, e] */
void net_sec_push_extensions(lua_State *L, const X509 *x, enum net_sec_encoding encoding);

#endif
