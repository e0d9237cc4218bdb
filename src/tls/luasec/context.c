/* SPDX-License-Identifier: MIT
 *
 * context.c - LuaSec's contexts: who one is, and whom one trusts. See luasec.h. */
#include <lauxlib.h>
#include <string.h>

#include "tls/luasec/luasec.h"

static const char CLASS[] = NET_SEC_CONTEXT_CLASS;

struct net_sec_context *net_sec_context_check(lua_State *L, int idx) {
  struct net_sec_context *c = luaL_testudata(L, idx, CLASS);
  if (c == NULL || c->ctx == NULL)
    luaL_typeerror(L, idx, "SSL:Context");
  return c;
}

/* --- making ---------------------------------------------------------------------------- */

static void context_end(struct net_kept *kept) {
  struct net_sec_context *c = (struct net_sec_context *)kept;
  net_kept_drop(kept);
  SSL_CTX_free(c->ctx);
  c->ctx = NULL;
}

/* The finalizer, of which a program may make use, too: of anything. */
static int on_gc(lua_State *L) {
  struct net_sec_context *c = luaL_testudata(L, 1, CLASS);
  if (c)
    context_end(&c->kept);
  return 0;
}

static int on_tostring(lua_State *L) {
  lua_pushfstring(L, "SSL context: %p", lua_topointer(L, 1));
  return 1;
}

static const struct {
  const char *name;
  int version; /* the only one; 0: any */
} protocols[] = {
  { "any", 0 },
  { "sslv23", 0 },
  { "tlsv1", TLS1_VERSION },
  { "tlsv1_1", TLS1_1_VERSION },
  { "tlsv1_2", TLS1_2_VERSION },
  { "tlsv1_3", TLS1_3_VERSION },
};

enum { PROTOCOLS = sizeof protocols / sizeof *protocols };

static int find_protocol(const char *name) {
  for (int i = 0; i < PROTOCOLS; i++) {
    if (strcmp(protocols[i].name, name) == 0)
      return i;
  }
  return -1;
}

/* Pushes a context; 0: OpenSSL has no memory. [-0, +1, e] */
static int push_context(lua_State *L, int version) {
  struct net_sec_context *c = lua_newuserdatauv(L, sizeof *c, NET_SEC_CONTEXT_VALUES);
  memset(c, 0, sizeof *c);
  luaL_setmetatable(L, CLASS);
  net_tls_net->keep(L, &c->kept, context_end);
  ERR_clear_error();
  c->ctx = SSL_CTX_new(TLS_method());
  if (c->ctx == NULL)
    return 0;
  if (version != 0) {
    (void)SSL_CTX_set_min_proto_version(c->ctx, version);
    (void)SSL_CTX_set_max_proto_version(c->ctx, version);
  }
  SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
  return net_sec_callbacks_install(c);
}

/* create(protocol) -> context */
static int context_create(lua_State *L) {
  const char *name = net_sec_text(L, 1);
  int found = find_protocol(name);
  if (found < 0)
    return net_sec_no(L, "invalid protocol (%s)", name);
  if (!push_context(L, protocols[found].version))
    return net_sec_refuse(L, "error creating context (%s)");
  return 1;
}

/* protocols() -> those that are one version, name -> true */
static int context_protocols(lua_State *L) {
  lua_createtable(L, 0, PROTOCOLS);
  for (int i = 0; i < PROTOCOLS; i++) {
    if (protocols[i].version != 0) {
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, protocols[i].name);
    }
  }
  return 1;
}

/* setmode(context, "client"|"server") */
static int context_setmode(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *mode = net_sec_text(L, 2);
  if (strcmp(mode, "client") != 0 && strcmp(mode, "server") != 0)
    return net_sec_no(L, "invalid mode (%s)", mode);
  c->has_mode = 1;
  c->is_server = *mode == 's';
  lua_pushboolean(L, 1);
  return 1;
}

/* --- keys and certificates ------------------------------------------------------------- */

/* Whom libssl asks for a password: a text, or a function of the program's. */
struct asked {
  lua_State *L;
  int at; /* of the stack */
  int raised;
};

/* Pushes the text at 'at', or what the function there gives. [-0, +1, -] */
static void push_password(struct asked *asked) {
  lua_pushvalue(asked->L, asked->at);
  if (lua_isfunction(asked->L, -1))
    asked->raised = lua_pcall(asked->L, 0, 1, 0) != LUA_OK;
}

