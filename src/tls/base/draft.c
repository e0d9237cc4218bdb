/* SPDX-License-Identifier: MIT
 *
 * draft.c - what libssl writes on its way to a Lua string. See draft.h.
 *
 * lua_pushlstring may raise, which is a longjmp and frees nothing: so what has to be freed
 * is in a userdata. */
#include "tls/base/draft.h"

#include <lauxlib.h>

#include "tls/base/error.h"

static const char CLASS[] = "net.tls.draft";

void net_tls_draft_hold(struct net_tls_draft *s, void *held, void (*free)(void *)) {
  if (s->held)
    s->free(s->held);
  s->held = held;
  s->free = free;
}

static void free_text(void *text) { OPENSSL_free(text); }

void net_tls_draft_hold_text(struct net_tls_draft *s, void *text) {
  net_tls_draft_hold(s, text, free_text);
}

static void draft_end(struct net_kept *kept) {
  struct net_tls_draft *s = (struct net_tls_draft *)kept;
  net_kept_drop(kept);
  net_tls_draft_hold(s, NULL, NULL);
  BIO_free(s->out);
  s->out = NULL;
}

static int on_draft_gc(lua_State *L) {
  draft_end(lua_touserdata(L, 1));
  return 0;
}

struct net_tls_draft *net_tls_draft_push(lua_State *L) {
  struct net_tls_draft *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (struct net_tls_draft){ .out = NULL };
  if (luaL_newmetatable(L, CLASS)) {
    lua_pushcfunction(L, on_draft_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  net_tls_net->keep(L, &s->kept, draft_end);
  ERR_clear_error();
  s->out = BIO_new(BIO_s_mem());
  if (s->out == NULL)
    net_tls_raise_error(L);
  return s;
}

void net_tls_draft_take(lua_State *L, struct net_tls_draft *s, int ok) {
  char *bytes;
  long len = BIO_get_mem_data(s->out, &bytes);
  if (!ok)
    net_tls_raise_error(L);
  lua_pushlstring(L, bytes, (size_t)len);
  (void)BIO_reset(s->out);
}
