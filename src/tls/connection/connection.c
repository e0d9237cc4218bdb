/* SPDX-License-Identifier: MIT
 *
 * connection.c - one TLS connection, as Lua has it. See connection.h.
 *
 * The memory that costs, an SSL, goes with the layer, not with the collector: a server
 * that is left by its clients has it back at once. */
#include "tls/connection/connection.h"

#include <errno.h>
#include <lauxlib.h>

#include "tls/connection/callbacks.h"
#include "tls/context/context.h"

static const char handler_key; /* registry: the Lua half's function */
static const char list_key;    /* registry: net_tls -> Connection, weak */

struct box {
  struct net_kept kept;
  struct net_tls *t; /* a reference; NULL: its finalizer has run */
};

struct net_tls *net_tls_check(lua_State *L, int idx) {
  struct net_tls *t = ((struct box *)luaL_checkudata(L, idx, NET_TLS_CONNECTION))->t;
  if (t == NULL)
    luaL_error(L, "the connection is closed");
  return t;
}

struct net_tls *net_tls_check_open(lua_State *L) {
  struct net_tls *t = net_tls_check(L, 1);
  if (t->ssl == NULL || t->closed)
    luaL_error(L, "the connection is closed");
  return t;
}

/* --- its end --------------------------------------------------------------------------- */

void net_tls_drop_note(struct net_tls *t) {
  struct net_tls_note *note = t->notes;
  t->notes = note->next;
  SSL_SESSION_free(note->session);
  OPENSSL_cleanse(note->bytes, note->len); /* keys, it may be */
  free(note);
}

/* OpenSSL takes a session out of use where a connection ends without close_notify; here it
 * is none of the session's business. */
void net_tls_end(struct net_tls *t) {
  if (t->ssl) {
    SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    t->ssl = NULL;
  }
  BIO_free(t->trace);
  t->trace = NULL;
  net_tls_bytes_free(&t->in, 0);
  net_tls_bytes_free(&t->out, 0);
  net_tls_bytes_free(&t->plain, 1);
  net_tls_bytes_free(&t->status, 0);
  while (t->notes)
    net_tls_drop_note(t);
  SSL_SESSION_free(t->found);
  t->found = NULL;
  SSL_SESSION_free(t->told);
  t->told = NULL;
  SSL_CTX_free(t->tickets);
  t->tickets = NULL;
  free(t->alpn);
  free(t->hello);
  t->alpn = NULL;
  t->hello = NULL;
}

void net_tls_release(struct net_tls *t) {
  if (--t->refs > 0)
    return;
  net_tls_end(t);
  net_tls_shared_release(t->shared);
  free(t);
}

static void box_end(struct net_kept *kept) {
  struct box *box = (struct box *)kept;
  net_kept_drop(kept);
  if (box->t)
    net_tls_release(box->t);
  box->t = NULL;
}

static int connection_gc(lua_State *L) {
  box_end(lua_touserdata(L, 1));
  return 0;
}

/* --- what Lua is told --------------------------------------------------------------------- */

enum { VALUE_SOCKET = 1, VALUE_REFUSAL, VALUES = VALUE_REFUSAL };

/* Pushes a user value of its Connection, or nil. [-0, +1, -] */
static void push_value(lua_State *L, const struct net_tls *t, int which) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
  if (lua_rawgetp(L, -1, t) == LUA_TUSERDATA)
    lua_getiuservalue(L, -1, which);
  else
    lua_pushnil(L);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void net_tls_push_socket(lua_State *L, const struct net_tls *t) { push_value(L, t, VALUE_SOCKET); }

void net_tls_push_refusal(lua_State *L, const struct net_tls *t) {
  push_value(L, t, VALUE_REFUSAL);
}

void net_tls_keep_refusal(lua_State *L, const struct net_tls *t) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
  if (lua_rawgetp(L, -1, t) == LUA_TUSERDATA) {
    lua_pushvalue(L, -3);
    lua_setiuservalue(L, -2, VALUE_REFUSAL);
  }
  lua_pop(L, 3);
}

/* refuse(err): what was written before the verdict fails with that error, and so does the
 * socket */
static int connection_refuse(lua_State *L) {
  struct net_tls *t = net_tls_check(L, 1);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, VALUE_REFUSAL);
  t->refused = 1;
  return 0;
}

void net_tls_ask(lua_State *L, const struct net_tls *t, const char *event, int nargs,
                 int nresults) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key);
  net_tls_push_socket(L, t);
  lua_pushstring(L, event);
  lua_rotate(L, -3 - nargs, 3);
  lua_call(L, nargs + 2, nresults);
}

void net_tls_tell(lua_State *L, const struct net_tls *t, const char *event, int nargs) {
  net_tls_ask(L, t, event, nargs, 0);
}

static int core_on_event(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handler_key);
  return 0;
}

/* --- its beginning ------------------------------------------------------------------------ */

/* Gives it an SSL of that context. */
static int set_up(struct net_tls *t, SSL_CTX *ctx) {
  net_tls_callbacks_install(ctx);
  t->ssl = SSL_new(ctx);
  if (t->ssl == NULL || !net_tls_buffers_attach(t->ssl) || !net_tls_callbacks_attach(t))
    return 0;
  if (t->is_server)
    SSL_set_accept_state(t->ssl);
  else
    SSL_set_connect_state(t->ssl);
  return 1;
}

/* connection(context, is_server, socket) -> Connection */
static int core_connection(lua_State *L) {
  SSL_CTX *ctx = net_tls_context_check(L, 1)->ctx;
  lua_settop(L, 3);
  struct box *box = lua_newuserdatauv(L, sizeof *box, VALUES);
  *box = (struct box){ .t = NULL };
  luaL_setmetatable(L, NET_TLS_CONNECTION);
  net_tls_net->keep(L, &box->kept, box_end);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, -2, 1);
  struct net_tls_shared *shared = net_tls_shared_get(L);
  box->t = calloc(1, sizeof *box->t);
  if (box->t == NULL) {
    net_tls_shared_release(shared);
    return net_tls_raise_memory(L);
  }
  box->t->shared = shared;
  box->t->refs = 1;
  box->t->forks = net_tls_forks();
  box->t->is_server = (unsigned)lua_toboolean(L, 2);
  ERR_clear_error();
  if (!set_up(box->t, ctx))
    return net_tls_raise_error(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, box->t);
  lua_pop(L, 1);
  return 1;
}

void net_tls_connection_open(lua_State *L) {
  luaL_newmetatable(L, NET_TLS_CONNECTION);
  lua_pushcfunction(L, connection_gc);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  lua_pushcfunction(L, connection_refuse);
  lua_setfield(L, -2, "refuse");
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -3, "Connection");
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
  lua_pushcfunction(L, core_connection);
  lua_setfield(L, -2, "connection");
  lua_pushcfunction(L, core_on_event);
  lua_setfield(L, -2, "on_event");
}
