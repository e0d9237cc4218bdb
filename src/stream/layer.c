/* SPDX-License-Identifier: MIT
 *
 * layer.c - what is under an open stream changes. See layer.h.
 *
 * To put a layer on is to move one handle. To take all of it is more: 'from' has a
 * history, of which what is about the connection goes along (bytes that were read, who
 * counts it, addresses, options of the descriptor), and what is about its listeners
 * stays. The alternative, to have the layer serve two streams, would need two owners of
 * one watcher.
 *
 * What may raise comes first, and is begun anew where a finalizer came in between. */
#include "stream/layer.h"

#include <errno.h>

#include "base/encoding.h"
#include "stream/attempt.h"
#include "stream/memory.h"
#include "stream/peer.h"
#include "stream/pump.h"
#include "stream/readbuffer.h"
#include "stream/request.h"

/* Is something written that is not with who is below yet? */
static int is_busy(const struct net_stream *s) {
  return s->watch.wanted & NET_WRITE || s->life.deferred;
}

void net_layer_install(lua_State *L, int idx, const struct net_transport *via, void *state,
                       struct net_handle *below) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->watch.open)
    net_stream_prepare(L, idx, 1);
  net_request_flush_now(L, s);
  if (!s->watch.open)
    luaL_error(L, "a layer for a socket that is not open");
  if (is_busy(s))
    luaL_error(L, "a layer for a socket that has still to send");
  net_pump_leave(s);
  net_stream_put_on(s, via, state, below);
}

/* --- may it be taken? ----------------------------------------------------------- */

/* Is the stream at 'of' the one in that slot of the one at 'idx'? */
static int is_link(lua_State *L, int idx, int key, int of) {
  net_rare_get(L, idx, key);
  int is = lua_rawequal(L, -1, of);
  lua_pop(L, 1);
  return is;
}

/* May it have a handle of another's: it is new, or connecting, or 'from' has its own? */
static int is_free(lua_State *L, int to, int from) {
  const struct net_stream *t = net_stream_at(L, to);
  if (t->watch.open || net_attempt_dial(L, to) || t->life.took || t->life.destroyed)
    return 0;
  if (t->life.taken)
    return is_link(L, to, SLOT_TO, from);
  return !t->life.handle || t->life.connecting;
}

/* Has an end come of either side that it was told of, or is to hear? */
static int has_ended(const struct net_stream *s) {
  int was_told = s->life.end_emitted && !s->opt.half_open;
  return was_told || s->life.ending || s->life.errored || s->life.destroyed;
}

/* Has it a connection, or makes one, that it did not get from another stream? */
static int has_own(lua_State *L, int to) {
  const struct net_stream *t = net_stream_at(L, to);
  return (t->watch.open || net_attempt_dial(L, to)) && !t->life.took;
}

/* 0, -EAGAIN, -EISCONN or -EBADF. */
static int may_take(lua_State *L, int to, int from) {
  const struct net_stream *f = net_stream_at(L, from);
  if (has_own(L, to))
    return -EISCONN;
  if (!is_free(L, to, from))
    return -EBADF;
  if (f->life.connecting && !has_ended(f))
    return -EAGAIN;
  return f->watch.open && !has_ended(f) ? 0 : -EBADF;
}

/* --- what may raise --------------------------------------------------------------- */

/* What was written goes; a cork would hold it for ever. [-0, +0, e] */
static void release_writes(lua_State *L, int from) {
  struct net_stream *f = net_stream_at(L, from);
  if (f->req.corked) {
    f->req.corked = 1;
    net_writable_uncork(L, from);
  }
  net_request_flush_now(L, f);
}

/* Turns the text on the top back into the bytes that it was made of, with what the decoder
 * keeps back. Malformed ones have been replaced. [-1, +1, m] */
static void encode_back(lua_State *L, int from) {
  net_rare_get(L, from, SLOT_DECODER);
  const struct net_decoder *d = lua_touserdata(L, -1);
  net_encoding_encode(L, lua_gettop(L) - 1, (enum net_encoding)d->encoding);
  lua_pushlstring(L, (const char *)d->hold, d->held);
  lua_concat(L, 2);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Pushes all that was read and nobody has consumed, as bytes. [-0, +1, m] */
static void push_read(lua_State *L, int from) {
  const struct net_stream *f = net_stream_at(L, from);
  if (f->in.len > 0)
    net_rb_peek(L, from, &f->in, f->in.len);
  else
    lua_pushliteral(L, "");
  if (f->opt.decoding)
    encode_back(L, from);
}

/* Makes the slots into which the links and the addresses go. [-0, +0, m] */
static void make_slots(lua_State *L, int to, int from) {
  static const int keys[] = { SLOT_REMOTE, SLOT_PEER, SLOT_FROM };
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    lua_pushboolean(L, 0);
    net_rare_set(L, to, keys[i]);
  }
  if (net_rare_get(L, from, SLOT_PROXY) != LUA_TNIL) {
    lua_pushboolean(L, 0);
    net_rare_set(L, to, SLOT_PROXY);
  }
  lua_pop(L, 1);
  if (net_rare_get(L, from, SLOT_TO) == LUA_TNIL) {
    lua_pushboolean(L, 0);
    net_rare_set(L, from, SLOT_TO);
  }
  lua_pop(L, 1);
}

/* Has 'from' know its peer, which it shows from here on without a descriptor.
 * [-0, +0, m] */
