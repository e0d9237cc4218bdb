/* SPDX-License-Identifier: MIT
 *
 * send.c - what leaves by a channel: from a message to the kernel.
 *
 * The plain messages of a turn are deferred: they lie in the outbox, and leave together
 * when the turn's listeners and ticks are done. What has a callback or a descriptor, what
 * is long, what is urgent and what is sent outside of a turn leaves at once, with what was
 * deferred before it. What the kernel refuses waits in the outbox until the descriptor can
 * be written to; then the channel is 'blocked'.
 *
 * A callback is a mark: a pair of the outbox's position behind its line, and the function,
 * which is called on a tick when the kernel has taken all before that position. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "base/container.h"
#include "base/error.h"
#include "base/json.h"
#include "events/emitter.h"
#include "loop/dispatch.h"
#include "process/channel.h"
#include "process/descriptor.h"

#define BATCH 16384 /* bytes that are deferred, at most */

/* --- marks -------------------------------------------------------------------------- */

/* Puts down what is to be called when the kernel has the next 'len' bytes too, and counts
 * nothing yet. [-0, +0, m] */
static void mark(lua_State *L, int idx, struct net_channel *c, int callback, size_t len) {
  net_pairs_table(L, idx, VAL_MARKS, &c->marks);
  lua_Integer at = net_pairs_slot(L, &c->marks, lua_gettop(L));
  uint64_t reached = c->out.added + len;
  lua_pushinteger(L, (lua_Integer)reached);
  lua_rawseti(L, -2, at);
  lua_pushvalue(L, callback);
  lua_rawseti(L, -2, at + 1);
  lua_pop(L, 1);
}

static lua_Integer awaited(const struct net_channel *c) { return c->marks.tail - c->marks.head; }

/* The position of the oldest mark; -1: there is none. [-0, +0, -] */
static lua_Integer oldest_mark(lua_State *L, int idx, const struct net_channel *c) {
  lua_Integer at = -1;
  if (awaited(c) == 0)
    return at;
  lua_getiuservalue(L, idx, VAL_MARKS);
  lua_rawgeti(L, -1, 2 * c->marks.head + 1);
  at = lua_tointeger(L, -1);
  lua_pop(L, 2);
  return at;
}

/* Has the oldest be called on a tick, with the error at 'err' or nothing (0). [-0, +0, m] */
static void tell_oldest(lua_State *L, int idx, struct net_channel *c, int err) {
  int top = lua_gettop(L);
  lua_getiuservalue(L, idx, VAL_MARKS);
  lua_rawgeti(L, -1, 2 * c->marks.head + 2);
  if (err)
    lua_pushvalue(L, err);
  net_tick(L, c->o.loop, err ? 1 : 0);
  net_pairs_pop(L, &c->marks);
  lua_settop(L, top);
}

/* Tells those whose lines the kernel has. [-0, +0, m] */
static void tell_gone(lua_State *L, int idx, struct net_channel *c) {
  while (awaited(c) > 0 && (uint64_t)oldest_mark(L, idx, c) <= c->out.gone)
    tell_oldest(L, idx, c, 0);
}

/* --- what the kernel refuses --------------------------------------------------------------- */

/* (owner, err): emits "error". */
static int emit_error(lua_State *L) {
  lua_pushliteral(L, "error");
  lua_insert(L, 2);
  net_emit_at(L, 1, 2, 1);
  return 0;
}

/* Is the oldest line one of ours that answers, as an ACK, or what was urgent? As in Node nobody
 * minds it. */
static int is_answer(const struct net_channel *c) {
  static const char begin[] = "{\"cmd\":\"NODE_";
  size_t len = sizeof begin - 1, first = net_outbox_first(&c->out);
  return c->out.gone + first == c->urgent_at ||
         (first > len && memcmp(c->out.lines.bytes + c->out.lines.at, begin, len) == 0);
}

/* Whoever sent the oldest line is told by the error at 'err': its callback, or else
 * "error", unless that is 'quiet'. [-0, +0, m] */
