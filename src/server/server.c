/* SPDX-License-Identifier: MIT
 *
 * server.c - net.Server, the object: its life, fields and methods.
 *
 * Owns the listening descriptor and its watcher from net_server_start to
 * net_server_close. Options are plain fields to the user, who may write
 * anything into them at any time: what is written stands among the object's own
 * fields, for reading back, and a C copy is what accepting works from. A table
 * look-up per option and connection was the alternative.
 *
 * Listening and accepting are elsewhere, see server.h. */
#include "server/server.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/addr.h"
#include "loop/dispatch.h"
#include "events/emitter.h"
#include "base/error.h"
#include "loop/loop.h"
#include "stream/stream.h"
#include "base/sys.h"
#include "loop/watch.h"

struct net_server *net_server_check(lua_State *L, int idx) {
  return net_object_check(L, idx, &net_server_class);
}

/* --- listening and not ------------------------------------------------------- */

/* Has the loop held exactly while a server listens that was not unref'd. */
static void server_hold_loop(struct net_server *s) {
  int hold = net_server_listens(s) && !(s->flags & SERVER_UNREF);
  if (hold == !!(s->flags & SERVER_HOLDS))
    return;
  s->flags ^= SERVER_HOLDS;
  if (hold)
    net_loop_ref(s->o.loop);
  else
    net_loop_unref(s->o.loop);
}

void net_server_start(struct net_server *s, int fd, unsigned flags) {
  s->fd = fd;
  s->flags &= ~(uint32_t)(SERVER_PIPE | SERVER_TOLD | SERVER_HELD | SERVER_DRAINING);
  s->flags |= flags;
  s->pause = 0;
  ev_io_set(&s->io, fd, EV_READ);
  net_io_start(s->o.loop, &s->io);
  server_hold_loop(s);
}

void net_server_start_remote(struct net_server *s, unsigned flags) {
  s->flags &= ~(uint32_t)(SERVER_PIPE | SERVER_DRAINING);
  s->flags |= SERVER_REMOTE | flags;
  server_hold_loop(s);
}

/* Closes the descriptor, and nothing else. */
static void server_stop(struct net_server *s) {
  net_timer_stop(s->o.loop, &s->retry);
  net_io_stop(s->o.loop, &s->io);
  net_ready_forget(s->o.loop, s);
  net_sys_close(s->fd);
  s->fd = -1;
  s->flags &= ~(uint32_t)SERVER_REMOTE;
  server_hold_loop(s);
}

static void emit_close(lua_State *L, const struct net_step *step) {
  (void)step;
  net_server_check(L, 1)->flags |= SERVER_CLOSED;
  net_emit(L, 1, ON_CLOSE, 0);
}

/* As in libuv a handle that closes holds the loop until the close phase. Nobody is called. */
static void handle_closed(lua_State *L, const struct net_step *step) {
  (void)step;
  net_settle_none(net_server_check(L, 1)->o.loop);
}

void net_server_drained(lua_State *L, int idx, struct net_server *s) {
  if (net_server_listens(s) || s->connections > 0 || s->elsewhere > 0)
    return;
  net_tick_step(L, idx, &s->o, emit_close, 0);
  net_unanchor(L, &s->o);
}

void net_server_remove_file(lua_State *L, int idx, struct net_server *s) {
  if (s->file.inode == 0)
    return;
  lua_getiuservalue(L, idx, VAL_PATH);
  net_sys_unlink_same(lua_tostring(L, -1), &s->file);
  lua_pop(L, 1);
}

void net_server_keep_file(struct net_server *s) { s->file.inode = 0; }

void net_server_close(lua_State *L, int idx, struct net_server *s) {
  if (!net_server_listens(s))
    return;
  s->flags &= ~(uint32_t)SERVER_CLOSED;
  net_server_remove_file(L, idx, s);
  server_stop(s);
  lua_pushnil(L);
  lua_setiuservalue(L, idx, VAL_SHARED);
}

/* --- methods ------------------------------------------------------------------ */

/* The IP address at which the server at 1 listens: 0, or -errno. [-0, +0, -] */
static int server_sockname(lua_State *L, const struct net_server *s, struct net_addr *a) {
  if (s->fd >= 0)
    return net_sys_sockname(s->fd, &a->sa, &a->len);
  lua_getiuservalue(L, 1, VAL_REMOTE);
  memcpy(a, lua_tostring(L, -1), sizeof *a);
  lua_pop(L, 1);
  return 0;
}

/* server:address() -> {address, family, port} | path | nil */
static int server_address(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  struct net_addr a;
  if (!net_server_listens(s) || s->flags & SERVER_PIPE) {
    lua_getiuservalue(L, 1, VAL_PATH);
    return 1;
  }
  int err = server_sockname(L, s, &a);
  if (err < 0)
    net_error_raise_sys(L, err, "address");
  net_addr_push_table(L, &a);
  return 1;
}

