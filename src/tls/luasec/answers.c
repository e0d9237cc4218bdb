/* SPDX-License-Identifier: MIT
 *
 * answers.c - arguments and answers of LuaSec's functions, and its classes. See luasec.h. */
#include <lauxlib.h>
#include <string.h>

#include "tls/luasec/luasec.h"

/* LuaSec's functions have what is before the first NUL: another file, or fewer ciphers. */
const char *net_sec_text(lua_State *L, int idx) {
  size_t len;
  const char *text = luaL_checklstring(L, idx, &len);
  luaL_argcheck(L, strlen(text) == len, idx, "string contains zeros");
  return text;
}

const char *net_sec_word(unsigned long code) {
  if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SYS)
    return strerror(ERR_GET_REASON(code));
  return code ? ERR_reason_error_string(code) : NULL;
}

int net_sec_yes(lua_State *L) {
  ERR_clear_error();
  lua_pushboolean(L, 1);
  return 1;
}

int net_sec_no(lua_State *L, const char *text, const char *word) {
  ERR_clear_error();
  lua_pushnil(L);
  lua_pushfstring(L, text, word);
  return 2;
}

int net_sec_refuse(lua_State *L, const char *text) {
  const char *word = net_sec_word(ERR_peek_error());
  return net_sec_no(L, text, word ? word : "unknown error");
}

int net_sec_answer(lua_State *L, int ok, const char *text) {
  return ok ? net_sec_yes(L) : net_sec_refuse(L, text);
}

int net_sec_closed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "closed");
  return 2;
}

void net_sec_class_push(lua_State *L, const char *key, const char *name, lua_CFunction gc,
                        lua_CFunction tostring) {
  const luaL_Reg meta[] = {
    { "__gc", gc },
    { "__close", gc },
    { "__tostring", tostring },
    { NULL, NULL },
  };
  luaL_newmetatable(L, key);
  luaL_setfuncs(L, meta, 0);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
}
