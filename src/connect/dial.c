/* SPDX-License-Identifier: MIT
 *
 * dial.c - one non-blocking connect(2), from socket(2) to its answer.
 *
 * Which address, in which order, how long to wait and what to say about a
 * failure is policy, and lua/net/internal/socket/attempt.lua's. Here a descriptor is made,
 * bound, connected and watched; errors are negative errnos. A call that fails
 * at once says so by returning it, with the exceptions of libuv, which Node's
 * users see: a refused TCP connection, and every failure of a Unix one, are
 * told from the loop, with the pending completions. What does not fail at once
 * is watched until it can be written to, also where connect(2) said 0: a
 * server's 'connection' comes before the client's 'connect' then, as in Node.
 *
 * That of a socket holds the loop until it has its answer, as in libuv also if the socket is
 * unref'd.
 *
 * SO_ERROR clears itself, so it is read once, and kept. The alternative to a
 * class of its own, connecting inside the stream, would make the stream's state
 * machine see one descriptor after the other while addresses are raced. */
#include "connect/dial.h"

#include <errno.h>
#include <ev.h>

#include "base/addr.h"
#include "connect/boundsocket.h"
#include "loop/dispatch.h"
#include "base/container.h"
#include "base/error.h"
#include "base/keep.h"
#include "loop/loop.h"
#include "loop/uncaught.h"
#include "loop/watch.h"

enum {
  VAL_CALLBACK = VAL_OWN,
  VAL_BOUND, /* the BoundSocket that its descriptor came from */
  DIAL_UVS = VAL_BOUND,
};

/* In the order of state_names. */
enum dial_state {
  DIAL_NEW,
  DIAL_OPEN,
  DIAL_CONNECTING,
  DIAL_CONNECTED,
  DIAL_FAILED,
  DIAL_CLOSED,
};

static const char *const state_names[] = {
  "new", "open", "connecting", "connected", "failed", "closed",
};

struct net_dial {
  struct net_object o; /* anchored while DIAL_CONNECTING */
  ev_io io;            /* active only while DIAL_CONNECTING */
  int fd;              /* owned; -1 when new and when closed */
  int family;          /* AF_INET, AF_INET6, AF_UNIX */
  int adopted;         /* the descriptor came from a BoundSocket */
  int holds;           /* the loop while it waits: a stream's does */
  int holds_loop;      /* counted by net_loop_ref */
  int shown;           /* libuv would have a descriptor by now: adopted, bound, connecting */
  int error;           /* -errno that connect(2) gave, to be told from the loop, or that the
                          poller gave; or 0 */
  int answered;        /* and has not been told, for want of memory */
  enum dial_state state;
  struct net_kept kept;
};

struct net_dial *net_dial_check(lua_State *L, int idx) {
  return net_object_check(L, idx, &net_dial_class);
}

int net_dial_fd(const struct net_dial *d) { return d->fd; }
int net_dial_is_adopted(const struct net_dial *d) { return d->adopted; }
int net_dial_waits(const struct net_dial *d) { return d->state == DIAL_CONNECTING; }

int net_dial_has_answer(const struct net_dial *d) {
  return d->state == DIAL_CONNECTED || d->state == DIAL_FAILED;
}

static void hold_loop(struct net_dial *d) {
  int hold = d->holds && d->state == DIAL_CONNECTING;
  if (hold == d->holds_loop)
    return;
  d->holds_loop = hold;
  if (hold)
    net_loop_ref(d->o.loop);
  else
    net_loop_unref(d->o.loop);
}

void net_dial_hold(struct net_dial *d) {
  d->holds = 1;
  hold_loop(d);
}

void net_dial_unhold(struct net_dial *d) {
  d->holds = 0;
  hold_loop(d);
}

