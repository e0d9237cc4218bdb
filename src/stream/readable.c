/* SPDX-License-Identifier: MIT
 *
 * readable.c - the readable half of a stream: when Lua hears of what has arrived.
 *
 * What arrive.c does not tell at once joins the buffer (readbuffer.h), and
 * 'readable' or the next flow() picks it up. The descriptor is read while fewer
 * than in.hwm bytes are buffered. Node keeps a flag 'reading' for a source
 * that answers each request once; here the source is the descriptor, so being
 * polled is that flag.
 *
 * Every function takes the stream's absolute stack index, since listeners need
 * the object, and re-reads the flags after each call into Lua. */
#include <errno.h>

#include "stream/attempt.h"
#include "base/error.h"
#include "stream/finish.h"
#include "stream/pump.h"
#include "stream/readbuffer.h"
#include "stream/stream.h"

static void readable_flow(lua_State *L, int idx, struct net_stream *s);

int net_readable_done(const struct net_stream *s) { return s->life.end_emitted || s->opt.read_off; }

int net_readable_paused(const struct net_stream *s) {
  return s->opt.paused || (s->opt.flowing_set && !s->opt.flowing);
}

int net_readable_is_read(const struct net_stream *s) {
  return (s->watch.wanted & EV_READ) || s->life.read_wanted;
}

/* Queues 'run', called with the stream, for the tick. [-0, +0, m] */
static void readable_tick(lua_State *L, int idx, struct net_stream *s, net_step_fn *run) {
  net_tick_step(L, idx, &s->o, run, 0);
}

/* --- events ------------------------------------------------------------------ */

/* The tick of 'end', which comes though destroy() was called meanwhile. */
static void end_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  if (!s->life.eof)
    return; /* that was before it was connected anew */
  s->life.end_due = 0;
  if (s->life.errored || s->life.close_emitted || s->life.end_emitted || s->in.len > 0)
    return;
  int is_kept = s->io.data && net_stream_waiters(s)->via->keeps_open(s);
  s->life.end_emitted = 1;
  if (!s->opt.half_open && !is_kept)
    s->life.write_after_fin = 1;
  net_emit_guarded(L, 1, &s->o, ON_END, 0);
  if (is_kept && net_writable_open(s)) {
    return;
  } else if (net_writable_open(s) && !s->opt.half_open) {
    readable_tick(L, 1, s, net_finish_end_tick);
  } else if (net_writable_done(s)) {
    lua_pushnil(L);
    net_stream_destroy(L, 1);
  }
}

/* After destroy() there is none any more: what that has queued is told first. */
static void readable_end(lua_State *L, int idx, struct net_stream *s) {
  if (s->life.end_emitted || s->life.end_due || s->life.destroyed)
    return;
  readable_tick(L, idx, s, end_tick);
  s->life.end_due = 1;
}

void net_readable_emit(lua_State *L, int idx, struct net_stream *s) {
  if (!(s->life.destroyed || s->life.errored || s->life.given) && (s->in.len > 0 || s->life.eof)) {
    net_emit_guarded(L, idx, &s->o, ON_READABLE, 0);
    s->life.emitted_readable = 0;
  }
  s->life.need_readable = 0;
  if (!(s->opt.flowing || s->life.eof) && s->in.len <= s->in.hwm)
    s->life.need_readable = 1;
  readable_flow(L, idx, s);
}

/* A listener may have destroyed the stream and connected it anew: then, as in Node, the
 * new connection is read, although nobody has called read(). */
static void readable_tick_emit(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  net_readable_emit(L, 1, s);
  if (s->life.connecting && !net_readable_is_read(s))
    net_readable_read_more(L, 1);
}

void net_readable_announce(lua_State *L, int idx, struct net_stream *s) {
  s->life.need_readable = 0;
  if (s->life.emitted_readable)
    return;
  s->life.emitted_readable = 1;
  readable_tick(L, idx, s, readable_tick_emit);
}

/* --- reading ---------------------------------------------------------------- */

/* Pending completion: reading a Unix socket that is bound, not connected. */
static void unconnected_step(lua_State *L, const struct net_step *step) {
  if (net_stream_is_bound(net_step_stream(step)))
    net_stream_fail(L, 1, -EINVAL, "read");
}

/* libuv refuses to read a TCP socket that is bound, not connected; a Unix one it
 * polls, and the kernel refuses. Where connect(2) has failed it is the other way
 * round, but the end comes before a poll. [-0, +0, e] */
static void read_unconnected(lua_State *L, int idx, struct net_stream *s) {
  int has_failed = net_attempt_has_failed(L, idx);
  int is_tcp = net_stream_can(s, NET_CAN_ADDRESS);
  if (has_failed && is_tcp)
    return;
  if (has_failed || is_tcp) {
    net_stream_fail(L, idx, -ENOTCONN, "read");
    return;
  }
  net_pend(L, idx, &s->o, unconnected_step);
}