static int server_set_ref(lua_State *L, int ref) {
  struct net_server *s = net_server_check(L, 1);
  s->flags = ref ? s->flags & ~(uint32_t)SERVER_UNREF : s->flags | SERVER_UNREF;
  server_hold_loop(s);
  lua_settop(L, 1);
  return 1;
}

/* server:fd() -> the descriptor, -1 if it does not listen */
static int server_fd(lua_State *L) {
  lua_pushinteger(L, net_server_check(L, 1)->fd);
  return 1;
}

/* server:ref() -> server, server:unref() -> server */
static int server_ref(lua_State *L) { return server_set_ref(L, 1); }
static int server_unref(lua_State *L) { return server_set_ref(L, 0); }

/* --- fields ------------------------------------------------------------------- */

static int get_listening(lua_State *L) {
  lua_pushboolean(L, net_server_listens(net_server_check(L, 1)));
  return 1;
}

static int get_connections(lua_State *L) {
  lua_pushinteger(L, net_server_check(L, 1)->connections);
  return 1;
}

/* Keeps the value at 2 as the user wrote it, among the object's own fields,
 * where a read finds it first; the getters below answer for what was never
 * written. [-0, +0, m] */
static void server_keep(lua_State *L, const char *name) {
  net_object_fields(L, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static int get_flag(lua_State *L, uint32_t flag) {
  lua_pushboolean(L, (net_server_check(L, 1)->flags & flag) != 0);
  return 1;
}

static int set_flag(lua_State *L, uint32_t flag, const char *name) {
  struct net_server *s = net_server_check(L, 1);
  server_keep(L, name);
  s->flags = net_truthy(L, 2) ? s->flags | flag : s->flags & ~flag;
  return 0;
}

static int get_draining(lua_State *L) { return get_flag(L, SERVER_DRAINING); }
static int get_half_open(lua_State *L) { return get_flag(L, SERVER_HALF_OPEN); }
static int set_half_open(lua_State *L) { return set_flag(L, SERVER_HALF_OPEN, "allowHalfOpen"); }
static int get_pause(lua_State *L) { return get_flag(L, SERVER_PAUSE); }
static int set_pause(lua_State *L) { return set_flag(L, SERVER_PAUSE, "pauseOnConnect"); }
static int get_no_delay(lua_State *L) { return get_flag(L, SERVER_NODELAY); }
static int set_no_delay(lua_State *L) { return set_flag(L, SERVER_NODELAY, "noDelay"); }
static int get_keep_alive(lua_State *L) { return get_flag(L, SERVER_KEEPALIVE); }
static int set_keep_alive(lua_State *L) { return set_flag(L, SERVER_KEEPALIVE, "keepAlive"); }
static int set_block_list(lua_State *L) { return set_flag(L, SERVER_BLOCKS, "blockList"); }

static int get_keep_alive_delay(lua_State *L) {
  lua_pushinteger(L, net_server_check(L, 1)->keepalive_delay);
  return 1;
}

static int set_keep_alive_delay(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  lua_Number seconds = lua_tonumber(L, 2);
  server_keep(L, "keepAliveInitialDelay");
  s->keepalive_delay = seconds >= 1 ? seconds < INT_MAX ? (int)seconds : INT_MAX : 0;
  return 0;
}

static int get_hwm(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)net_server_check(L, 1)->hwm);
  return 1;
}

/* Is the value at 'idx' an integral number of bytes? */
static int is_mark(lua_State *L, int idx) {
  lua_Number n = lua_tonumber(L, idx);
  return lua_type(L, idx) == LUA_TNUMBER && n >= 0 && n - floor(n) == 0;
}

/* As in Node, a value that makes no sense is noticed by the next connection. */
static int set_hwm(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  server_keep(L, "highWaterMark");
  s->flags &= ~(uint32_t)SERVER_BAD_HWM;
  s->hwm = NET_DEFAULT_HWM;
  if (is_mark(L, 2))
    s->hwm = net_stream_mark(L, 2);
  else if (!lua_isnil(L, 2))
    s->flags |= SERVER_BAD_HWM;
  return 0;
}

/* JavaScript compares with the limit as with a number, whatever it is: a boolean is
 * 0 or 1, blank text is 0, and what is no number sets no limit. */
static lua_Number limit_of(lua_State *L, int idx) {
  if (lua_isboolean(L, idx))
    return lua_toboolean(L, idx);
  if (lua_type(L, idx) == LUA_TSTRING) {
    const char *text = lua_tostring(L, idx);
    if (text[strspn(text, " \t\r\n\v\f")] == '\0')
      return 0;
  }
  return lua_isnumber(L, idx) ? lua_tonumber(L, idx) : HUGE_VAL;
}

static int set_max_connections(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  server_keep(L, "maxConnections");
  s->max_connections = limit_of(L, 2);
  return 0;
}

/* --- the class ----------------------------------------------------------------- */

/* Pushes "listening on 127.0.0.1:8080", "closing" or "not listening"; of an
 * abstract name "listening on @name". [-0, +1, m] */
