/* SPDX-License-Identifier: MIT
 *
 * handle.c - what is under a stream: its top handle, the watcher, and what is waited for.
 *
 * One ev_io serves both directions; what it watches is 's->watch.wanted', or what the
 * transport makes of that. It watches for writing only after the kernel refused bytes.
 *
 * All of it is about what is under the stream, and calls nothing of its machine: that
 * lies above. What is done when something has come is news.c, how a stream gets its
 * handle open.c, and when it loses it stream.c. */
#include "stream/stream.h"

#include "loop/watch.h"
#include "stream/attempt.h"

#ifndef ev_io_modify /* libev before 4.32 */
#define ev_io_modify(w, events) ev_io_set(w, (w)->fd, events)
#endif

/* --- what is there ----------------------------------------------------------- */

int net_stream_can(const struct net_stream *s, unsigned can) {
  return (net_transport_lowest(&s->handle)->via->can & can) != 0;
}

int net_stream_fd(const struct net_stream *s) {
  const struct net_handle *h = net_transport_lowest(&s->handle);
  return s->watch.open && h->via->can & NET_CAN_POLL ? net_transport_fd(h) : -1;
}

/* --- what is waited for ------------------------------------------------------ */

/* As in libuv a stream holds the loop while it reads or waits to write, not while it only
 * exists; and so does its attempt to connect (dial.c). A write that it has begun holds
 * the loop even if it is unref'd. */
static void hold_loop(struct net_stream *s) {
  int hold = s->watch.watched & EV_WRITE || (s->watch.watched && !s->opt.unref);
  if (hold == s->watch.holds_loop)
    return;
  s->watch.holds_loop = hold;
  if (hold)
    net_loop_ref(s->o.loop);
  else
    net_loop_unref(s->o.loop);
}

void net_stream_watch(struct net_stream *s) {
  int events = net_handle_poll(&s->handle, s->watch.wanted);
  if (s->io.fd < 0)
    events = 0; /* whatever a layer wishes: there is nothing to watch */
  if (events == s->watch.watched)
    return;
  if (s->watch.watched)
    net_io_stop(s->o.loop, &s->io);
  s->watch.watched = events;
  if (events) {
    ev_io_modify(&s->io, events); /* no system call if this turn undoes it */
    net_io_start(s->o.loop, &s->io);
  }
  hold_loop(s);
}

/* Whatever its layers wish. */
static void unwatch(struct net_stream *s) {
  net_io_stop(s->o.loop, &s->io);
  s->watch.wanted = s->watch.watched = 0;
  hold_loop(s);
}

void net_stream_poll(struct net_stream *s, int events) {
  if (s->life.given)
    events &= ~EV_READ; /* what comes is another's */
  if (!s->watch.open || events == s->watch.wanted)
    return;
  s->watch.wanted = events;
  net_stream_watch(s);
}

void net_stream_hold_loop(struct net_stream *s, int hold) {
  if (hold)
    s->opt.unref = 0;
  else
    s->opt.unref = 1;
  hold_loop(s);
}

/* --- who may be woken -------------------------------------------------------- */

void net_stream_prepare(lua_State *L, int idx, int wakes) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (wakes && !s->watch.wakes) {
    net_wakes_join(L, &s->o.loop->wakes);
    s->watch.wakes = 1;
  }
  net_anchor(L, idx, &s->o);
}

static void leave_wakes(struct net_stream *s) {
  if (s->watch.wakes)
    net_wakes_leave(&s->o.loop->wakes, s);
  s->watch.wakes = s->watch.woken = s->watch.came = 0;
}

void net_stream_unprepare(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  leave_wakes(s);
  net_unanchor(L, &s->o);
}

/* --- the handle comes, moves and goes ---------------------------------------- */

void net_stream_no_handle(struct net_stream *s) {
  s->handle = (struct net_handle){ &net_transport_none, NET_NO_FD, s };
}

/* Notes what the layers under the stream are like. */
static void look_down(struct net_stream *s) {
  struct net_handle *h = &s->handle;
  s->watch.late = (h->via->can & NET_CAN_LATE) != 0;
  s->watch.hears = h->via->ready != NULL;
  for (; h->via->below && !s->watch.hears; s->watch.hears = h->via->ready != NULL)
    h = h->via->below(h);
}

/* It has a handle that is connected. */
static void begin_open(struct net_stream *s) {
  s->life.handle = 1;
  s->life.given = 0;
  net_attempt_connecting(s, 0);
  s->watch.open = 1;
  s->watch.refused = 0;
  look_down(s);
  ev_io_set(&s->io, net_stream_fd(s), 0);
}

void net_stream_set_handle(struct net_stream *s, const struct net_transport *via, void *state) {
  s->handle.via = via;
  s->handle.state = state;
  begin_open(s);
}

void net_stream_put_on(struct net_stream *s, const struct net_transport *via, void *state,
                       struct net_handle *below) {
  *below = s->handle;
  s->handle = (struct net_handle){ via, state, s };
  look_down(s);
  net_stream_watch(s);
}

/* What is left of a handle that went to another: what kind it was. */
static void leave_handle(struct net_stream *s) {
  const struct net_transport *via = net_transport_lowest(&s->handle)->via;
  unwatch(s);
  s->handle = (struct net_handle){ via, NET_NO_FD, s };
  s->watch.open = s->watch.late = s->watch.hears = 0;
  leave_wakes(s);
}

int net_stream_move(struct net_stream *to, struct net_stream *from) {
  int news = from->watch.came | from->watch.woken;
  to->handle = from->handle;
  leave_handle(from);
  for (struct net_handle *h = &to->handle; h; h = h->via->below ? h->via->below(h) : NULL)
    h->stream = to;
  begin_open(to);
  net_stream_watch(to);
  return news;
}

int net_stream_part(struct net_stream *s) {
  int fd = net_transport_fd(&s->handle);
  unwatch(s);
  s->watch.open = 0;
  leave_wakes(s);
  net_stream_no_handle(s);
  s->life.handle = 0;
  return fd;
}

void net_stream_close_handle(struct net_stream *s) {
  unwatch(s);
  s->watch.open = 0;
  leave_wakes(s);
  s->handle.via->close(&s->handle);
  net_stream_no_handle(s); /* whoever is amid a call hears of it */
}
