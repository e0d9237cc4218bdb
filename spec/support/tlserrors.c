/* SPDX-License-Identifier: MIT
 *
 * tlserrors.c - OpenSSL's error queue as a Lua module, for tls_error_spec.lua, over
 * src/tls/base/error.c alone.
 *
 *     tlserrors.put("SSL", 156)              -- library, reason [, text beside it]
 *     local err, left = tlserrors.take()     -- the error value; what the queue holds then */
#include "tls/base/error.c"

#include <openssl/ssl.h>

static int library_named(const char *name) {
  static const struct {
    const char *name;
    int number;
  } libraries[] = { { "SSL", ERR_LIB_SSL }, { "X509", ERR_LIB_X509 }, { "PEM", ERR_LIB_PEM },
#ifdef ERR_LIB_PROV
                    { "PROV", ERR_LIB_PROV },
#endif
                    { "USER", ERR_LIB_USER } };
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
    if (strcmp(libraries[i].name, name) == 0)
      return libraries[i].number;
  return 0;
}

static int tlserrors_put(lua_State *L) {
  ERR_put_error(library_named(luaL_checkstring(L, 1)), 0, (int)luaL_checkinteger(L, 2), "here.c", 1);
  if (!lua_isnoneornil(L, 3))
    ERR_add_error_data(1, lua_tostring(L, 3));
  return 0;
}

static int tlserrors_take(lua_State *L) {
  net_tls_push_error(L);
  lua_pushboolean(L, ERR_peek_error() != 0);
  return 2;
}

static int tlserrors_raise(lua_State *L) { return net_tls_raise_error(L); }

__attribute__((visibility("default"))) int luaopen_tlserrors(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "put", tlserrors_put },
    { "take", tlserrors_take },
    { "raise", tlserrors_raise },
    { NULL, NULL },
  };
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
  net_tls_error_open(L);
  luaL_newlib(L, functions);
  return 1;
}
