/* SPDX-License-Identifier: MIT
 *
 * accept.c - from a connection that waits to the 'connection' event.
 *
 * Runs per connection, so it reads the server's options from C copies and
 * leaves nothing to Lua but the listeners. Each connection is a dispatch of
 * its own: its ticks run before the next one. A turn accepts a limited number;
 * polling is level-triggered, so what is left is told again. libuv accepts one
 * a turn. Refused: a turn costs as much as the rest of a connection.
 *
 * When the system has no descriptor or no memory left for a connection that
 * waits, accepting pauses, longer each time it did not help. libuv keeps a
 * spare descriptor, to accept and drop such connections with. Refused: the
 * clients, who could be served a moment later, would all be sent away. */
#include <errno.h>

#include "base/container.h"
#include "loop/dispatch.h"
#include "base/error.h"
#include "loop/loop.h"
#include "server/server.h"
#include "stream/stream.h"
#include "base/sys.h"
#include "loop/watch.h"

#define ACCEPTS_A_TURN 64 /* connections */
#define PAUSE_MIN 20      /* ms */
#define PAUSE_MAX 1000    /* ms */

static const char starved_key; /* registry: Lua's function for a shortage unheard */

/* Lua half of an accepted connection. */
static int server_incoming(lua_State *L) {
  enum { INCOMING = 1, SERVER };
  struct net_incoming *in = lua_touserdata(L, INCOMING);
  struct net_server *s = in->server;
  net_push(L, &s->o);
  if (s->raw)
    s->raw(L, SERVER, in->fd);
  else if (net_incoming_refused(L, SERVER, in))
    return 0; /* who accepted it closes it */
  else if (s->header_ms)
    net_proxy_await(L, SERVER, in);
  else
    net_incoming_tell(L, SERVER, in);
  return 0;
}

/* Lua half of a pause: tells of it once, until accepting has caught up. Where
 * nobody listens for 'error', running short of descriptors must not end the
 * program: Lua only warns. [-0, +0, e] */
static int server_starved(lua_State *L) {
  struct net_incoming *in = lua_touserdata(L, 1);
  struct net_server *s = in->server;
  if (s->flags & SERVER_TOLD)
    return 0;
  s->flags |= SERVER_TOLD;
  net_push(L, &s->o);
  net_error_push_sys(L, in->err, in->call);
  if (net_has(&s->o, ON_ERROR)) {
    net_emit(L, 2, ON_ERROR, 1);
  } else if (lua_rawgetp(L, LUA_REGISTRYINDEX, &starved_key) == LUA_TFUNCTION) {
    lua_insert(L, 2);
    lua_call(L, 2, 0);
  }
  return 0;
}

/* Stops accepting for a while, longer each time it did not help. Without the
 * memory for a timer, polling goes on at once. */
static void server_pause(struct net_server *s, struct net_incoming *in) {
  struct net_loop *loop = s->o.loop;
  s->pause = s->pause == 0 ? PAUSE_MIN : s->pause * 2;
  if (s->pause > PAUSE_MAX)
    s->pause = PAUSE_MAX;
  net_io_stop(loop, &s->io);
  if (net_timer_start(loop, &s->retry, net_loop_now(loop) + s->pause) < 0)
    net_io_start(loop, &s->io);
  net_dispatch(loop, server_starved, in);
}

/* The pause is over; the poller tells whether somebody waits. */
static int server_retry(lua_State *L) {
  struct net_server *s = net_container_of(lua_touserdata(L, 1), struct net_server, retry);
  if (!(s->flags & SERVER_HELD))
    net_io_start(s->o.loop, &s->io);
  return 0;
}

/* Errors of accept(2) that are about the connection, which is gone: Linux
 * passes network errors that wait on the new socket, see accept(2). */
static int is_about_peer(int err) {
  switch (-err) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case ENOPROTOOPT:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ETIMEDOUT:
#ifdef EHOSTDOWN
    case EHOSTDOWN:
#endif
#ifdef ENONET
    case ENONET:
#endif
      return 1;
    default: return 0;
  }
}

/* Accepts one connection; returns whether there may be another. A shortage counts
 * only if 'first': accept(2) says EMFILE even when nobody waits. */
static int server_accept(struct net_server *s, int first) {
  int fd = -1;
  struct net_incoming in = { .server = s, .fd = &fd, .call = "accept" };
  in.err = net_sys_accept(s->fd, &in.peer.sa, &in.peer.len, &fd);
  if (in.err == 0) {
    s->pause = 0;
    net_dispatch(s->o.loop, server_incoming, &in);
    net_sys_close(fd); /* where nobody has taken it */
    return 1;
  }
  if (is_about_peer(in.err))
    return 1;
  if (in.err == -EAGAIN)
    s->flags &= ~(uint32_t)SERVER_TOLD;
  else if (first)
    server_pause(s, &in);
  return 0;
}

