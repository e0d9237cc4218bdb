/* SPDX-License-Identifier: MIT
 *
 * channel.c - a channel to another process: what it holds, and its end. See channel.h.
 *
 * A channel reads from its first turn to its end, whether or not anybody listens, as Node's
 * does: the peer's death has to be heard, and ACKs have to leave. It is anchored as long as
 * it has a descriptor. Whether it holds the loop too is for 'ref', 'unref', who listens, and
 * what waits to leave. */
#include "process/channel.h"

#include <string.h>

#include "loop/atexit.h"
#include "loop/dispatch.h"
#include "loop/watch.h"

#define AHEAD_MAX 65536    /* bytes of ACKs that wait; a peer that reads none is not heard */
#define OWED_MAX (1 << 20) /* the same of answers */

struct net_channel *net_channel_self(lua_State *L) {
  return net_object_check(L, 1, &net_channel_class);
}

void net_channel_push_hook(lua_State *L, int idx, const char *name) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_getiuservalue(L, idx, VAL_STATE);
  lua_getfield(L, -1, name);
  lua_insert(L, -2);
}

int net_channel_is_internal(lua_State *L, int idx) {
  size_t len;
  if (lua_type(L, idx) != LUA_TTABLE)
    return 0;
  lua_pushliteral(L, "cmd");
  lua_rawget(L, idx);
  const char *cmd = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
  int is = cmd && len > 5 && memcmp(cmd, "NODE_", 5) == 0;
  lua_pop(L, 1);
  return is;
}

/* --- watching and holding ------------------------------------------------------- */

static void hold(struct net_channel *c) {
  unsigned holds = c->wanted || c->busy || !net_outbox_is_empty(&c->out);
  if (c->told_to)
    holds = c->told_to == CHANNEL_REF;
  if (c->fd < 0)
    holds = 0;
  if (holds && !c->holds)
    net_loop_ref(c->o.loop);
  else if (!holds && c->holds)
    net_loop_unref(c->o.loop);
  c->holds = holds;
}

/* A peer that sends and does not read is not heard before it does. */
static int events(const struct net_channel *c) {
  size_t ahead = c->out.ahead.end - c->out.ahead.at;
  int wanted = ahead < AHEAD_MAX && c->owed < OWED_MAX ? EV_READ : 0;
  return c->fd < 0 ? 0 : wanted | (c->blocked ? EV_WRITE : 0);
}

void net_channel_review(struct net_channel *c) {
  int wanted = events(c);
  if (wanted != c->watched) {
    if (c->watched)
      net_io_stop(c->o.loop, &c->io);
    c->watched = (unsigned)wanted & 3;
    if (wanted) {
      ev_io_modify(&c->io, wanted);
      net_io_start(c->o.loop, &c->io);
    }
  }
  hold(c);
}

/* Nothing of it is the system's from here on. The buffer goes later if a line in it is
 * being looked at. */
static void shut(struct net_channel *c) {
  int fd = c->fd;
  net_atexit_share(&c->own);
  c->fd = -1;
  c->connected = c->blocked = 0;
  net_atexit_drop(&c->parents);
  net_loop_clean(c->o.loop, &c->flushable);
  net_ready_forget(c->o.loop, c);
  net_channel_review(c); /* stops the watcher first */
  net_sys_close(fd);
  net_outbox_end(&c->out);
  if (!c->telling)
    net_frames_end(&c->in);
}

void net_channel_shut(lua_State *L, struct net_channel *c) {
  shut(c);
  net_unanchor(L, &c->o);
}

/* What was written in this turn leaves if the kernel takes it. */
static void channel_end(lua_State *L, int idx) {
  struct net_channel *c = lua_touserdata(L, idx);
  if (c->fd < 0)
    return;
  (void)net_outbox_send(&c->out, c->fd);
  net_channel_shut(L, c);
}

static int channel_gc(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  channel_end(L, 1);
  net_outbox_end(&c->out);
  net_frames_end(&c->in);
  return 0;
}

/* --- for Lua --------------------------------------------------------------------- */

/* shut(channel): closes it, and tells nobody */
static int channel_shut(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  if (c->fd >= 0)
    net_channel_shut(L, c);
  return 0;
}

/* disconnected(channel): it is not connected any more, though its lines still leave */
static int channel_disconnected(lua_State *L) {
  net_channel_self(L)->connected = 0;
  return 0;
}

static int channel_told_to(lua_State *L, unsigned to) {
  struct net_channel *c = net_channel_self(L);
  c->told_to = to & 3;
  hold(c);
  return 0;
}

/* channel:ref(), channel:unref(): whether it holds the loop, from here on, whoever listens */
static int channel_ref(lua_State *L) { return channel_told_to(L, CHANNEL_REF); }
static int channel_unref(lua_State *L) { return channel_told_to(L, CHANNEL_UNREF); }

/* want(channel, boolean): whether somebody listens */
static int channel_want(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  c->wanted = lua_toboolean(L, 2) & 1;
  hold(c);
  return 0;
}

/* keeps(channel, boolean): whether messages are kept in Lua */
static int channel_keeps(lua_State *L) {
  net_channel_self(L)->keeps = lua_toboolean(L, 2) & 1;
  return 0;
}

/* wait(channel, queues, busy): whether messages have to queue in Lua, and whether something
 * waits there */
static int channel_wait(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  c->queues = lua_toboolean(L, 2) & 1;
  c->busy = lua_toboolean(L, 3) & 1;
  hold(c);
  return 0;
}

/* connected(channel), is_open(channel) -> boolean */
static int channel_connected(lua_State *L) {
  const struct net_channel *c = net_channel_self(L);
  lua_pushboolean(L, c->connected && c->fd >= 0);
  return 1;
}

static int channel_is_open(lua_State *L) {
  lua_pushboolean(L, net_channel_self(L)->fd >= 0);
  return 1;
}

/* is_internal(value): whether a message is internal, as its 'cmd' says */
static int channel_is_internal(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, net_channel_is_internal(L, 1));
  return 1;
}

/* await_first(channel): the first line that comes is told, whatever it is */
static int channel_await_first(lua_State *L) {
  net_channel_self(L)->awaits_first = 1;
  return 0;
}

static int get_max(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)net_channel_self(L)->in.max);
  return 1;
}

/* limit(channel, bytes of a line), which Lua has checked */
static int channel_limit(lua_State *L) {
  net_channel_self(L)->in.max = (size_t)luaL_checkinteger(L, 2);
  return 0;
}

static const luaL_Reg channel_methods[] = { { "ref", channel_ref },
                                            { "unref", channel_unref },
                                            { NULL, NULL } };

static const luaL_Reg channel_getters[] = { { "maxMessage", get_max }, { NULL, NULL } };

static const luaL_Reg channel_meta[] = { { "__gc", channel_gc }, { NULL, NULL } };

const struct net_class net_channel_class = {
  .name = "Channel",
  .methods = channel_methods,
  .getters = channel_getters,
  .meta = channel_meta,
  .end = channel_end,
};

const luaL_Reg net_channel_functions[] = { { "shut", channel_shut },
                                           { "disconnected", channel_disconnected },
                                           { "connected", channel_connected },
                                           { "is_open", channel_is_open },
                                           { "is_internal", channel_is_internal },
                                           { "want", channel_want },
                                           { "keeps", channel_keeps },
                                           { "wait", channel_wait },
                                           { "limit", channel_limit },
                                           { "await_first", channel_await_first },
                                           { NULL, NULL } };
