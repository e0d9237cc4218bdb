/* SPDX-License-Identifier: MIT
 *
 * connection.c - LuaSec's connections: bytes between OpenSSL and a descriptor. See luasec.h.
 *
 * No call waits: one that would has -EAGAIN, and what is to be waited for. What is read of
 * the descriptor goes through OpenSSL at once, so that nothing is pending there that no poll
 * would tell; what cannot waits here, and makes the connection `pending`.
 *
 * A record that the kernel has taken a part of must be finished with the same bytes, so the
 * next send is compared with the one that was refused: a task may have been interrupted amid
 * it, and OpenSSL itself would take the old record for the new bytes. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "tls/luasec/luasec.h"

static const char CLASS[] = "net.luasec.Connection";

enum { READS = 1, WRITES = 2 }; /* as net.internal.luasocket.wait has them */

struct net_sec *net_sec_check(lua_State *L, int idx) {
  struct net_sec *e = luaL_testudata(L, idx, CLASS);
  if (e == NULL)
    luaL_typeerror(L, idx, "SSL:Connection");
  return e;
}

static int refuse_amid(lua_State *L) {
  return luaL_error(L, "a function that is called amid a handshake cannot use connections");
}

/* The connection at index 1, for a call of OpenSSL's. Amid another one, by a function that
 * OpenSSL has called, there can be none. [-0, +0, e] */
static struct net_sec *check_idle(lua_State *L) {
  struct net_sec *e = net_sec_check(L, 1);
  if (e->L != NULL || e->buffers->in_use)
    (void)refuse_amid(L);
  return e;
}

/* --- a call ---------------------------------------------------------------------------- */

/* From here to 'leave' OpenSSL may be called, and nothing raise. [-0, +0, -] */
static void enter(lua_State *L, struct net_sec *e, int fd) {
  e->L = L;
  e->fd = fd;
  e->refused = 0;
  e->at_end = 0;
  e->win = net_tls_bytes_first(&e->rest);
  e->win_len = e->rest.len;
  e->may_read = 1;
  e->buffers->in_use = 1;
  ERR_clear_error();
}

/* What OpenSSL has not taken waits. */
static void keep_rest(struct net_sec *e) {
  size_t had = e->rest.len;
  int is_rest = had > 0 && e->win >= e->rest.base && e->win <= e->rest.base + e->rest.room;
  if (is_rest && e->win_len > 0)
    net_tls_bytes_drop(&e->rest, had - e->win_len, 0);
  else {
    net_tls_bytes_free(&e->rest, 0);
    if (e->win_len > 0 && !net_tls_bytes_add(&e->rest, e->win, e->win_len))
      e->broken = -ENOMEM;
  }
  e->win = NULL;
  e->win_len = 0;
}

/* Raises what Lua code has raised amid it. [-0, +0, e] */
static void leave(lua_State *L, struct net_sec *e) {
  keep_rest(e);
  e->L = NULL;
  e->buffers->in_use = 0;
  if (e->raised) {
    e->raised = 0;
    ERR_clear_error();
    lua_getiuservalue(L, 1, NET_SEC_ERROR);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, NET_SEC_ERROR);
    lua_error(L);
  }
}

/* Keeps why a call of OpenSSL's failed for good; gives READS or WRITES if that is not so. */
static int reason(struct net_sec *e, int result) {
  switch (SSL_get_error(e->ssl, result)) {
    case SSL_ERROR_WANT_READ: return READS;
    case SSL_ERROR_WANT_WRITE: return WRITES;
    case SSL_ERROR_ZERO_RETURN: e->ended = 1; return 0;
    case SSL_ERROR_SYSCALL:
      if (e->refused == 0 && ERR_peek_error() == 0)
        e->word = "closed";
      break;
    default: break;
  }
  if (e->refused)
    e->broken = e->refused;
  else if (e->word == NULL)
    e->word = net_sec_word(ERR_peek_error());
  if (e->word == NULL && e->broken == 0)
    e->word = "Unknown SSL error";
  ERR_clear_error();
  return 0;
}

/* nil, and a negative errno or a word: -EAGAIN has what it waits for behind it. [-0, +n, m] */
static int push_reason(lua_State *L, const struct net_sec *e, int waits_for) {
  lua_pushnil(L);
  if (waits_for) {
    lua_pushinteger(L, -EAGAIN);
    lua_pushinteger(L, waits_for);
    return 3;
  }
  if (e->broken || (e->unsendable && e->word == NULL))
    lua_pushinteger(L, e->broken ? e->broken : e->unsendable);
  else
    lua_pushstring(L, e->word ? e->word : "closed");
  return 2;
}

