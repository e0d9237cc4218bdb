/* SPDX-License-Identifier: MIT
 *
 * arrive.c - what comes into the readable half of a stream: chunks and the end of the
 * peer's, and what a program puts back by unshift.
 *
 * A chunk goes straight to 'data' when the stream flows, somebody listens and nothing is
 * buffered; else it joins the buffer, and readable.c tells of it. Nothing of the machine
 * calls this. */
#include "stream/arrive.h"

#include "base/encoding.h"
#include "base/error.h"
#include "stream/readbuffer.h"

/* Do chunks go to 'data' listeners past the buffer? As in Node not to those who came by
 * prependListener, but to nobody after removeAllListeners. */
static int hears_at_once(const struct net_stream *s) {
  return s->opt.flowing && s->opt.data_listens && s->in.len == 0;
}

/* Puts the chunk on the top where it belongs. [-1, +0, e] */
static void add_chunk(lua_State *L, int idx, struct net_stream *s) {
  if (hears_at_once(s)) {
    s->life.data_emitted = 1;
    net_stream_tell(s);
    net_emit(L, idx, ON_DATA, 1);
    net_stream_told(s);
    return;
  }
  net_rb_append(L, idx, &s->in);
  s->life.gap = 0;
  if (s->io.data && net_stream_waiters(s)->reads)
    net_stream_waiters(s)->via->news(L, idx, s, NET_NEWS_ARRIVED);
  else if (s->life.need_readable)
    net_readable_announce(L, idx, s);
  if (s->in.len >= s->in.hwm && s->in.len > 0)
    net_stream_poll(s, s->watch.wanted & ~EV_READ);
}

/* Replaces the bytes on the top by the text they complete. */
static void decode(lua_State *L, int idx) {
  size_t len;
  if (net_rare_get(L, idx, SLOT_DECODER) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  struct net_decoder *d = lua_touserdata(L, -1);
  const char *bytes = lua_tolstring(L, -2, &len);
  net_decoder_write(L, d, bytes, len);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* The program has ended it by unshift(nil), and the peer sends all the same. */
static void push_after_end(lua_State *L, int idx) {
  net_error_push_code(L, "ERR_STREAM_PUSH_AFTER_EOF", 0);
  net_stream_destroy(L, idx);
}

void net_arrive_push(lua_State *L, int idx, struct net_stream *s, const char *bytes, size_t n) {
  if (s->life.eof) {
    push_after_end(L, idx);
    return;
  }
  if (!s->opt.decoding && hears_at_once(s) && net_emitter_push_data(L, idx, &s->o)) {
    s->life.data_emitted = 1;
    lua_pushlstring(L, bytes, n);
    net_stream_tell(s);
    lua_call(L, 1, 0);
    net_stream_told(s);
    return;
  }
  if (s->io.data && net_stream_waiters(s)->reads && s->in.len == 0 && !s->opt.decoding) {
    size_t taken = net_stream_waiters(s)->via->arrived(L, s, bytes, n);
    bytes += taken;
    n -= taken;
    s->life.gap &= n > 0;
    if (n == 0)
      return;
  }
  lua_pushlstring(L, bytes, n);
  if (s->opt.decoding)
    decode(L, idx);
  if (lua_rawlen(L, -1) > 0) {
    add_chunk(L, idx, s);
  } else {
    s->life.gap = 0;
    lua_pop(L, 1);
  }
}

/* Appends what the decoder has kept back. [-0, +0, m] */
static void append_rest(lua_State *L, int idx) {
  net_rare_get(L, idx, SLOT_DECODER);
  net_decoder_end(L, lua_touserdata(L, -1));
  lua_remove(L, -2);
  if (lua_rawlen(L, -1) > 0)
    net_rb_append(L, idx, &net_stream_at(L, idx)->in);
  else
    lua_pop(L, 1);
}

/* From now on nothing is to come. [-0, +0, m] */
static void keep_end(lua_State *L, int idx, struct net_stream *s) {
  if (s->opt.decoding)
    append_rest(L, idx);
  s->life.eof = 1;
  net_stream_news(L, idx, s, NET_NEWS_ENDED);
}

/* As keep_end, and 'readable' is said at once. [-0, +0, e] */
static void begin_end(lua_State *L, int idx, struct net_stream *s) {
  keep_end(L, idx, s);
  s->life.emitted_readable = 1;
  s->life.need_readable = 0;
  net_readable_emit(L, idx, s);
}

void net_arrive_eof(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  net_stream_poll(s, s->watch.wanted & ~EV_READ);
  if (!s->life.eof)
    begin_end(L, idx, s);
  net_readable_read(L, idx, 0);
  lua_pop(L, 1);
}

/* --- unshift ---------------------------------------------------------------- */

/* destroy(error with that code); leaves false. */
static void unshift_fail(lua_State *L, int idx, const char *code, int nargs) {
  net_error_push_code(L, code, nargs);
  net_stream_destroy(L, idx);
  lua_pushboolean(L, 0);
}

/* Before reading has begun 'readable' comes on a tick, if it is waited for. */
void net_arrive_unshift_end(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.eof)
    return;
  if (s->opt.was_read)
    begin_end(L, idx, s);
  else {
    keep_end(L, idx, s);
    if (s->opt.flowing || s->life.need_readable || net_has(&s->o, ON_READABLE))
      net_readable_announce(L, idx, s);
  }
}

/* Does a chunk that is put back go straight to the listeners? As in Node not before
 * reading has begun: a tick will have the socket flow. */
static int is_told_at_once(const struct net_stream *s) {
  return s->opt.was_read && hears_at_once(s);
}

void net_arrive_unshift(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (lua_rawlen(L, -1) == 0) {
    lua_pop(L, 1);
  } else if (s->life.end_emitted) {
    lua_pop(L, 1);
    unshift_fail(L, idx, "ERR_STREAM_UNSHIFT_AFTER_END_EVENT", 0);
    return;
  } else if (s->life.destroyed || s->life.errored) {
    lua_pop(L, 1);
    lua_pushboolean(L, 0);
    return;
  } else if (is_told_at_once(s)) {
    s->life.data_emitted = 1;
    net_emit(L, idx, ON_DATA, 1);
  } else {
    net_rb_prepend(L, idx, &s->in);
    if (s->io.data && net_stream_waiters(s)->reads)
      net_stream_waiters(s)->via->news(L, idx, s, NET_NEWS_ARRIVED);
    else if (s->life.need_readable)
      net_readable_announce(L, idx, s);
    if (!net_readable_is_read(s) && !s->opt.onread)
      net_readable_read_more(L, idx);
  }
  lua_pushboolean(L, net_readable_wants(s));
}
