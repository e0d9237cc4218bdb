/* SPDX-License-Identifier: MIT
 *
 * proxy.c - the option proxyProtocol of a server: a connection is told of when the header of the
 * PROXY protocol with which it begins has been read.
 *
 * Until then it is a struct pending: a descriptor, a watcher and a timer, which the server counts
 * as it does its connections, and which hold the loop as these do. What is read is what surely
 * belongs to the header, by a look at what is there, MSG_PEEK, and a read of so much of it: the
 * bytes behind it are the socket's, and are never touched. What has come of a header is taken
 * out at once, and not looked at until all is there, so that the poller does not tell of it again.
 *
 *     HEADER ──whole──▶ a socket, and 'connection'
 *        └──invalid, too late, ended, reset──▶ FAILED: 'proxyError' ──▶ closed
 *
 * What may raise, for want of memory, comes first, with the timer due again at once: so the step
 * is repeated. A connection that is about to be told of is CUT where that raises, as one is that
 * was just accepted.
 *
 * server:close() waits for these, as the timer bounds them, and drain() cuts those that are
 * still there at its end: a client whose header is on its way is not to find a server that hands
 * over its socket.
 *
 * Refused: a layer of the seam (net_capi.h) under the socket that takes the header off. It would
 * have stayed there, and kept splice(2) and sendfile(2) from every connection behind a proxy; and
 * there would have been a socket, with listeners, of which nobody may hear yet. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/proxyheader.h"
#include "base/sys.h"
#include "events/emit.h"
#include "loop/census.h"
#include "loop/dispatch.h"
#include "loop/loop.h"
#include "loop/timers.h"
#include "loop/watch.h"
#include "server/server.h"
#include "stream/peer.h"
#include "stream/stream.h"

#define DEFAULT_MS 3000 /* what section 3 of the protocol asks for at least */
#define MAX_MS 2147483647
#define ROOM 256 /* bytes; the lines of version 1, and most of what is sent in version 2 */

/* What a read has come to, besides a negative errno. */
enum { MORE = 0, WHOLE = 1, HUNG_UP = -(1 << 20), INVALID, TIMED_OUT };

/* User values, behind the object's. */
enum {
  VAL_OF = VAL_OWN, /* the server */
  VAL_BYTES,        /* userdata: what has come, if that is more than fits in the object */
  PENDING_UVS = VAL_BYTES,
};

enum phase { HEADER, FAILED, CUT };

struct pending {
  struct net_object o;       /* anchored until it is over */
  struct net_server *server; /* held by VAL_OF */
  ev_io io;                  /* active in HEADER */
  struct net_timer timer;    /* runs until it is over */
  struct net_addr peer;      /* the proxy */
  int fd;                    /* owned; -1 when it is over */
  enum phase phase;
  int err;              /* in FAILED: why */
  uint32_t ms;          /* what it was given */
  unsigned char *bytes; /* 'own', or VAL_BYTES */
  size_t have, room;    /* bytes */
  unsigned char own[ROOM];
};

/* --- how it ends -------------------------------------------------------------- */

/* Nothing of the loop's points to it any more, and the server does not count it. [-0, +0, -] */
static void pending_release(lua_State *L, struct pending *p) {
  net_io_stop(p->o.loop, &p->io);
  net_ready_forget(p->o.loop, p);
  net_timer_stop(p->o.loop, &p->timer);
  net_loop_unref(p->o.loop);
  net_unanchor(L, &p->o);
}

/* A socket has the descriptor, and is counted. */
static void settle(lua_State *L, struct net_incoming *in) {
  struct pending *p = net_container_of(in->fd, struct pending, fd);
  pending_release(L, p);
  p->server->connections--;
}

/* Closes it. [-0, +0, m] */
static void pending_cut(lua_State *L, struct pending *p) {
  struct net_owner *owner = &p->server->owner;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  net_tick_reserve(L, p->o.loop, 1, 0); /* for the server's 'close' */
  net_sys_close(p->fd);
  p->fd = -1;
  pending_release(L, p);
  owner->gone(L, owner);
}

