/* SPDX-License-Identifier: MIT
 *
 * news.c - what the poll, or the transport, tells a stream, and which half of it acts.
 *
 * The watcher's callback notes what has come; when the poll's results are all in, the
 * transport hears of it, if it wants to, and then the readable and the writable half do
 * what is to be done. What no poll tells comes the same way, by net_stream_wake. All of
 * it is called by the loop alone, so that the machine lies below. */
#include "stream/stream.h"

#include <errno.h>

#include "base/error.h"
#include "loop/dispatch.h"
#include "stream/arrive.h"
#include "stream/pump.h"
#include "stream/request.h"
#include "loop/watch.h"

/* The 'n' bytes in the loop's buffer go straight to onread's callback; its answer
 * false pauses. [-0, +0, e] */
static void read_to_callback(lua_State *L, int idx, size_t n) {
  struct net_stream *s = lua_touserdata(L, idx);
  lua_pushnil(L);
  net_rare_set(L, idx, SLOT_ONREAD_SIZE);
  net_rare_get(L, idx, SLOT_ONREAD);
  lua_pushinteger(L, (lua_Integer)n);
  lua_pushlstring(L, s->o.loop->rbuf, n);
  net_stream_tell(s);
  lua_call(L, 2, 1);
  net_stream_told(s);
  if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
    net_stream_poll(s, s->watch.wanted & ~EV_READ);
  lua_pop(L, 1);
}

/* How many bytes one read may take: option onread names its own buffer. A function is asked
 * once for each read that gives something: what comes of TLS may be of its own. [-0, +0, e] */
static size_t read_size(lua_State *L, const struct net_stream *s) {
  int top = lua_gettop(L);
  net_push(L, &s->o);
  if (net_rare_get(L, top + 1, SLOT_ONREAD_SIZE) == LUA_TNIL &&
      net_rare_get(L, top + 1, SLOT_ONREAD_BUF) == LUA_TFUNCTION) {
    lua_call(L, 0, 1);
    lua_pushinteger(L, lua_tointeger(L, -1));
    lua_pushvalue(L, -1);
    net_rare_set(L, top + 1, SLOT_ONREAD_SIZE);
  }
  lua_Integer n = lua_tointeger(L, -1);
  lua_settop(L, top);
  return n >= 1 && n < NET_READ_SIZE ? (size_t)n : NET_READ_SIZE;
}

/* Lua half of reading. A listener may do anything, hence nothing of 's' is used
 * after one ran. What is pumped is not looked at by Lua, and needs none of it. */
static void stream_readable(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  s->life.unread = 0;
  s->o.loop->sent = s->bytes_written - s->req.len - s->req.deferred;
  if (!(s->watch.wanted & EV_READ))
    return; /* a listener before it in this turn has paused or closed it */
  int pumped = s->pump && net_pump_ready(L, s);
  size_t size = s->opt.onread ? read_size(L, s) : NET_READ_SIZE;
  if (!(s->watch.wanted & EV_READ))
    return; /* the function of option onread's buffer, or a finalizer, has */
  ssize_t n = -ENOMEM;
  if (!net_stream_has_lost(s))
    n = pumped ? net_pump_read(s) : net_stream_read(s, size);
  if (n == -EAGAIN)
    return;
  net_stream_touch(s);
  if (n > 0) {
    s->bytes_read += (uint64_t)n;
    s->life.gap = 1; /* until somebody has them */
    if (pumped) {
      net_pump_pass(L, s, (size_t)n);
      return;
    }
  }
  net_push(L, &s->o);
  if (n < 0)
    net_stream_fail(L, 1, (int)n, "read");
  else if (n == 0)
    net_arrive_eof(L, 1);
  else if (s->opt.onread)
    read_to_callback(L, 1, (size_t)n);
  else
    net_arrive_push(L, 1, s, s->o.loop->rbuf, (size_t)n);
}

static void stream_writable(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  if (!(s->watch.wanted & EV_WRITE))
    return;
  net_push(L, &s->o);
  s->o.loop->drains = 1;
  net_request_ready(L, 1);
}

/* What is noted last runs first. */
static void note(struct net_stream *s, int events) {
  if (events & EV_WRITE)
    net_ready(s->o.loop, stream_writable, s);
  if (events & EV_READ) {
    s->life.unread = 1;
    net_ready(s->o.loop, stream_readable, s);
  }
}

void net_stream_wake(struct net_handle *h, int events) {
  struct net_stream *s = h->stream;
  events &= NET_READ | NET_WRITE;
  if (!s->watch.wakes || events == 0)
    return; /* it is being closed, or there is no news */
  if (!s->watch.woken)
    net_loop_wake(s->o.loop, s);
  s->watch.woken |= (unsigned)events;
}

/* The transport hears of it first, and may say that it was about something else. Where a
 * listener raises that it has called, this half is run once more, as nothing else might tell
 * of what there is; that wakes the stream, so that who always raises lets others have turns. */
static void stream_news(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  struct net_loop *loop = s->o.loop;
  int events = s->watch.came;
  if (!s->watch.open || events == 0)
    return;
  if (loop->running.round > 0) {
    s->watch.came = 0;
    net_stream_wake(&s->handle, events);
    return;
  }
  net_push(L, &s->o);
  loop->rounds = 2;
  events = net_handle_ready(L, &s->handle, events);
  loop->rounds = 0;
  if (!s->watch.open)
    return;
  s->watch.came = 0;
  net_stream_watch(s);
  if (s->watch.late) /* that the other has what was written comes before its answer to that */
    note(s, events & EV_READ);
  note(s, s->watch.late ? events & EV_WRITE : events);
}

static void on_events(struct net_stream *s, int events) {
  if (!s->watch.hears) {
    note(s, events);
    return;
  }
  s->watch.came |= (unsigned)events & (NET_READ | NET_WRITE);
  net_ready(s->o.loop, stream_news, s);
}

/* The system does not watch the descriptor. */
static void stream_refused(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  if (!s->watch.open || !s->watch.refused)
    return;
  net_push(L, &s->o);
  net_stream_fail(L, 1, s->o.loop->refusal, net_io_call(s->o.loop));
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents) {
  struct net_stream *s = net_container_of(w, struct net_stream, io);
  int err = net_io_refused(s->o.loop, w, revents);
  (void)ev;
  if (err == 0 || err == -EBADF) {
    on_events(s, revents);
    return;
  }
  s->watch.refused = 1;
  net_ready(s->o.loop, stream_refused, s);
}

/* An error halts the loop, and what was noted behind it has to hold it. */
static void on_woken(void *stream) {
  struct net_stream *s = stream;
  int events = s->watch.woken;
  s->watch.woken = 0;
  on_events(s, events);
  net_ready_run(s->o.loop);
  if (s->o.loop->halted && s->watch.open) {
    net_ready_forget(s->o.loop, s);
    net_stream_wake(&s->handle, events);
  }
}

void net_stream_serve(struct net_loop *loop) {
  loop->flush = net_request_flush;
  loop->woken = on_woken;
}

void net_news_init(struct net_stream *s) {
  ev_io_init(&s->io, on_io, -1, 0);
  s->io.data = NULL;
}