int net_dial_adopt(lua_State *L, int idx, int from) {
  struct net_dial *d = lua_touserdata(L, idx);
  d->fd = net_boundsocket_lend(net_boundsocket_check(L, from), &d->family);
  lua_pushvalue(L, from);
  lua_setiuservalue(L, idx, VAL_BOUND);
  d->adopted = d->shown = 1;
  d->state = DIAL_OPEN;
  return d->family;
}

/* It is not connecting any more: nothing of the loop's points here. */
static void dial_leave(struct net_dial *d, enum dial_state state) {
  if (d->o.loop->ev)
    net_io_stop(d->o.loop, &d->io);
  d->state = state;
  hold_loop(d);
}

int net_dial_take(struct net_dial *d, enum net_fd_kind *kind) {
  int fd = d->fd;
  if (d->state != DIAL_CONNECTED)
    return -1;
  *kind = d->family == AF_UNIX ? NET_FD_UNIX : NET_FD_TCP;
  d->state = DIAL_CLOSED;
  d->fd = -1;
  return fd;
}

/* Closes what is open, and leaves the anchor alone. */
static void dial_shut(struct net_dial *d) {
  if (d->state == DIAL_CONNECTING)
    net_ready_forget(d->o.loop, d);
  dial_leave(d, DIAL_CLOSED);
  net_sys_close(d->fd);
  d->fd = -1;
}

void net_dial_close(struct net_dial *d) {
  lua_State *L = net_loop_thread(d->o.loop);
  dial_shut(d);
  if (d->o.anchored && lua_checkstack(L, LUA_MINSTACK))
    net_unanchor(L, &d->o);
}

/* The dial at 1, which must be in 'state'. [-0, +0, e] */
static struct net_dial *dial_in(lua_State *L, enum dial_state state) {
  struct net_dial *d = net_dial_check(L, 1);
  if (d->state != state)
    luaL_error(L, "the dial is %s", state_names[d->state]);
  return d;
}

/* AF_* for the 4, 6 or "unix" at 2. [-0, +0, e] */
static int check_family(lua_State *L) {
  static const char *const names[] = { "unix", NULL };
  if (lua_type(L, 2) != LUA_TNUMBER)
    return luaL_checkoption(L, 2, NULL, names), AF_UNIX;
  lua_Integer version = luaL_checkinteger(L, 2);
  luaL_argcheck(L, version == 4 || version == 6, 2, "must be 4, 6 or \"unix\"");
  return version == 6 ? AF_INET6 : AF_INET;
}

/* dial:open(4 | 6 | "unix") -> true, or nil and a negative errno */
static int dial_open(lua_State *L) {
  struct net_dial *d = dial_in(L, DIAL_NEW);
  d->family = check_family(L);
  int err = net_sys_socket(d->family, &d->fd);
  if (err < 0)
    d->fd = -1;
  else
    d->state = DIAL_OPEN;
  return net_push_result(L, err);
}

/* An IP literal of the dial's family at 'idx', with the port behind it; of either
 * family for an adopted descriptor. 0 or -EINVAL. [-0, +0, e] */
static int check_ip(lua_State *L, int idx, const struct net_dial *d, struct net_addr *out) {
  size_t len;
  const char *text = luaL_checklstring(L, idx, &len);
  lua_Integer port = luaL_checkinteger(L, idx + 1);
  if (port < 0 || port > 65535 || net_addr_parse(text, len, (int)port, out) < 0)
    return -EINVAL;
  return d->adopted || out->sa.ss_family == d->family ? 0 : -EINVAL;
}

/* bind(2) as libuv has it: one address for clients of many, and both families
 * on a wildcard of IPv6. */
static int bind_to(const struct net_dial *d, const struct net_addr *a) {
  int err = net_sys_reuseaddr(d->fd);
  if (err == 0 && d->family == AF_INET6)
    err = net_sys_v6only(d->fd, 0);
  if (err == 0)
    err = net_sys_bind(d->fd, (const struct sockaddr *)&a->sa, a->len);
  return err == -EAFNOSUPPORT ? -EINVAL : err;
}