static int is_over(const struct net_sec *e) {
  return e->ssl == NULL || e->word != NULL || e->broken != 0;
}

/* handshake(connection, fd) -> true */
static int sec_handshake(lua_State *L) {
  struct net_sec *e = check_idle(L);
  int fd = (int)luaL_checkinteger(L, 2);
  if (is_over(e))
    return push_reason(L, e, 0);
  if (!e->asked_dh && e->is_server) {
    e->asked_dh = 1;
    net_sec_callbacks_dh(L, e);
  }
  if (is_over(e)) /* the function of the program's has closed it */
    return push_reason(L, e, 0);
  enter(L, e, fd);
  int result = SSL_do_handshake(e->ssl);
  int waits_for = result == 1 ? 0 : reason(e, result);
  leave(L, e);
  if (result != 1)
    return push_reason(L, e, waits_for);
  e->connected = 1;
  lua_pushboolean(L, 1);
  return 1;
}

/* --- bytes ------------------------------------------------------------------------------ */

/* Plain text for what there is; stops where another record might not fit. */
static size_t read_all(struct net_sec *e, int *waits_for) {
  unsigned char *plain = e->buffers->plain;
  size_t got = 0, n;
  *waits_for = 0;
  while (sizeof e->buffers->plain - got >= NET_TLS_RECORD) {
    int result = SSL_read_ex(e->ssl, plain + got, NET_TLS_RECORD, &n);
    if (result != 1) {
      *waits_for = reason(e, result);
      break;
    }
    got += n;
    e->may_read = 0; /* once is enough: the poll tells of more */
  }
  return got;
}

/* Pushes what was read. If there is no memory for it, nothing can be read any more, as there
 * would be a hole. [-0, +1, m] */
static void push_plain(lua_State *L, struct net_sec *e, size_t got) {
  int before = e->broken;
  e->broken = -ENOMEM;
  lua_pushlstring(L, (const char *)e->buffers->plain, got);
  e->broken = before;
}

/* recv(connection, fd, most) -> bytes, "" at the end; as many as came, whatever 'most' is */
static int sec_recv(lua_State *L) {
  struct net_sec *e = check_idle(L);
  int waits_for, fd = (int)luaL_checkinteger(L, 2);
  if (e->ended && e->connected) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (!e->connected)
    return net_sec_closed(L);
  if (is_over(e))
    return push_reason(L, e, 0);
  enter(L, e, fd);
  size_t got = read_all(e, &waits_for);
  leave(L, e);
  if (got > 0 || e->ended)
    push_plain(L, e, got);
  else
    return push_reason(L, e, waits_for);
  return 1;
}

/* Is it the record that was refused, or none? */
static int goes_on(lua_State *L, const struct net_sec *e, const char *bytes, size_t len) {
  size_t had;
  if (e->record_len == 0)
    return 1;
  lua_getiuservalue(L, 1, NET_SEC_SENDING);
  const char *before = lua_tolstring(L, -1, &had) + e->record_at;
  int same = len >= e->record_len && (before == bytes || memcmp(before, bytes, e->record_len) == 0);
  lua_pop(L, 1);
  return same;
}

/* Bytes from 'at' on, record by record; how many are with the kernel. */
static size_t write_all(struct net_sec *e, const char *bytes, size_t at, size_t end,
                        int *waits_for) {
  size_t first = at, n;
  *waits_for = 0;
  while (at < end) {
    size_t len = end - at < NET_TLS_RECORD ? end - at : NET_TLS_RECORD;
    if (e->record_len > 0)
      len = e->record_len;
    int result = SSL_write_ex(e->ssl, bytes + at, len, &n);
    if (result != 1) {
      *waits_for = reason(e, result);
      e->record_at = at;
      e->record_len = *waits_for ? len : 0;
      e->unsendable = e->broken; /* what has arrived before can still be read */
      e->broken = 0;
      break;
    }
    e->record_len = 0;
    at += n;
  }
  return at - first;
}

/* send(connection, fd, bytes, i, j) -> how many of bytes i to j the kernel has */
static int sec_send(lua_State *L) {
  struct net_sec *e = check_idle(L);
  int waits_for, fd = (int)luaL_checkinteger(L, 2);
  size_t len;
  const char *bytes = luaL_checklstring(L, 3, &len);
  lua_Integer i = luaL_checkinteger(L, 4), j = luaL_checkinteger(L, 5);
  luaL_argcheck(L, i >= 1 && j <= (lua_Integer)len && i <= j + 1, 4, "out of range");
  if (!e->connected)
    return net_sec_closed(L);
  if (is_over(e) || e->unsendable)
    return push_reason(L, e, 0);
  if (!goes_on(L, e, bytes + i - 1, (size_t)(j - i + 1)))
    return net_sec_no(L, "%s", "bad write retry");
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 1, NET_SEC_SENDING);
  enter(L, e, fd);
  size_t sent = write_all(e, bytes, (size_t)i - 1, (size_t)j, &waits_for);
  leave(L, e);
  if (e->record_len == 0) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, NET_SEC_SENDING);
  }
  if (sent == 0)
    return push_reason(L, e, waits_for);
  lua_pushinteger(L, (lua_Integer)sent);
  return 1;
}