/* Has the descriptor read; before it is open, as soon as it is. [-0, +0, e] */
static void start_reading(lua_State *L, int idx, struct net_stream *s) {
  if (s->life.given)
    return; /* what comes is another's */
  if (s->watch.open && !s->life.connecting)
    net_stream_poll(s, s->watch.wanted | EV_READ);
  else if (net_stream_is_bound(s))
    read_unconnected(L, idx, s);
  else
    s->life.read_wanted = 1;
}

/* How many bytes read(n) gives now. */
static size_t how_much(lua_State *L, int idx, const struct net_stream *s, lua_Integer n) {
  if (n == NET_READ_ANY && s->in.len > 0) {
    if (s->opt.decoding && !s->opt.flowing)
      return s->in.len;
    return net_rb_first(L, idx, &s->in);
  }
  if (n <= 0 || s->in.len == 0)
    return 0;
  if ((size_t)n <= s->in.len)
    return (size_t)n;
  return s->life.eof ? s->in.len : 0;
}

/* The mark that lets read(n) be satisfied: the next power of two. */
static void raise_mark(struct net_stream *s, lua_Integer n) {
  size_t mark = 1;
  while (mark < (size_t)n)
    mark <<= 1;
  s->in.hwm = mark;
}

/* read(0) or read(n) while the buffer is short: the descriptor is to be read.
 * [-0, +0, e] */
static void want_more(lua_State *L, int idx, struct net_stream *s, size_t n) {
  int want = s->life.need_readable || s->in.len == 0 || s->in.len - n < s->in.hwm;
  if (!want || s->life.eof || s->life.destroyed || s->life.errored || s->opt.read_off ||
      net_readable_is_read(s))
    return;
  if (s->in.len == 0)
    s->life.need_readable = 1;
  s->opt.was_read = 1;
  start_reading(L, idx, s);
}

/* Is this a read(0) that has only to announce what is buffered already? */
static int is_nudge(const struct net_stream *s, lua_Integer n) {
  size_t mark = s->in.hwm ? s->in.hwm : 1;
  return n == 0 && s->life.need_readable && (s->in.len >= mark || s->life.eof);
}

/* Tells 'data' of the chunk on the top, which stays. Guarded, an error goes where
 * an uncaught one goes; returns its status. Without memory the listener may not even
 * have been called. [-0, +0, e] */
static int tell_data(lua_State *L, int idx, struct net_stream *s, int guarded) {
  lua_pushvalue(L, -1);
  if (guarded) {
    int status = net_emit_guarded(L, idx, &s->o, ON_DATA, 1);
    s->o.unheard |= status == LUA_ERRMEM;
    return status;
  }
  net_emit(L, idx, ON_DATA, 1);
  return 0;
}

/* Pushes the chunk that read(n) gives now, or nil, and has what is to come be read; returns how
 * many bytes it has. [-0, +1, e] */
static size_t take_chunk(lua_State *L, int idx, struct net_stream *s, lua_Integer n) {
  unsigned moves;
  size_t take;
  do {
    moves = s->in.moves;
    take = how_much(L, idx, s, n);
    want_more(L, idx, s, take);
  } while (take > 0 && !net_rb_take(L, idx, &s->in, take, moves));
  if (take > 0)
    return take;
  lua_pushnil(L);
  s->life.need_readable = s->in.len <= s->in.hwm;
  return 0;
}

/* net_readable_read; returns what tell_data did. [-0, +1, e] */
static int read_chunk(lua_State *L, int idx, struct net_stream *s, lua_Integer n, int guarded) {
  if (n > 0 && (size_t)n > s->in.hwm)
    raise_mark(s, n);
  if (n != 0)
    s->life.emitted_readable = 0;
  size_t take = how_much(L, idx, s, n);
  if (is_nudge(s, n) || (take == 0 && s->life.eof)) {
    if (s->in.len == 0)
      readable_end(L, idx, s);
    else if (is_nudge(s, n))
      net_readable_announce(L, idx, s);
    lua_pushnil(L);
    return 0;
  }
  take = take_chunk(L, idx, s, n);
  if (s->in.len == 0) {
    if (!s->life.eof)
      s->life.need_readable = 1;
    else if (n != (lua_Integer)take)
      readable_end(L, idx, s);
  }
  if (take > 0 && !s->life.error_told && !s->life.close_emitted) {
    s->life.data_emitted = 1;
    return tell_data(L, idx, s, guarded);
  }
  return 0;
}

void net_readable_read(lua_State *L, int idx, lua_Integer n) {
  read_chunk(L, idx, net_stream_at(L, idx), n, 0);
}

/* If there is still room for more then. */
static void read_more_tick(lua_State *L, const struct net_step *step) {
  const struct net_stream *s = net_step_stream(step);
  if (!s->life.eof && s->in.len < s->in.hwm) {
    net_readable_read(L, 1, 0);
    lua_pop(L, 1);
  }
}

void net_readable_read_more(lua_State *L, int idx) {
  readable_tick(L, idx, net_stream_at(L, idx), read_more_tick);
}

int net_readable_wants(const struct net_stream *s) {
  return !s->life.eof && (s->in.len < s->in.hwm || s->in.len == 0);
}

static void flow_tick(lua_State *L, const struct net_step *step) {
  readable_flow(L, 1, net_step_stream(step));
}

