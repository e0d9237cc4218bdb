/* SPDX-License-Identifier: MIT
 *
 * give.c - a stream whose descriptor goes to another process. See give.h.
 *
 * Node reads on until the other process has it, and what has come by then is lost; and it
 * sends the descriptor at once, so that what was written before may come behind what the
 * other process writes. Here reading stops first, and the descriptor leaves the stream when
 * that has sent all. It moves, and is no duplicate: so it costs none, and the kernel's end
 * of the connection is the other process's alone. */
#include "stream/give.h"

#include "base/encoding.h"
#include "connect/boundsocket.h"
#include "loop/dispatch.h"
#include "stream/pump.h"
#include "stream/readbuffer.h"
#include "stream/request.h"

/* Layers above a descriptor have a state that does not travel. */
static int is_plain(const struct net_stream *s) {
  const struct net_transport *via = s->handle.via;
  return via == &net_transport_tcp || via == &net_transport_unix || via == &net_transport_pipe;
}

/* A terminal or the like, which is read and written as a pipe is. The system need not be
 * asked about others. */
static int is_of_no_kind(const struct net_stream *s) {
  return s->handle.via == &net_transport_pipe && net_sys_kind(net_stream_fd(s)) == NET_FD_OTHER;
}

enum net_give net_give_state(const struct net_stream *s) {
  if (!s->watch.open || s->life.given)
    return NET_GIVE_NOTHING;
  if (!is_plain(s) || is_of_no_kind(s))
    return NET_GIVE_NEVER;
  return NET_GIVE_MAY;
}

/* What was written goes; a cork would hold it for ever. [-0, +0, e] */
static void release_writes(lua_State *L, int idx, struct net_stream *s) {
  if (s->req.corked) {
    s->req.corked = 1;
    net_writable_uncork(L, idx);
  }
  net_request_flush_now(L, s);
}

/* Forgets who is at either end. [-0, +0, -] */
static void forget_addresses(lua_State *L, int idx, struct net_stream *s) {
  static const int keys[] = { SLOT_REMOTE, SLOT_PEER, SLOT_LOCAL, SLOT_PROXY };
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    if (net_rare_get(L, idx, keys[i]) != LUA_TNIL) {
      lua_pushnil(L);
      net_rare_set(L, idx, keys[i]);
    }
    lua_pop(L, 1);
  }
  s->watch.peer_family = 0;
}

/* The file that it was bound to is as little this process's to remove as the descriptor
 * is to close. [-0, +0, -] */
static void keep_file(lua_State *L, int idx, struct net_stream *s) {
  struct net_file_id file;
  int family;
  if (!s->watch.unlinks)
    return;
  s->watch.unlinks = 0;
  net_rare_get(L, idx, SLOT_BOUND);
  net_boundsocket_take(lua_touserdata(L, -1), &family, &file);
  lua_pop(L, 1);
}

void net_give_begin(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  release_writes(L, idx, s);
  net_stream_discount(L, idx);
  s->life.given = 1;
  net_stream_poll(s, s->watch.wanted);
  net_stream_set_timeout(L, idx, 0);
  forget_addresses(L, idx, s);
  keep_file(L, idx, s);
  s->opt.flowing = s->opt.flowing_set = s->life.need_drain = 0;
  if (!s->life.end_emitted)
    s->life.eof = s->life.end_due = 0;
}

int net_give_take(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!s->life.given || !s->watch.open || net_stream_is_unsent(s))
    return -1;
  net_ready_forget(s->o.loop, s);
  net_pump_leave(s);
  int fd = net_stream_part(s);
  net_stream_release(L, s);
  return fd;
}

/* Appends the bytes that a decoder of UTF-8 has kept back. [-1, +1, m] */
static void add_held(lua_State *L, struct net_decoder *d) {
  lua_pushlstring(L, (const char *)d->hold, d->held);
  lua_concat(L, 2);
  net_decoder_init(d, NET_ENC_UTF8);
}

void net_give_push_read(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  net_rare_get(L, idx, SLOT_DECODER);
  struct net_decoder *d = s->opt.decoding ? lua_touserdata(L, -1) : NULL;
  if (d && d->encoding != NET_ENC_UTF8) {
    lua_pushnil(L);
    lua_remove(L, -2);
    return;
  }
  int is_taken = 0;
  while (s->in.len > 0 && !is_taken)
    is_taken = net_rb_take(L, idx, &s->in, s->in.len, s->in.moves);
  if (!is_taken)
    lua_pushliteral(L, "");
  if (d)
    add_held(L, d);
  lua_remove(L, -2);
}