/* pending(connection) -> has it bytes of which no poll tells? */
static int sec_pending(lua_State *L) {
  const struct net_sec *e = net_sec_check(L, 1);
  lua_pushboolean(L, e->ssl && e->rest.len > 0);
  return 1;
}

/* feed(connection, bytes): ciphertext that somebody has read before the connection was */
static int sec_feed(lua_State *L) {
  struct net_sec *e = check_idle(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  if (e->ssl && !net_tls_bytes_add(&e->rest, bytes, len))
    return luaL_error(L, "not enough memory");
  return 0;
}

/* --- life ------------------------------------------------------------------------------- */

static void finish(struct net_sec *e) {
  SSL_free(e->ssl);
  e->ssl = NULL;
  e->connected = 0;
  e->record_len = 0;
  net_tls_bytes_free(&e->rest, 0);
}

/* Sends close_notify. It reads nothing, so the buffers may be those of another connection's
 * call. [-0, +0, e] */
static void say_goodbye(lua_State *L, struct net_sec *e, int fd) {
  int in_use = e->buffers->in_use;
  enter(L, e, fd);
  e->may_read = 0;
  (void)SSL_shutdown(e->ssl);
  ERR_clear_error();
  leave(L, e);
  e->buffers->in_use = in_use;
  net_sec_drop_unread(fd);
}

/* close(connection, fd): tells the peer, if that needs no waiting. Also amid another one's
 * handshake, as the collector may come then. */
static int sec_close(lua_State *L) {
  struct net_sec *e = net_sec_check(L, 1);
  int fd = (int)luaL_checkinteger(L, 2);
  if (e->L != NULL)
    return refuse_amid(L);
  if (e->ssl && e->connected && !is_over(e) && !e->unsendable && e->record_len == 0 && fd >= 0)
    say_goodbye(L, e, fd);
  finish(e);
  return 0;
}

static void connection_end(struct net_kept *kept) {
  net_kept_drop(kept);
  finish((struct net_sec *)kept);
}

static int on_gc(lua_State *L) {
  connection_end(lua_touserdata(L, 1));
  return 0;
}

/* Gives it its SSL; 0: no memory. */
static int begin(struct net_sec *e, const struct net_sec_context *c) {
  e->ssl = SSL_new(c->ctx);
  if (e->ssl == NULL || !net_sec_bio_attach(e->ssl, e) || !SSL_set_app_data(e->ssl, e))
    return 0;
  SSL_set_mode(e->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                         SSL_MODE_RELEASE_BUFFERS);
  if (c->is_server)
    SSL_set_accept_state(e->ssl);
  else
    SSL_set_connect_state(e->ssl);
  return 1;
}

/* connection(context) -> a connection */
static int sec_connection(lua_State *L) {
  struct net_sec_context *c = luaL_testudata(L, 1, NET_SEC_CONTEXT_CLASS);
  if (c == NULL || c->ctx == NULL)
    return luaL_argerror(L, 1, "invalid context");
  if (!c->has_mode)
    return net_sec_no(L, "%s", "invalid mode");
  struct net_sec *e = lua_newuserdatauv(L, sizeof *e, NET_SEC_VALUES);
  memset(e, 0, sizeof *e);
  e->is_server = c->is_server;
  e->buffers = lua_touserdata(L, lua_upvalueindex(1));
  luaL_setmetatable(L, CLASS);
  net_tls_net->keep(L, &e->kept, connection_end);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, NET_SEC_CONTEXT);
  ERR_clear_error();
  if (!begin(e, c))
    return net_sec_refuse(L, "error creating SSL object (%s)");
  return 1;
}

void net_sec_connection_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "connection", sec_connection },
    { "handshake", sec_handshake },
    { "recv", sec_recv },
    { "send", sec_send },
    { "pending", sec_pending },
    { "feed", sec_feed },
    { "close", sec_close },
    { NULL, NULL },
  };
  if (luaL_newmetatable(L, CLASS)) {
    lua_pushcfunction(L, on_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  struct net_sec_buffers *b = lua_newuserdatauv(L, sizeof *b, 0);
  b->in_use = 0;
  luaL_setfuncs(L, functions, 1);
}