/* dial:bind(ip | nil, port) -> true, or nil and a negative errno
 * nil is the wildcard of the family, port 0 any free one. */
static int dial_bind(lua_State *L) {
  struct net_dial *d = dial_in(L, DIAL_OPEN);
  struct net_addr a;
  int err = 0;
  luaL_argcheck(L, d->family != AF_UNIX, 1, "only an IP dial is bound");
  if (lua_isnil(L, 2)) {
    lua_Integer port = luaL_checkinteger(L, 3);
    luaL_argcheck(L, port >= 0 && port <= 65535, 3, "out of range");
    net_addr_any(d->family, (int)port, &a);
  } else {
    err = check_ip(L, 2, d, &a);
  }
  d->shown = 1;
  return net_push_result(L, err < 0 ? err : bind_to(d, &a));
}

static void dial_answer(lua_State *L, void *arg);

/* Calls the callback of the dial at 'idx'. Where memory runs out it may not even have begun:
 * then the answer waits to be told again. [-0, +?, e] */
static void dial_tell(lua_State *L, int idx, struct net_dial *d, int err) {
  lua_pushcfunction(L, net_uncaught_note);
  lua_getiuservalue(L, idx, VAL_CALLBACK);
  if (err < 0)
    lua_pushinteger(L, err);
  else
    lua_pushnil(L);
  int status = lua_pcall(L, 1, 0, -3);
  if (status == LUA_ERRMEM && net_dial_has_answer(d)) {
    d->answered = 1;
    d->state = DIAL_CONNECTING;
    hold_loop(d);
    net_ready(d->o.loop, dial_answer, d);
  } else {
    net_unanchor(L, &d->o);
    lua_pushnil(L);
    lua_setiuservalue(L, idx, VAL_CALLBACK);
  }
  if (status != LUA_OK)
    net_uncaught_again(L);
}

/* The attempt has its answer, if it still wants one. [-0, +?, e] */
static void dial_answer(lua_State *L, void *arg) {
  struct net_dial *d = arg;
  if (d->state != DIAL_CONNECTING)
    return;
  int err = d->error < 0 ? d->error : d->answered ? 0 : net_sys_error(d->fd);
  if (err == -EINPROGRESS)
    return;
  d->error = err;
  dial_leave(d, err < 0 ? DIAL_FAILED : DIAL_CONNECTED);
  net_push(L, &d->o); /* on the stack, the userdata keeps 'd' alive */
  dial_tell(L, lua_gettop(L), d, err);
}

/* Pending completion: of what failed at once. */
static void failed_step(lua_State *L, const struct net_step *step) { dial_answer(L, step->o); }

static void on_connected(struct ev_loop *ev, ev_io *w, int revents) {
  struct net_dial *d = w->data;
  int err = net_io_refused(d->o.loop, w, revents);
  (void)ev;
  if (err < 0)
    d->error = err;
  net_ready(d->o.loop, dial_answer, d);
}

/* Whether a failure of connect(2) is told from the loop. */
static int is_told_later(const struct net_dial *d, int err) {
  return d->family == AF_UNIX || err == -ECONNREFUSED;
}

/* The dial at 1 calls its callback, at 4, from the loop. Everything that can
 * raise comes before the watcher is started, or the state changes. */
static void dial_wait(lua_State *L, struct net_dial *d) {
  if (d->error < 0) {
    net_pend(L, 1, &d->o, failed_step);
  } else {
    ev_io_set(&d->io, d->fd, EV_WRITE);
    net_io_start(d->o.loop, &d->io);
  }
  d->state = DIAL_CONNECTING;
  hold_loop(d);
}

/* The address at 2 and 3. 0 or -EINVAL. [-0, +0, e] */
static int check_target(lua_State *L, const struct net_dial *d, struct net_addr *out) {
  size_t len;
  if (d->family != AF_UNIX)
    return check_ip(L, 2, d, out);
  const char *path = luaL_checklstring(L, 2, &len);
  return net_addr_unix(path, len, out);
}