/* libssl's pem_password_cb. Nobody is asked on the terminal: no password is an empty one. */
static int on_password(char *buf, int size, int writing, void *arg) {
  struct asked *asked = arg;
  size_t len = 0;
  (void)writing;
  if (asked == NULL || asked->raised)
    return 0;
  push_password(asked);
  if (asked->raised) /* the error stays on the stack */
    return 0;
  const char *text = lua_type(asked->L, -1) == LUA_TSTRING ? lua_tolstring(asked->L, -1, &len) : "";
  int fits = size >= 0 && len <= (size_t)size;
  if (fits)
    memcpy(buf, text, len);
  lua_pop(asked->L, 1);
  return fits ? (int)len : 0;
}

/* loadkey(context, file[, password]): PEM; the password is a string, or a function that gives
 * it */
static int context_loadkey(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *file = net_sec_text(L, 2);
  struct asked asked = { L, 3, 0 };
  lua_settop(L, 3);
  ERR_clear_error();
  SSL_CTX_set_default_passwd_cb(c->ctx, on_password);
  SSL_CTX_set_default_passwd_cb_userdata(c->ctx, &asked);
  int ok = SSL_CTX_use_PrivateKey_file(c->ctx, file, SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(c->ctx, NULL);
  if (asked.raised) {
    ERR_clear_error();
    return lua_error(L);
  }
  return net_sec_answer(L, ok, "error loading private key (%s)");
}

/* loadcert(context, file): PEM, and the chain that follows in it */
static int context_loadcert(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *file = net_sec_text(L, 2);
  ERR_clear_error();
  SSL_CTX_set_default_passwd_cb(c->ctx, on_password);
  return net_sec_answer(L, SSL_CTX_use_certificate_chain_file(c->ctx, file) == 1,
                        "error loading certificate (%s)");
}

/* checkkey(context) -> is the key that of the certificate? */
static int context_checkkey(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  lua_pushboolean(L, SSL_CTX_check_private_key(c->ctx) == 1);
  ERR_clear_error();
  return 1;
}

/* locations(context[, file[, folder]]): the authorities' certificates */
static int context_locations(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  const char *file = lua_isnoneornil(L, 2) ? NULL : net_sec_text(L, 2);
  const char *folder = lua_isnoneornil(L, 3) ? NULL : net_sec_text(L, 3);
  ERR_clear_error();
  return net_sec_answer(L, SSL_CTX_load_verify_locations(c->ctx, file, folder) == 1,
                        "error loading CA locations (%s)");
}

/* --- functions of the program's ---------------------------------------------------------- */

/* setdhparam(context, fn): fn(export, bits) -> PEM */
static int context_setdhparam(lua_State *L) {
  net_sec_context_check(L, 1);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, NET_SEC_ON_DH);
  return 0;
}

/* setalpncb(context, fn): fn(offered) -> ours, in the order of preference; both as in ALPN's
 * extension */
static int context_setalpncb(lua_State *L) {
  net_sec_context_check(L, 1);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, NET_SEC_ON_ALPN);
  lua_pushboolean(L, 1);
  return 1;
}

/* setalpn(context, names): what a client offers */
static int context_setalpn(lua_State *L) {
  struct net_sec_context *c = net_sec_context_check(L, 1);
  size_t len;
  const char *names = luaL_checklstring(L, 2, &len);
  ERR_clear_error();
  return net_sec_answer(
    L, SSL_CTX_set_alpn_protos(c->ctx, (const unsigned char *)names, (unsigned)len) == 0,
    "error setting ALPN (%s)");
}

void net_sec_context_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "create", context_create },
    { "protocols", context_protocols },
    { "setmode", context_setmode },
    { "loadkey", context_loadkey },
    { "loadcert", context_loadcert },
    { "checkkey", context_checkkey },
    { "locations", context_locations },
    { "setdhparam", context_setdhparam },
    { "setalpncb", context_setalpncb },
    { "setalpn", context_setalpn },
    { NULL, NULL },
  };
  net_sec_class_push(L, CLASS, "SSL:Context", on_gc, on_tostring);
  net_kept_guard(L);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