static void tell_lost(lua_State *L, int idx, struct net_channel *c, int err, int quiet) {
  uint64_t behind = c->out.gone + net_outbox_first(&c->out);
  if (oldest_mark(L, idx, c) == (lua_Integer)behind) {
    tell_oldest(L, idx, c, err);
  } else if (!quiet && !is_answer(c)) {
    lua_pushcfunction(L, emit_error);
    lua_getiuservalue(L, idx, VAL_OWNER);
    lua_pushvalue(L, err);
    net_tick(L, c->o.loop, 2);
  }
}

/* What waited, as the kernel was full, has been lost with the peer: it counts as sent too
 * late. What fails at its first attempt fails by itself; but where half of a line has left,
 * or the peer would wait for an answer for ever, that is the end. [-0, +0, e] */
static void lose(lua_State *L, int idx, struct net_channel *c, int err) {
  int top = lua_gettop(L), is_gone = err == -EPIPE || err == -ECONNRESET;
  int is_late = c->blocked && is_gone;
  int is_over = !is_gone && (c->out.amid || c->out.ahead.at < c->out.ahead.end);
  while (net_outbox_first(&c->out) > 0) {
    if (is_late)
      net_error_push_code(L, "ERR_IPC_CHANNEL_CLOSED", 0);
    else
      net_error_push_sys(L, err, "write");
    tell_lost(L, idx, c, top + 1, is_late);
    is_over |= !is_gone && is_answer(c);
    net_outbox_drop_first(&c->out);
    lua_settop(L, top);
  }
  net_outbox_drop(&c->out);
  c->blocked = 0;
  if (is_gone && !c->gone) {
    c->gone = 1; /* its end is behind what it has sent */
    net_ready(c->o.loop, c->readable, c);
  }
  if (is_over) {
    net_channel_push_hook(L, idx, "fail");
    net_error_push_sys(L, err, "write");
    lua_pushboolean(L, 1);
    lua_call(L, 3, 0);
  }
}

/* --- sending ------------------------------------------------------------------------------ */

static int is_full(int err) { return err == -EAGAIN || err == -ENOBUFS; }

/* What a peer that is gone did not take is dropped, and has not left. */
static int has_left(const struct net_channel *c) {
  return !c->gone && c->out.gone >= c->urgent_at && c->out.ahead.at == c->out.ahead.end;
}

/* Calls the hook if it is awaited. [-0, +0, e] */
static void tell_state(lua_State *L, int idx, const char *name) {
  net_channel_push_hook(L, idx, name);
  lua_call(L, 1, 0);
}

/* After an attempt to send: 0, or what it failed with. [-0, +0, e] */
static void tried(lua_State *L, int idx, struct net_channel *c, int err) {
  if (err < 0 && !is_full(err))
    lose(L, idx, c, err);
  else
    c->blocked = err < 0;
  if (c->fd < 0)
    return;
  if (!c->blocked)
    c->owed = 0;
  tell_gone(L, idx, c);
  net_channel_review(c);
  if (c->ahead_awaited && has_left(c)) {
    c->ahead_awaited = 0;
    tell_state(L, idx, "went");
  }
  if (c->awaited && !c->blocked && net_outbox_is_empty(&c->out)) {
    c->awaited = 0;
    tell_state(L, idx, "drained");
  }
}

/* Room for the ticks of all callbacks, as what has left cannot be taken back. [-0, +0, m] */
static void reserve_ticks(lua_State *L, struct net_channel *c, int more) {
  int count = (int)awaited(c) + more;
  if (count > 0)
    net_tick_reserve(L, c->o.loop, count, 2 * count);
}

/* [-0, +0, e] */
static void send_now(lua_State *L, int idx, struct net_channel *c) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  reserve_ticks(L, c, 0);
  if (c->fd < 0)
    return; /* a finalizer has closed it */
  net_loop_clean(c->o.loop, &c->flushable);
  tried(L, idx, c, net_outbox_send(&c->out, c->fd));
}

void net_channel_writable(lua_State *L, void *channel) {
  struct net_channel *c = channel;
  if (!(c->watched & EV_WRITE))
    return;
  net_push(L, &c->o);
  send_now(L, lua_gettop(L), c);
}