/* dial:connect(ip, port, callback)
 * dial:connect(path, nil, callback) -> true, or nil and a negative errno
 * True: the callback gets nil or a negative errno, later. */
static int dial_connect(lua_State *L) {
  struct net_dial *d = dial_in(L, DIAL_OPEN);
  struct net_addr a;
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
  int err = check_target(L, d, &a);
  if (err < 0)
    return net_push_result(L, err);
  d->shown = 1;
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, 1, VAL_CALLBACK);
  net_anchor(L, 1, &d->o);

  err = net_sys_connect(d->fd, (const struct sockaddr *)&a.sa, a.len);
  if (err < 0 && err != -EINPROGRESS) {
    if (!is_told_later(d, err)) {
      net_unanchor(L, &d->o);
      return net_push_result(L, err);
    }
    d->error = err;
  }
  dial_wait(L, d);
  return net_push_result(L, 0);
}

/* dial:sockname() -> {address =, family =, port =}, or nil before bind and connect */
static int dial_sockname(lua_State *L) {
  struct net_dial *d = net_dial_check(L, 1);
  struct net_addr a;
  if (d->fd < 0 || !d->shown || net_sys_sockname(d->fd, &a.sa, &a.len) < 0)
    lua_pushnil(L);
  else
    net_addr_push_table(L, &a);
  return 1;
}

/* dial:fd() -> the descriptor, or nil */
static int dial_fd(lua_State *L) {
  struct net_dial *d = net_dial_check(L, 1);
  if (d->fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, d->fd);
  return 1;
}

/* dial:close(): gives up, in silence */
static int dial_close(lua_State *L) {
  net_dial_close(net_dial_check(L, 1));
  return 0;
}

/* Whoever has forgotten it before it connected has not removed the file that it is
 * bound to either. */
static int dial_gc(lua_State *L) {
  struct net_dial *d = net_dial_check(L, 1);
  if (d->fd >= 0 && lua_getiuservalue(L, 1, VAL_BOUND) != LUA_TNIL)
    net_boundsocket_remove_file(L, lua_gettop(L));
  net_kept_drop(&d->kept);
  dial_shut(d);
  return 0;
}

/* When it is still connecting, and anchored. */
static void dial_end(lua_State *L, int idx) { dial_shut(lua_touserdata(L, idx)); }

static void dial_forget(struct net_kept *kept) {
  dial_shut(net_container_of(kept, struct net_dial, kept));
}

struct net_dial *net_dial_new(lua_State *L) {
  struct net_dial *d = net_object_new(L, net_loop_get(L), &net_dial_class, sizeof *d, DIAL_UVS);
  d->fd = -1;
  ev_io_init(&d->io, on_connected, -1, EV_WRITE);
  d->io.data = d;
  net_keep(L, &d->kept, dial_forget);
  return d;
}

/* new() -> a Dial */
static int core_new(lua_State *L) {
  net_dial_new(L);
  return 1;
}

static const luaL_Reg dial_functions[] = {
  { "new", core_new },
  { NULL, NULL },
};

static const luaL_Reg dial_methods[] = {
  { "open", dial_open },
  { "bind", dial_bind },
  { "connect", dial_connect },
  { "sockname", dial_sockname },
  { "fd", dial_fd },
  { "close", dial_close },
  { NULL, NULL },
};

static const luaL_Reg dial_meta[] = {
  { "__gc", dial_gc },
  { "__close", dial_close },
  { NULL, NULL },
};

const struct net_class net_dial_class = {
  .name = "Dial",
  .methods = dial_methods,
  .meta = dial_meta,
  .end = dial_end,
};

void net_dial_open(lua_State *L) {
  net_class_open(L, &net_dial_class, 0);
  lua_setfield(L, -2, "Dial");
  luaL_newlib(L, dial_functions);
  lua_setfield(L, -2, "dial");
}
