/* SPDX-License-Identifier: MIT
 *
 * open.c - how a stream begins: made, bound, connecting, connected.
 *
 * It is anchored from the moment it has a handle, which is when connect() is called, or
 * when it is given what is connected already; of a BoundSocket it has a handle before,
 * and is not. One that is closed may be connected anew, and starts over then. Nothing of
 * the machine calls this. */
#include "stream/stream.h"

#include <string.h>

#include "connect/boundsocket.h"
#include "stream/attempt.h"

struct net_stream *net_stream_new(lua_State *L, struct net_loop *loop,
                                  const struct net_class *cls) {
  struct net_stream *s = net_object_new(L, loop, cls, sizeof *s, STREAM_UVS);
  net_stream_no_handle(s);
  s->in.hwm = s->req.hwm = NET_DEFAULT_HWM;
  net_rb_reset(&s->in);
  net_news_init(s);
  return s;
}

size_t net_stream_mark(lua_State *L, int idx) {
  lua_Number n = lua_tonumber(L, idx);
  return n < (lua_Number)NET_MARK_MAX ? (size_t)n : NET_MARK_MAX;
}

void net_stream_set_mark(lua_State *L, int idx, int key) {
  struct net_stream *s = lua_touserdata(L, idx);
  size_t mark = net_stream_mark(L, -1);
  if (mark == NET_MARK_MAX)
    net_rare_set(L, idx, key);
  else
    lua_pop(L, 1);
  if (key == SLOT_READ_MARK)
    s->in.hwm = mark;
  else
    s->req.hwm = mark;
}

void net_stream_open(lua_State *L, int idx, const struct net_transport *via, void *state) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_prepare(L, idx, via->poll != NULL);
  net_stream_set_handle(s, via, state);
}

void net_stream_open_fd(lua_State *L, int idx, int fd, enum net_fd_kind kind) {
  net_stream_open(L, idx, net_transport_of(kind), (void *)(intptr_t)fd);
}

void net_stream_bind(lua_State *L, int idx, int from) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_dial_new(L);
  int dial = lua_gettop(L);
  lua_pushvalue(L, dial);
  net_attempt_set(L, idx);
  lua_pushvalue(L, from);
  net_rare_set(L, idx, SLOT_BOUND);
  s->watch.unlinks = net_dial_adopt(L, dial, from) == AF_UNIX;
  s->handle.via = s->watch.unlinks ? &net_transport_unix : &net_transport_tcp;
  s->life.handle = 1;
  lua_pop(L, 1);
}

/* --- connecting ---------------------------------------------------------------- */

/* From now on there is a handle, if not yet a descriptor. [-0, +0, m] */
static void stream_hold(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_anchor(L, idx, &s->o);
  s->life.handle = 1;
}

/* The sides that options turn off stay so. */
static void never_again(struct net_stream *s) {
  if (s->opt.read_off)
    net_stream_never_reads(s);
  if (s->opt.write_off)
    net_stream_never_writes(s);
}

/* A destroyed stream starts over: all but options, listeners and whether it
 * flows, which is theirs. */
static void stream_reset(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_object_table(L, idx, VAL_RARE); /* while a finalizer does no harm; not below */
  lua_pop(L, 1);
  if (s->life.destroyed)
    net_writable_reset(L, idx);
  if (!s->life.destroyed)
    return; /* a finalizer has connected it meanwhile */
  /* What it keeps: that a read has found nothing, and waits. */
  unsigned need_readable = s->life.need_readable;
  memset(&s->life, 0, sizeof s->life);
  s->life.need_readable = need_readable;
  never_again(s);
  net_rb_reset(&s->in);
  s->o.unheard = 0;
  s->watch.peer_family = 0;
  static const int stale[] = { SLOT_ERRORED, SLOT_RBUF,  SLOT_ENDCBS, SLOT_REMOTE,
                               SLOT_PEER,    SLOT_LOCAL, SLOT_TO,     SLOT_PROXY };
  for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
    lua_pushnil(L);
    net_rare_set(L, idx, stale[i]);
  }
}

/* A stream that never had a handle may have ended all the same, and has not any more:
 * only the 'finish' that was due is still told. What a failed write is about to tell
 * stays, and ends it. */
static void stream_revive(struct net_stream *s) {
  struct net_life *life = &s->life;
  if (life->handle || life->errored)
    return;
  if (life->prefinished && !life->finished)
    life->finish_overdue = 1;
  life->eof = life->end_due = life->end_emitted = life->write_after_fin = 0;
  life->ending = life->final_called = life->prefinished = life->finished = 0;
  never_again(s);
}

void net_stream_connecting(lua_State *L, int idx, enum net_fd_kind kind) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (s->life.destroyed)
    stream_reset(L, idx);
  else
    stream_revive(s);
  s->handle.via = net_transport_of(kind);
  s->bytes_read = s->bytes_written = 0;
  s->life.given = 0;
  stream_hold(L, idx);
  net_attempt_connecting(s, 1);
  net_stream_touch(s);
}

void net_stream_connected(lua_State *L, int idx, int fd, enum net_fd_kind kind) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_open_fd(L, idx, fd, kind);
  net_stream_touch(s);
  if (s->opt.nodelay && kind == NET_FD_TCP)
    net_sys_nodelay(fd, 1);
  net_stream_hook(L, idx, "on_connected");
  if (s->life.read_wanted && s->watch.open) {
    s->life.read_wanted = 0;
    net_stream_poll(s, EV_READ);
  }
  if (!net_emit_guarded(L, idx, &s->o, ON_CONNECT, 0))
    net_emit_guarded(L, idx, &s->o, ON_READY, 0);
  net_stream_begin(L, idx);
}

void net_stream_begin(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (net_readable_paused(s) || (s->life.destroyed || s->opt.read_off))
    return;
  net_readable_read(L, idx, 0);
  lua_pop(L, 1);
}