/* Somebody waits, unless a listener before it in this turn has made accepting pause. */
static void server_ready(void *arg) {
  struct net_server *s = arg;
  struct net_loop *loop = s->o.loop;
  lua_State *L = net_loop_thread(loop);
  if (!ev_is_active(&s->io))
    return;
  if (!lua_checkstack(L, 1)) {
    net_loop_starve(loop);
    return;
  }
  net_push(L, &s->o); /* a listener may close the server and collect it */
  for (int n = 0; n < ACCEPTS_A_TURN && ev_is_active(&s->io) && !loop->halted; n++)
    if (!server_accept(s, n == 0))
      break;
  lua_pop(L, 1);
}

/* The system does not watch the descriptor: that is tried again, as after a shortage. */
static void server_refused(void *arg) {
  struct net_server *s = arg;
  struct net_loop *loop = s->o.loop;
  struct net_incoming in = { .server = s, .err = loop->refusal, .call = net_io_call(loop) };
  server_pause(s, &in);
}

static void on_connection(struct ev_loop *ev, ev_io *w, int revents) {
  struct net_server *s = w->data;
  int err = net_io_refused(s->o.loop, w, revents);
  (void)ev;
  if (err < 0 && err != -EBADF) /* closed by somebody else: it is not to be touched again */
    net_ready_call(s->o.loop, server_refused, s);
  else
    net_ready_call(s->o.loop, server_ready, s);
}

/* A connection was destroyed. Its descriptor is free, so that a pause is over soon. */
void net_accept_gone(lua_State *L, struct net_owner *owner) {
  struct net_server *s = net_container_of(owner, struct net_server, owner);
  s->connections--;
  if (s->retry.place)
    (void)net_timer_start(s->o.loop, &s->retry, net_loop_now(s->o.loop));
  if (net_server_listens(s) || s->connections > 0)
    return; /* not drained, as most often: nothing to push it for */
  luaL_checkstack(L, 3, NULL);
  net_push(L, &s->o);
  net_server_drained(L, lua_gettop(L), s);
  lua_pop(L, 1);
}

void net_accept_deliver(lua_State *L, int idx, int *fd) {
  struct net_incoming in = { .server = net_server_check(L, idx), .fd = fd };
  if (!net_server_listens(in.server))
    return;
  if (net_sys_peername(*fd, &in.peer.sa, &in.peer.len) < 0)
    in.peer.len = 0, in.peer.sa.ss_family = AF_UNSPEC;
  lua_pushcfunction(L, server_incoming);
  lua_pushlightuserdata(L, &in);
  lua_call(L, 1, 0);
}

void net_accept_hold(struct net_server *s, int hold) {
  s->flags = hold ? s->flags | SERVER_HELD : s->flags & ~(uint32_t)SERVER_HELD;
  if (hold)
    net_io_stop(s->o.loop, &s->io);
  else if (s->fd >= 0 && !s->retry.place) /* a shortage ends by itself */
    net_io_start(s->o.loop, &s->io);
}

void net_accept_new(lua_State *L, const struct net_class *cls) {
  struct net_server *s = net_server_new(L, cls);
  s->owner.gone = net_accept_gone;
  s->retry.fire = server_retry;
  ev_io_init(&s->io, on_connection, -1, EV_READ);
  s->io.data = s;
}

/* new() -> Server */
static int core_new(lua_State *L) {
  net_accept_new(L, &net_server_class);
  return 1;
}

/* on_starved(fn): fn(server, err) is called when accepting has to pause and
 * nobody listens for 'error'; once, until it has caught up */
static int core_on_starved(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &starved_key);
  return 0;
}

/* hold(server, boolean): accepts nobody, or goes on */
static int core_hold(lua_State *L) {
  net_accept_hold(net_server_check(L, 1), lua_toboolean(L, 2));
  return 0;
}

void net_accept_open(lua_State *L) {
  lua_getfield(L, -1, "server");
  lua_pushcfunction(L, core_hold);
  lua_setfield(L, -2, "hold");
  lua_pushcfunction(L, core_new);
  lua_setfield(L, -2, "new");
  lua_pushcfunction(L, core_on_starved);
  lua_setfield(L, -2, "on_starved");
  lua_pop(L, 1);
}