void net_channel_flush(lua_State *L, struct net_flushable *f) {
  struct net_channel *c = net_container_of(f, struct net_channel, flushable);
  if (c->fd < 0)
    return;
  net_push(L, &c->o);
  send_now(L, lua_gettop(L), c);
  lua_pop(L, 1);
}

/* Takes a line in, with its callback at 'callback' or without (0). Where that raises for
 * want of memory nothing of it is there. [-0, +0, e] */
static void submit(lua_State *L, int idx, struct net_channel *c, const char *line, size_t len,
                   int callback, int now) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (callback)
    mark(L, idx, c, callback, len);
  if (!c->blocked) /* else nothing leaves yet: to look at all that wait would cost each message */
    reserve_ticks(L, c, callback != 0);
  if (c->fd < 0)
    return; /* a finalizer has closed it */
  if (net_outbox_reserve(&c->out, len) < 0)
    net_error_memory(L);
  net_outbox_add(&c->out, line, len);
  c->marks.tail += callback != 0;
  if (c->blocked) {
    net_channel_review(c);
    return;
  }
  now |= callback || net_outbox_waits(&c->out) >= BATCH || c->o.loop->depth == 0;
  if (now || net_loop_dirty(c->o.loop, &c->flushable) < 0)
    send_now(L, idx, c);
}

/* How many bytes wait beyond what the kernel took, or will be given in this turn. */
static void push_waits(lua_State *L, const struct net_channel *c) {
  lua_pushinteger(L, c->blocked ? (lua_Integer)net_outbox_waits(&c->out) : 0);
}

/* --- urgent lines ---------------------------------------------------------------------------- */

/* Where nothing waits it goes behind what was deferred. */
void net_channel_add_urgent(struct net_channel *c, const char *line, size_t len) {
  if (c->blocked) {
    net_outbox_add_ahead(&c->out, line, len);
  } else {
    net_outbox_add(&c->out, line, len);
    c->urgent_at = c->out.added;
  }
  c->urgent = 1;
}

void net_channel_answer(lua_State *L, struct net_channel *c) {
  if (!c->urgent)
    return;
  c->urgent = 0;
  if (c->fd < 0)
    return;
  if (c->blocked) {
    net_channel_review(c);
    return;
  }
  net_push(L, &c->o);
  send_now(L, lua_gettop(L), c);
  lua_pop(L, 1);
}

/* --- for Lua --------------------------------------------------------------------------------------- */

/* What is internal only the Lua half sends. */
static int is_plain(lua_State *L, int idx) {
  switch (lua_type(L, idx)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
    case LUA_TBOOLEAN: return 1;
    case LUA_TTABLE: return !net_channel_is_internal(L, idx);
    default: return 0;
  }
}

/* Of the channel at 1. [-0, +0, e] */
static void submit_text(lua_State *L, const char *line, size_t len, void *channel) {
  submit(L, 1, channel, line, len, 0, 0);
}

/* send(channel, message [, handle [, options]] [, callback]) -> boolean. A message on its
 * own needs no Lua. */
static int channel_send(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  if (lua_gettop(L) != 2 || !c->connected || c->queues || c->fd < 0 || !is_plain(L, 2)) {
    net_channel_push_hook(L, 1, "sends");
    lua_rotate(L, 2, 2);
    lua_call(L, lua_gettop(L) - 2, 1);
    return 1;
  }
  net_json_write(L, 2, NET_JSON_LINE, submit_text, c);
  lua_pushboolean(L, !c->blocked || net_outbox_waits(&c->out) < 131072);
  return 1;
}

/* The function that channel:sender gives: as channel:send, without the channel. */
static int bound_send(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return channel_send(L);
}

/* sender(channel) -> function */
static int channel_sender(lua_State *L) {
  net_channel_self(L);
  lua_settop(L, 1);
  lua_pushcclosure(L, bound_send, 1);
  return 1;
}

/* write(channel, line, callback or nil, now [, owed]) -> how many bytes wait. 'owed': it
 * answers the peer, who is not heard before he reads */