/* Reads until the buffer is empty, or somebody pauses it. After an error in a
 * listener the rest comes on a tick: nothing else would set it going again. */
static void readable_flow(lua_State *L, int idx, struct net_stream *s) {
  int more = 1;
  while (more && s->opt.flowing) {
    if (net_stream_has_lost(s)) {
      net_stream_fail(L, idx, -ENOMEM, "read");
      return;
    }
    int raised = read_chunk(L, idx, s, NET_READ_ANY, 1);
    more = !lua_isnil(L, -1) && !raised;
    lua_pop(L, 1);
    if (raised)
      readable_tick(L, idx, s, flow_tick);
  }
}

/* --- without listeners --------------------------------------------------------- */

void net_readable_taken(lua_State *L, int idx, size_t n) {
  struct net_stream *s = net_stream_at(L, idx);
  want_more(L, idx, s, n);
  if (s->in.len == n && s->life.eof)
    readable_end(L, idx, s);
}

void net_readable_hand_over(struct net_stream *s) {
  s->opt.flowing = s->opt.flowing_set = s->opt.paused = 0;
}

/* --- flowing ---------------------------------------------------------------- */

static void set_flowing(struct net_stream *s, int flowing) {
  s->opt.flowing_set = 1;
  s->opt.flowing = flowing != 0;
}

static void nudge(lua_State *L, int idx) {
  net_readable_read(L, idx, 0);
  lua_pop(L, 1);
}

static void resume_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  if (s->life.given) {
    s->life.resume_scheduled = 0;
    return;
  }
  if (!net_readable_is_read(s))
    nudge(L, 1);
  s->life.resume_scheduled = 0;
  net_emit_guarded(L, 1, &s->o, ON_RESUME, 0);
  readable_flow(L, 1, s);
  if (s->opt.flowing && !net_readable_is_read(s))
    nudge(L, 1);
}

void net_readable_resume(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.destroyed)
    return;
  if (!s->opt.flowing) {
    set_flowing(s, !s->opt.readable_listens);
    if (!s->life.resume_scheduled) {
      s->life.resume_scheduled = 1;
      readable_tick(L, idx, s, resume_tick);
    }
  }
  s->opt.paused = 0;
}

void net_readable_pause(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.destroyed)
    return;
  if (!s->opt.flowing_set || s->opt.flowing) {
    set_flowing(s, 0);
    net_emit(L, idx, ON_PAUSE, 0);
  }
  s->opt.paused = 1;
}

void net_readable_check_free(lua_State *L, const struct net_stream *s) {
  if (s->io.data == NULL || !net_stream_waiters(s)->reads)
    return;
  net_stream_waiters(s)->via->name_reader(L, s);
  net_error_raise(L, "ERR_SOCKET_BUSY", 1);
}

void net_readable_listening(lua_State *L, int idx, int event) {
  if (event == ON_DATA || event == ON_READABLE)
    net_readable_check_free(L, net_stream_at(L, idx));
}

static void nudge_tick(lua_State *L, const struct net_step *step) {
  (void)step;
  nudge(L, 1);
}

/* The first 'readable' listener takes the stream out of flowing mode. */
static void readable_listened(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.end_emitted || s->opt.readable_listens)
    return;
  s->opt.readable_listens = s->life.need_readable = 1;
  s->life.emitted_readable = 0;
  set_flowing(s, 0);
  if (s->in.len > 0)
    net_readable_announce(L, idx, s);
  else if (!net_readable_is_read(s))
    readable_tick(L, idx, s, nudge_tick);
}

void net_readable_listened(lua_State *L, int idx, int event, int prepended) {
  struct net_stream *s = net_stream_at(L, idx);
  if (event == ON_DATA)
    net_pump_review(L, idx);
  if (prepended)
    return; /* it hears what comes, and does not start or stop the flow */
  if (event == ON_READABLE) {
    readable_listened(L, idx);
  } else if (event == ON_DATA) {
    s->opt.data_listens = 1;
    if (net_has(&s->o, ON_READABLE))
      s->opt.readable_listens = 1;
    if (s->opt.flowing || !s->opt.flowing_set)
      net_readable_resume(L, idx);
  }
}

/* Nobody listens to 'readable' any more: back to flowing if 'data' is wanted. */
static void unlistened_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  s->opt.readable_listens = net_has(&s->o, ON_READABLE) != 0;
  if (s->life.resume_scheduled && !s->opt.paused)
    set_flowing(s, 1);
  else if (s->opt.data_listens)
    net_readable_resume(L, 1);
  else if (!s->opt.readable_listens)
    s->opt.flowing = s->opt.flowing_set = 0;
}

/* removeAllListeners tells of 'readable' when it is done, and of 'data' not at all. */
void net_readable_unlistened(lua_State *L, int idx, int event, int one_of_all) {
  struct net_stream *s = net_stream_at(L, idx);
  if (event == ON_DATA)
    net_pump_review(L, idx);
  if (one_of_all)
    return;
  if (event == ON_READABLE)
    readable_tick(L, idx, s, unlistened_tick);
  else if (event == ON_DATA && !net_has(&s->o, ON_DATA))
    s->opt.data_listens = 0;
}