/* Is tried again in the next turn, if it raises. The timer had its place until now, or has. */
static void pending_risk(struct pending *p, enum phase phase) {
  p->phase = phase;
  (void)net_timer_start(p->o.loop, &p->timer, net_loop_now(p->o.loop));
}

/* --- what is told ----------------------------------------------------------------- */

/* Pushes why it has failed. [-0, +1, e] */
static void push_error(lua_State *L, const struct pending *p) {
  switch (p->err) {
    case INVALID: net_error_push_code(L, "ERR_PROXY_PROTOCOL_INVALID", 0); break;
    case HUNG_UP: net_error_push_code(L, "ECONNRESET", 0); break;
    case TIMED_OUT:
      lua_pushinteger(L, p->ms);
      net_error_push_code(L, "ERR_PROXY_PROTOCOL_TIMEOUT", 1);
      break;
    default: net_error_push_sys(L, p->err, ev_is_active(&p->io) ? "read" : net_io_call(p->o.loop));
  }
}

/* Pushes a socket that is destroyed already, and knows who was there. [-0, +1, e] */
static void push_remains(lua_State *L, int server, const struct pending *p) {
  net_stream_new(L, p->o.loop, &net_stream_class);
  int socket = lua_gettop(L);
  lua_pushvalue(L, server);
  lua_setiuservalue(L, socket, VAL_SERVER);
  net_addr_push_table(L, &p->peer);
  net_rare_set(L, socket, SLOT_REMOTE);
  lua_pushnil(L);
  net_stream_destroy(L, socket);
}

/* Closes it, and tells who listens. [-0, +0, e] */
static void pending_fail(lua_State *L, int server, struct pending *p, int err) {
  p->err = err;
  pending_risk(p, FAILED);
  if (!net_listens(L, server, "proxyError")) {
    pending_cut(L, p);
    return;
  }
  push_error(L, p);
  push_remains(L, server, p);
  pending_cut(L, p);
  (void)net_emit_by_name(L, server, "proxyError", 2);
}

/* The header is there. [-0, +?, e] */
static void pending_whole(lua_State *L, int server, struct pending *p) {
  struct net_proxyheader header;
  if (net_proxyheader_read(p->bytes, p->have, &header) < 0) {
    pending_fail(L, server, p, INVALID);
    return;
  }
  pending_risk(p, CUT);
  if (net_incoming_blocked(L, server, p->server, &header.source)) {
    if (p->fd >= 0) /* a blockList of Lua may have had the server cut it */
      pending_cut(L, p);
    return;
  }
  if (p->fd < 0)
    return;
  lua_pushlstring(L, (const char *)p->bytes, p->have);
  struct net_incoming in = { .server = p->server,
                             .peer = p->peer,
                             .fd = &p->fd,
                             .header = &header,
                             .bytes = lua_gettop(L),
                             .settle = settle };
  net_incoming_tell(L, server, &in);
}

/* --- what comes ------------------------------------------------------------------- */

/* Makes room for more of a header that is longer than what there is room for. [-0, +0, m] */
static void pending_grow(lua_State *L, int self, struct pending *p) {
  size_t room = p->room * 4 < NET_PROXYHEADER_MAX ? p->room * 4 : NET_PROXYHEADER_MAX;
  unsigned char *bytes = lua_newuserdatauv(L, room, 0);
  memcpy(bytes, p->bytes, p->have);
  lua_setiuservalue(L, self, VAL_BYTES);
  p->bytes = bytes;
  p->room = room;
}

/* What a call that has read nothing says. */
static int read_failed(ssize_t n) { return n == -EAGAIN ? MORE : n == 0 ? HUNG_UP : (int)n; }