static void keep_peer(lua_State *L, int from) {
  const struct net_stream *f = lua_touserdata(L, from);
  struct net_addr a = { .len = sizeof a.sa };
  if (f->watch.peer_family == 0 && net_peer_get(L, from, &a))
    net_peer_keep(L, from, &a);
}

/* All of it; pushes the bytes. Last what would have to be taken back. [-0, +1, m] */
static void prepare(lua_State *L, int to, int from) {
  keep_peer(L, from);
  push_read(L, from);
  make_slots(L, to, from);
  net_memory_follow(L, to, lua_touserdata(L, from));
  net_stream_prepare(L, to, 1);
}

/* --- what may not ----------------------------------------------------------------- */

/* Copies the value in that slot, if there is one. [-0, +0, -] */
static void copy_slot(lua_State *L, int to, int from, int key) {
  if (net_rare_get(L, from, key) != LUA_TNIL)
    net_rare_set(L, to, key);
  else
    lua_pop(L, 1);
}

/* What is known of the connection, and who counts it. [-0, +0, -] */
static void move_history(lua_State *L, int to, int from) {
  struct net_stream *t = net_stream_at(L, to), *f = net_stream_at(L, from);
  copy_slot(L, to, from, SLOT_REMOTE);
  copy_slot(L, to, from, SLOT_PEER);
  copy_slot(L, to, from, SLOT_PROXY);
  t->accepted = f->accepted;
  t->watch.peer_family = f->watch.peer_family;
  t->opt.keepalive = f->opt.keepalive;
  t->opt.nodelay |= f->opt.nodelay;
  t->opt.unref |= f->opt.unref;
  t->life.gap |= f->life.gap; /* what was read and lost is missing there too */
  t->owner = f->owner;
  f->owner = NULL;
  lua_getiuservalue(L, from, VAL_SERVER);
  lua_setiuservalue(L, to, VAL_SERVER);
}

/* It reads, flows and ends no more; if it gets its handle back it reads as before.
 * [-0, +0, -] */
static void silence(lua_State *L, int from) {
  struct net_stream *f = net_stream_at(L, from);
  if (f->opt.flowing)
    f->opt.flowing = f->opt.flowing_set = 0;
  if (f->watch.wanted & NET_READ)
    f->life.read_wanted = 1;
  if (!f->life.end_emitted)
    f->life.eof = f->life.end_due = 0;
  net_rb_reset(&f->in);
  if (net_rare_get(L, from, SLOT_RBUF) != LUA_TNIL) {
    lua_pushnil(L);
    net_rare_set(L, from, SLOT_RBUF);
  }
  lua_pop(L, 1);
  if (f->opt.decoding) {
    net_rare_get(L, from, SLOT_DECODER);
    struct net_decoder *d = lua_touserdata(L, -1);
    net_decoder_init(d, (enum net_encoding)d->encoding);
    lua_pop(L, 1);
  }
}

/* Whoever is destroyed destroys both; one that gets its own back owes it no more.
 * [-0, +0, -] */
static void link_both(lua_State *L, int to, int from) {
  struct net_stream *t = net_stream_at(L, to), *f = net_stream_at(L, from);
  if (t->life.taken) {
    lua_pushboolean(L, 0);
    net_rare_set(L, to, SLOT_TO);
    lua_pushboolean(L, 0);
    net_rare_set(L, from, SLOT_FROM);
    t->life.taken = f->life.took = 0;
  }
  lua_pushvalue(L, to);
  net_rare_set(L, from, SLOT_TO);
  lua_pushvalue(L, from);
  net_rare_set(L, to, SLOT_FROM);
  f->life.taken = t->life.took = 1;
}

/* What 'to' was asked before it was connected. [-0, +0, e] */
static void begin(lua_State *L, int to, int was_connecting) {
  struct net_stream *t = net_stream_at(L, to);
  net_stream_touch(t);
  if (t->opt.nodelay && net_stream_can(t, NET_CAN_NODELAY))
    (void)net_sys_nodelay(net_stream_fd(t), 1);
  if (t->life.read_wanted) {
    t->life.read_wanted = 0;
    net_stream_poll(t, t->watch.wanted | NET_READ);
  }
  if (was_connecting)
    net_stream_hook(L, to, "on_connected");
}

int net_layer_take(lua_State *L, int to, int from) {
  struct net_stream *t = net_stream_at(L, to), *f = net_stream_at(L, from);
  int top = lua_gettop(L), was_anchored = t->o.anchored, err;
  unsigned moves;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  do {
    lua_settop(L, top);
    if ((err = may_take(L, to, from)) < 0)
      break;
    release_writes(L, from);
    moves = f->in.moves;
    prepare(L, to, from);
    err = may_take(L, to, from);
  } while (err == 0 && (f->in.moves != moves || f->req.corked || f->life.deferred));
  if (err == 0 && (is_busy(f) || f->life.writing))
    err = -EAGAIN;
  if (err < 0) {
    lua_settop(L, top);
    if (!was_anchored && !t->life.handle)
      net_stream_unprepare(L, to);
    return err;
  }
  int was_connecting = t->life.connecting;
  move_history(L, to, from);
  silence(L, from);
  link_both(L, to, from);
  net_pump_leave(f);
  net_stream_wake(&t->handle, net_stream_move(t, f));
  begin(L, to, was_connecting);
  return 0;
}