static void push_state(lua_State *L, const struct net_server *s) {
  struct net_addr a;
  if (!net_server_listens(s)) {
    lua_pushstring(L, s->connections ? "closing" : "not listening");
  } else if (s->flags & SERVER_PIPE || server_sockname(L, s, &a) < 0) {
    lua_getiuservalue(L, 1, VAL_PATH);
    size_t len;
    const char *path = luaL_optlstring(L, -1, "a descriptor", &len);
    int abstract = *path == '\0';
    lua_pushfstring(L, "listening on %s%s", abstract ? "@" : "", path + (abstract && len > 0));
  } else {
    net_addr_push_host(L, &a);
    lua_pushfstring(L, a.sa.ss_family == AF_INET6 ? "listening on [%s]:%d" : "listening on %s:%d",
                    lua_tostring(L, -1), net_addr_port(&a));
  }
}

static int server_tostring(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  push_state(L, s);
  if (net_server_listens(s) || s->connections > 0)
    lua_pushfstring(L, "%s (%s, %I connection%s)", s->o.cls->name, lua_tostring(L, -1),
                    (LUAI_UACINT)s->connections, s->connections == 1 ? "" : "s");
  else
    lua_pushfstring(L, "%s (%s)", s->o.cls->name, lua_tostring(L, -1));
  return 1;
}

/* Only lua_close finds a server that still listens. */
static void server_end(lua_State *L, int idx) {
  struct net_server *s = lua_touserdata(L, idx);
  s->flags |= SERVER_DEAD;
  if (net_server_listens(s))
    server_stop(s);
}

static int server_gc(lua_State *L) {
  net_server_check(L, 1);
  server_end(L, 1);
  return 0;
}

static const luaL_Reg server_methods[] = {
  { "address", server_address }, { "fd", server_fd }, { "ref", server_ref },
  { "unref", server_unref },     { NULL, NULL },
};

static const luaL_Reg server_getters[] = {
  { "listening", get_listening },  { "connections", get_connections },
  { "draining", get_draining },    { "allowHalfOpen", get_half_open },
  { "pauseOnConnect", get_pause }, { "noDelay", get_no_delay },
  { "keepAlive", get_keep_alive }, { "keepAliveInitialDelay", get_keep_alive_delay },
  { "highWaterMark", get_hwm },    { NULL, NULL },
};

static const luaL_Reg server_setters[] = {
  { "allowHalfOpen", set_half_open },
  { "pauseOnConnect", set_pause },
  { "noDelay", set_no_delay },
  { "keepAlive", set_keep_alive },
  { "keepAliveInitialDelay", set_keep_alive_delay },
  { "highWaterMark", set_hwm },
  { "blockList", set_block_list },
  { "maxConnections", set_max_connections },
  { NULL, NULL },
};

static const luaL_Reg server_meta[] = {
  { "__tostring", server_tostring },
  { "__gc", server_gc },
  { NULL, NULL },
};

const struct net_class net_server_class = {
  .name = "Server",
  .methods = server_methods,
  .getters = server_getters,
  .setters = server_setters,
  .meta = server_meta,
  .end = server_end,
};

/* --- for lua/net/internal/server/server.lua ---------------------------------------------------- */

struct net_server *net_server_new(lua_State *L, const struct net_class *cls) {
  struct net_server *s = net_object_new(L, net_loop_get(L), cls, sizeof *s, SERVER_UVS);
  s->makes = &net_stream_class;
  s->fd = -1;
  s->hwm = NET_DEFAULT_HWM;
  s->max_connections = HUGE_VAL;
  return s;
}

/* close(server): what listens is closed now; 'close' follows if nothing is left */
static int core_close(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  if (net_server_listens(s))
    net_closing(L, 1, &s->o, handle_closed);
  net_server_close(L, 1, s);
  net_server_drained(L, 1, s);
  return 0;
}

/* expect(server): 'close' waits until somebody else is done with its connections */
static int core_expect(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  net_anchor(L, 1, &s->o);
  s->elsewhere++;
  return 0;
}

/* expected(server): one of those is */
static int core_expected(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  net_tick_reserve(L, s->o.loop, 1, 0);
  s->elsewhere--;
  net_server_drained(L, 1, s);
  return 0;
}

/* is(value) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &net_server_class) != NULL);
  return 1;
}

/* closed(server) -> boolean: has 'close' come since it listened last */
static int core_closed(lua_State *L) {
  const struct net_server *s = net_server_check(L, 1);
  lua_pushboolean(L, s->flags & SERVER_CLOSED && !net_server_listens(s));
  return 1;
}

static const luaL_Reg server_functions[] = {
  { "close", core_close },       { "closed", core_closed }, { "expect", core_expect },
  { "expected", core_expected }, { "is", core_is },         { NULL, NULL },
};

void net_server_open(lua_State *L) {
  net_emitter_class_open(L, &net_server_class, 0);
  lua_setfield(L, -2, "Server");
  luaL_newlib(L, server_functions);
  lua_setfield(L, -2, "server");
}