/* Reads what there is of the header: MORE, WHOLE, HUNG_UP, INVALID or -errno. [-0, +0, m] */
static int pending_read(lua_State *L, int self, struct pending *p) {
  int whole = 0;
  while (!whole) {
    if (p->have == p->room)
      pending_grow(L, self, p);
    ssize_t n = net_sys_peek(p->fd, p->bytes + p->have, p->room - p->have);
    if (n <= 0)
      return read_failed(n);
    ssize_t extent = net_proxyheader_extent(p->bytes, p->have + (size_t)n, &whole);
    if (extent < 0)
      return INVALID;
    n = net_sys_recv(p->fd, p->bytes + p->have, (size_t)extent - p->have);
    if (n <= 0)
      return read_failed(n);
    p->have += (size_t)n;
    whole = whole && p->have == (size_t)extent;
  }
  return WHOLE;
}

/* Goes on, with itself and its server pushed. [-0, +?, e] */
static void pending_go_on(lua_State *L, struct pending *p) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  net_push(L, &p->o); /* on the stack, the userdata keeps 'p' alive */
  int self = lua_gettop(L), server = self + 1;
  lua_getiuservalue(L, self, VAL_OF);
  int got = pending_read(L, self, p);
  if (got == WHOLE)
    pending_whole(L, server, p);
  else if (got != MORE)
    pending_fail(L, server, p, got);
}

/* Something came, or the system would not watch. */
static void pending_ready(lua_State *L, void *arg) {
  struct pending *p = arg;
  if (p->phase == HEADER)
    pending_go_on(L, p);
}

static void on_readable(struct ev_loop *ev, ev_io *w, int revents) {
  struct pending *p = w->data;
  int err = net_io_refused(p->o.loop, w, revents);
  (void)ev;
  if (err == 0) {
    net_ready(p->o.loop, pending_ready, p);
    return;
  }
  p->err = err;
  pending_risk(p, FAILED);
}

/* Its time is over, or what was begun has to be begun again. */
static int pending_timed_out(lua_State *L) {
  struct pending *p = net_container_of(lua_touserdata(L, 1), struct pending, timer);
  enum phase phase = p->phase;
  pending_risk(p, phase == CUT ? CUT : FAILED);
  net_push(L, &p->o);
  lua_getiuservalue(L, 2, VAL_OF);
  if (phase == CUT)
    pending_cut(L, p);
  else
    pending_fail(L, 3, p, phase == FAILED ? p->err : TIMED_OUT);
  return 0;
}

/* --- how it begins ---------------------------------------------------------------- */

/* Only when the Lua state closes is there one that is not over. */
static void pending_end(lua_State *L, int idx) {
  struct pending *p = lua_touserdata(L, idx);
  (void)L;
  net_timer_stop(p->o.loop, &p->timer);
  net_io_stop(p->o.loop, &p->io);
  net_sys_close(p->fd);
  p->fd = -1;
}

static const struct net_class pending_class = { .name = "PendingConnection", .end = pending_end };

/* Pushes one without a descriptor. [-0, +1, m] */
static struct pending *pending_new(lua_State *L, int server, struct net_server *s) {
  struct pending *p = net_object_new(L, s->o.loop, &pending_class, sizeof *p, PENDING_UVS);
  lua_pushvalue(L, server);
  lua_setiuservalue(L, -2, VAL_OF);
  p->server = s;
  p->fd = -1;
  p->ms = s->header_ms;
  p->bytes = p->own;
  p->room = sizeof p->own;
  p->timer.fire = pending_timed_out;
  ev_io_init(&p->io, on_readable, -1, EV_READ);
  p->io.data = p;
  return p;
}