static int channel_write(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  size_t len;
  const char *line = luaL_checklstring(L, 2, &len);
  if (c->fd >= 0) {
    c->owed += lua_toboolean(L, 5) && c->blocked ? len : 0;
    submit(L, 1, c, line, len, lua_isnil(L, 3) ? 0 : 3, lua_toboolean(L, 4));
  }
  push_waits(L, c);
  return 1;
}

/* urgent(channel, line) -> whether the kernel has it; if not, state:went() tells when, or
 * state:over() that it never will. It leaves now, with what was deferred, and waits only for the rest of a line that has
 * begun */
static int channel_urgent(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  size_t len;
  const char *line = luaL_checklstring(L, 2, &len);
  if (c->fd >= 0) {
    if (net_outbox_reserve(&c->out, len) < 0 || net_outbox_reserve_ahead(&c->out, len) < 0)
      return net_error_memory(L);
    net_channel_add_urgent(c, line, len);
    net_channel_answer(L, c);
    c->ahead_awaited = c->fd >= 0 && !has_left(c);
  }
  lua_pushboolean(L, c->fd >= 0 && has_left(c));
  return 1;
}

/* Fills 'fds' with the numbers of the list of Descriptors at 'list'; returns how many, of
 * which one that is closed ends them. [-0, +0, e] */
static int numbers(lua_State *L, int list, int fds[NET_RIGHTS_MAX]) {
  int count = 0;
  for (; count < NET_RIGHTS_MAX && lua_rawgeti(L, list, count + 1) != LUA_TNIL; lua_pop(L, 1))
    fds[count++] = *net_descriptor_check(L, lua_gettop(L));
  lua_pop(L, 1);
  return count;
}

/* send_with(channel, line, list of Descriptors, callback or nil) -> true when the kernel has
 * the first byte, and with it the descriptors; false while others wait, and then
 * state:drained() tells when they do not; or nil and a negative errno */
static int channel_send_with(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  int fds[NET_RIGHTS_MAX], count;
  size_t len;
  const char *line = luaL_checklstring(L, 2, &len);
  lua_settop(L, 4);
  count = numbers(L, 3, fds);
  if (c->fd >= 0 && !c->blocked && !net_outbox_is_empty(&c->out))
    send_now(L, 1, c);
  if (c->fd >= 0)
    mark(L, 1, c, 4, len);
  reserve_ticks(L, c, 1);
  if (c->fd < 0)
    return net_push_result(L, -EPIPE);
  if (net_outbox_reserve(&c->out, len) < 0)
    return net_error_memory(L);
  long n = c->blocked ? -EAGAIN : net_outbox_send_with(&c->out, c->fd, line, len, fds, count);
  if (n < 0 && !is_full((int)n))
    return net_push_result(L, (int)n);
  c->marks.tail += n > 0 && !lua_isnil(L, 4);
  c->awaited |= n <= 0;
  tried(L, 1, c, n < (long)len ? -EAGAIN : 0);
  lua_pushboolean(L, n > 0);
  return 1;
}

/* flush(channel) -> whether the kernel has all; if not, state:drained() tells when */
static int channel_flush(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  if (c->fd >= 0 && !c->blocked)
    send_now(L, 1, c);
  c->awaited = c->fd >= 0 && !net_outbox_is_empty(&c->out);
  lua_pushboolean(L, !c->awaited);
  return 1;
}

/* dismiss(channel, err): the callbacks of what has not left are called with the error, on
 * ticks */
static int channel_dismiss(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  lua_settop(L, 2);
  while (awaited(c) > 0)
    tell_oldest(L, 1, c, 2);
  return 0;
}

/* is_read(channel) -> whether the peer has read all that was sent; nil where the system does
 * not tell */
static int channel_is_read(lua_State *L) {
  int is_read = net_sys_is_read(net_channel_self(L)->fd);
  if (is_read < 0)
    lua_pushnil(L);
  else
    lua_pushboolean(L, is_read);
  return 1;
}

const luaL_Reg net_channel_send_functions[] = {
  { "send", channel_send },       { "sender", channel_sender },       { "write", channel_write },
  { "urgent", channel_urgent },   { "send_with", channel_send_with }, { "flush", channel_flush },
  { "dismiss", channel_dismiss }, { "is_read", channel_is_read },     { NULL, NULL }
};
