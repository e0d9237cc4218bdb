/* SPDX-License-Identifier: MIT
 *
 * idle.c - the idle timeout of a stream, and when the loop lets go of it.
 *
 * A stream is anchored as long as the loop may call it: while it has a handle, until its
 * close events are told, and while its timer runs, which may be longer. */
#include "stream/stream.h"

#include <string.h>

#include "loop/timers.h"

/* The idle timeout of a stream, in a userdata kept by SLOT_IDLE. Activity only
 * moves the stream's 'active', and looks at nothing else: among a thousand sockets
 * this would not be near. The timer finds out when it fires. */
struct stream_idle {
  struct net_timer timer;
  struct net_stream *stream; /* borrowed; stops the timer before it goes */
  uint64_t timeout;          /* ms; > 0 */
  uint64_t unsent;           /* bytes that the queue held at the last look */
};

void net_stream_release(lua_State *L, struct net_stream *s) {
  if ((s->life.handle && !net_stream_is_bound(s)) || s->watch.closing)
    return;
  if (!s->watch.idle_runs)
    net_unanchor(L, &s->o);
}

static void idle_start(struct net_stream *s) {
  struct stream_idle *idle = s->idle;
  uint64_t due = s->active + idle->timeout;
  s->watch.idle_runs = net_timer_start(s->o.loop, &idle->timer, due) == 0;
}

void net_stream_stop_idle(struct net_stream *s) {
  if (s->idle)
    net_timer_stop(s->o.loop, &s->idle->timer);
  s->watch.idle_runs = 0;
}

void net_stream_restart_idle(struct net_stream *s) {
  s->active = net_loop_now(s->o.loop);
  if (!s->watch.idle_runs && s->o.anchored)
    idle_start(s);
}

/* Bytes that the queue still holds; they shrink while a slow peer reads. */
static size_t unsent(const struct net_stream *s) {
  return s->req.len ? s->req.len - s->out.off : 0;
}

static int idle_fire(lua_State *L) {
  struct stream_idle *idle = lua_touserdata(L, 1);
  struct net_stream *s = idle->stream;
  size_t left = unsent(s);
  s->watch.idle_runs = 0;
  if (left > 0 && left != idle->unsent)
    s->active = net_loop_now(s->o.loop);
  idle->unsent = left;
  net_push(L, &s->o);
  if (s->active + idle->timeout > net_loop_now(s->o.loop)) {
    idle_start(s);
  } else {
    net_stream_release(L, s);
    net_stream_news(L, 2, s, NET_NEWS_IDLE);
    net_emit(L, 2, ON_TIMEOUT, 0);
  }
  return 0;
}

void net_stream_set_timeout(lua_State *L, int idx, uint64_t ms) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_stop_idle(s);
  if (ms == 0) {
    s->idle = NULL;
    net_stream_release(L, s);
    return;
  }
  if (s->idle == NULL) {
    struct stream_idle *idle = lua_newuserdatauv(L, sizeof *idle, 0);
    memset(idle, 0, sizeof *idle);
    idle->timer.fire = idle_fire;
    idle->stream = s;
    net_rare_set(L, idx, SLOT_IDLE);
    net_stream_stop_idle(s); /* of one that a finalizer has set meanwhile */
    s->idle = idle;
  }
  s->idle->timeout = ms;
  if (s->life.destroyed)
    return; /* by a finalizer, meanwhile */
  net_anchor(L, idx, &s->o);
  net_stream_touch(s);
}