void net_proxy_await(lua_State *L, int server, struct net_incoming *in) {
  struct net_server *s = in->server;
  net_anchor(L, server, &s->o); /* a blockList of Lua may have closed it */
  struct pending *p = pending_new(L, server, s);
  net_anchor(L, lua_gettop(L), &p->o);
  if (net_timer_start(s->o.loop, &p->timer, net_loop_now(s->o.loop) + p->ms) < 0) {
    net_unanchor(L, &p->o);
    net_error_memory(L);
  }
  p->peer = in->peer;
  p->fd = *in->fd;
  *in->fd = -1;
  s->connections++;
  net_loop_ref(s->o.loop);
  ev_io_set(&p->io, p->fd, EV_READ);
  net_io_start(s->o.loop, &p->io);
  pending_go_on(L, p); /* most headers are there with the connection */
}

/* --- for Lua ----------------------------------------------------------------------- */

static int is_of(const struct net_object *o, const void *arg) {
  return net_container_of(o, const struct pending, o)->server == arg;
}

/* cut_pending(server) -> how many connections that wait for their header were closed */
static int core_cut_pending(lua_State *L) {
  const struct net_server *s = net_server_check(L, 1);
  lua_Integer count = 0;
  lua_settop(L, 1);
  net_census_list(L, &pending_class, is_of, s);
  for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++, lua_pop(L, 1)) {
    struct pending *p = lua_touserdata(L, -1);
    if (p->fd >= 0) {
      pending_cut(L, p);
      count++;
    }
  }
  lua_pushinteger(L, count);
  return 1;
}

/* The field 'timeout' of the options at 2, ms. [-0, +0, e] */
static uint32_t check_timeout(lua_State *L) {
  if (lua_getfield(L, 2, "timeout") == LUA_TNIL)
    return DEFAULT_MS;
  if (lua_type(L, -1) != LUA_TNUMBER)
    net_error_arg_type(L, "options.proxyProtocol.timeout", "number", lua_gettop(L));
  lua_Number ms = lua_tonumber(L, -1);
  if (!(ms >= 1 && ms <= MAX_MS)) {
    lua_pushliteral(L, "options.proxyProtocol.timeout");
    lua_pushliteral(L, ">= 1 && <= 2147483647");
    lua_pushvalue(L, -3);
    net_error_raise(L, "ERR_OUT_OF_RANGE", 3);
  }
  return (uint32_t)ceil(ms);
}

/* Makes the class of those that wait, for the first server that is to have any. [-0, +0, m] */
static void open_class(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pending_class) == LUA_TNIL)
    net_class_open(L, &pending_class, 0);
  lua_settop(L, 2);
}

static int set_proxy_protocol(lua_State *L) {
  struct net_server *s = net_server_check(L, 1);
  uint32_t ms = 0;
  lua_settop(L, 2);
  if (lua_istable(L, 2))
    ms = check_timeout(L);
  else if (lua_isboolean(L, 2) || lua_isnil(L, 2))
    ms = lua_toboolean(L, 2) ? DEFAULT_MS : 0;
  else
    net_error_arg_type(L, "options.proxyProtocol", "boolean or Object", 2);
  if (ms > 0)
    open_class(L);
  net_object_fields(L, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "proxyProtocol");
  s->header_ms = ms;
  return 0;
}

static int get_proxy_protocol(lua_State *L) {
  lua_pushboolean(L, net_server_check(L, 1)->header_ms > 0); /* where nobody has set it */
  return 1;
}

void net_proxy_open(lua_State *L) {
  static const luaL_Reg getters[] = { { "proxyProtocol", get_proxy_protocol }, { NULL, NULL } };
  static const luaL_Reg setters[] = { { "proxyProtocol", set_proxy_protocol }, { NULL, NULL } };
  lua_getfield(L, -1, "Server");
  net_class_add(L, "getters", getters);
  net_class_add(L, "setters", setters);
  lua_pop(L, 1);
  lua_getfield(L, -1, "server");
  lua_pushcfunction(L, core_cut_pending);
  lua_setfield(L, -2, "cut_pending");
  lua_pop(L, 1);
}
