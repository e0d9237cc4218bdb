/* SPDX-License-Identifier: MIT
 *
 * attach.c - how a channel begins, and what the loop tells it. See channel.h.
 *
 * A child made by fork(2) has a copy of the descriptor, which is the parent's channel all
 * the same: atexit.c closes it there, and the first turn in the child lets go of the rest. */
#include <errno.h>
#include <lauxlib.h>

#include "base/container.h"
#include "base/error.h"
#include "loop/atexit.h"
#include "loop/dispatch.h"
#include "loop/watch.h"
#include "process/channel.h"
#include "process/descriptor.h"

/* --- events of the loop --------------------------------------------------------------- */

/* The system does not watch the descriptor. */
static void channel_refused(lua_State *L, void *channel) {
  struct net_channel *c = channel;
  if (c->fd < 0 || !c->refused)
    return;
  net_push(L, &c->o);
  net_channel_push_hook(L, 1, "fail");
  net_error_push_sys(L, c->o.loop->refusal, net_io_call(c->o.loop));
  lua_pushboolean(L, 1);
  lua_call(L, 3, 0);
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents) {
  struct net_channel *c = w->data;
  int err = net_io_refused(c->o.loop, w, revents);
  (void)ev;
  if (c->fd < 0)
    return; /* in a child of fork(2), before the turn's first look at that */
  if (err != 0 && err != -EBADF) {
    c->refused = 1;
    net_ready(c->o.loop, channel_refused, c);
    return;
  }
  if (revents & EV_WRITE)
    net_ready(c->o.loop, net_channel_writable, c);
  if (revents & EV_READ)
    net_ready(c->o.loop, net_channel_readable, c); /* what is noted last runs first */
}

/* This process is a child of fork(2), and the descriptor is closed. */
static void let_go(lua_State *L, struct net_parents *p) {
  net_channel_shut(L, net_container_of(p, struct net_channel, parents));
}

/* --- for Lua -------------------------------------------------------------------------- */

/* open(descriptor, owner, state, max) -> channel, which has the descriptor's number from
 * here on. 'max': bytes of a line */
static int core_open(lua_State *L) {
  int *fd = net_descriptor_check(L, 1);
  luaL_checkany(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t max = (size_t)luaL_checkinteger(L, 4);
  struct net_loop *loop = net_loop_get(L);
  struct net_channel *c = net_object_new(L, loop, &net_channel_class, sizeof *c, CHANNEL_UVS);
  int idx = lua_gettop(L);
  c->fd = -1;
  net_frames_init(&c->in, max);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, idx, VAL_OWNER);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, idx, VAL_STATE);
  net_anchor(L, idx, &c->o);
  c->fd = *fd;
  *fd = -1;
  ev_io_init(&c->io, on_io, c->fd, EV_READ);
  c->io.data = c;
  c->readable = net_channel_readable;
  c->connected = c->flushable.is_channel = 1;
  net_atexit_keep(loop, &c->parents, let_go);
  loop->flush_channel = net_channel_flush;
  net_atexit_unshare(&c->own, &c->fd);
  net_channel_review(c);
  return 1;
}

void net_channel_open(lua_State *L) {
  static const luaL_Reg makers[] = { { "open", core_open }, { NULL, NULL } };
  net_class_open(L, &net_channel_class, 0);
  lua_setfield(L, -2, "Channel");
  lua_createtable(L, 0, 20);
  luaL_setfuncs(L, makers, 0);
  luaL_setfuncs(L, net_channel_functions, 0);
  luaL_setfuncs(L, net_channel_receive_functions, 0);
  luaL_setfuncs(L, net_channel_send_functions, 0);
  lua_setfield(L, -2, "channel");
}
