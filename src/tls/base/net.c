/* SPDX-License-Identifier: MIT
 *
 * net.c - the core of net, as this library reaches it. See net.h. */
#include "tls/base/net.h"

const struct net_capi *net_tls_net;

int net_tls_raise(lua_State *L, const char *code, int nargs) {
  net_tls_net->error_code(L, code, nargs);
  luaL_traceback(L, L, luaL_tolstring(L, -1, NULL), 0);
  lua_setfield(L, -3, "stack");
  lua_pop(L, 1);
  return lua_error(L);
}
