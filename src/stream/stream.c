/* SPDX-License-Identifier: MIT
 *
 * stream.c - the descriptor under a stream: opening, polling, destroying.
 *
 * One ev_io serves both directions; what it watches is 's->watch.wanted'. It watches
 * for writing only after the kernel refused bytes. A stream is anchored, and
 * holds the loop unless unref'd, from the moment it has a handle until 'close';
 * the descriptor itself is closed at once by destroy(), and 'close' follows in
 * the close phase, as libuv has it.
 *
 * Hence what Lua collects has no descriptor, no timer and nothing to send, and a
 * stream needs no finalizer: Lua frees it one collection sooner, which halves the
 * memory of a server of short connections. Those that are open when Lua closes
 * are found where they are anchored.
 *
 * What the ends of a stream look like to Lua is in readable.c and writable.c. */
#include "stream/stream.h"

#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "connect/boundsocket.h"
#include "connect/dial.h"
#include "loop/dispatch.h"
#include "base/error.h"
#include "stream/pump.h"
#include "stream/readbuffer.h"
#include "stream/request.h"
#include "loop/timers.h"
#include "loop/watch.h"

/* What one destroy() may queue: ticks that tell the callbacks of writes, 'error', a call
 * with two arguments, and 'close' of the stream or its server; the close event, and a
 * write that is cut off. */
enum { DESTROY_TICKS = 3, DESTROY_SLOTS = 4, DESTROY_CLOSINGS = 2 };

#ifndef ev_io_modify /* libev before 4.32 */
#define ev_io_modify(w, events) ev_io_set(w, (w)->fd, events)
#endif

/* The idle timeout of a stream, in a userdata kept by SLOT_IDLE. Activity only
 * moves the stream's 'active', and looks at nothing else: among a thousand sockets
 * this would not be near. The timer finds out when it fires. */
struct stream_idle {
  struct net_timer timer;
  struct net_stream *stream; /* borrowed; stops the timer before it goes */
  uint64_t timeout;          /* ms; > 0 */
  uint64_t unsent;           /* bytes that the queue held at the last look */
};

/* --- the descriptor ---------------------------------------------------------- */

/* As in libuv a stream holds the loop while it reads, waits to write, or has an
 * attempt to connect under way; not while it only exists. What it has begun, a
 * write or an attempt, holds the loop even if it is unref'd. */
static void hold_loop(struct net_stream *s) {
  int begun = s->watch.watched & EV_WRITE || s->watch.dialing;
  int hold = begun || (s->watch.watched && !s->opt.unref);
  if (hold == s->watch.holds_loop)
    return;
  s->watch.holds_loop = hold;
  if (hold)
    net_loop_ref(s->o.loop);
  else
    net_loop_unref(s->o.loop);
}

/* The transport may have wishes of its own, or nothing that a poll could tell. */
static void watch(struct net_stream *s) {
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
  if (!s->watch.open || events == s->watch.wanted)
    return;
  s->watch.wanted = events;
  watch(s);
}

/* The 'n' bytes in the loop's buffer go straight to onread's callback; its answer
 * false pauses. [-0, +0, e] */
static void read_to_callback(lua_State *L, int idx, size_t n) {
  struct net_stream *s = lua_touserdata(L, idx);
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

/* How many bytes one read may take: option onread names its own buffer. [-0, +0, e] */
static size_t read_size(lua_State *L, const struct net_stream *s) {
  int top = lua_gettop(L);
  net_push(L, &s->o);
  if (net_rare_get(L, top + 1, SLOT_ONREAD_BUF) == LUA_TFUNCTION)
    lua_call(L, 0, 1);
  lua_Integer n = lua_tointeger(L, -1);
  lua_settop(L, top);
  return n >= 1 && n < NET_READ_SIZE ? (size_t)n : NET_READ_SIZE;
}

ssize_t net_stream_read(struct net_stream *s, size_t size) {
  struct net_loop *loop = s->o.loop;
  ssize_t n = s->handle.via->read(&s->handle, loop->rbuf, size);
  loop->rounds = n == (ssize_t)size ? NET_READS_PER_TURN : 0;
  return n;
}

/* Lua half of reading. A listener may do anything, hence nothing of 's' is used
 * after one ran. What is pumped is not looked at by Lua, and needs none of it. */
static void stream_readable(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  s->life.unread = 0;
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
    net_readable_eof(L, 1);
  else if (s->opt.onread)
    read_to_callback(L, 1, (size_t)n);
  else
    net_readable_push(L, 1, s, s->o.loop->rbuf, (size_t)n);
}

static void stream_writable(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  if (!(s->watch.wanted & EV_WRITE))
    return;
  net_push(L, &s->o);
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

/* The transport hears of it first, and may say that it was about something else. */
static void stream_news(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  int events = s->watch.came;
  s->watch.came = 0;
  if (!s->watch.open || events == 0)
    return;
  net_push(L, &s->o);
  events = net_handle_ready(L, &s->handle, events);
  if (!s->watch.open)
    return;
  watch(s);
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
  struct net_stream *s = w->data;
  int err = net_io_refused(s->o.loop, w, revents);
  (void)ev;
  if (err == 0 || err == -EBADF) {
    on_events(s, revents);
    return;
  }
  s->watch.refused = 1;
  net_ready(s->o.loop, stream_refused, s);
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

static void no_transport(struct net_stream *s) {
  s->handle = (struct net_handle){ &net_transport_none, NET_NO_FD, s };
}

struct net_stream *net_stream_new(lua_State *L, struct net_loop *loop,
                                  const struct net_class *cls) {
  struct net_stream *s = net_object_new(L, loop, cls, sizeof *s, STREAM_UVS);
  no_transport(s);
  s->in.hwm = s->req.hwm = NET_DEFAULT_HWM;
  net_rb_reset(&s->in);
  ev_io_init(&s->io, on_io, -1, 0);
  s->io.data = s;
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

/* From now on there is a handle, if not yet a descriptor. [-0, +0, m] */
static void stream_hold(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_anchor(L, idx, &s->o);
  s->life.handle = 1;
}

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
  s->watch.open = 1;
  s->watch.refused = 0;
  look_down(s);
  ev_io_set(&s->io, net_stream_fd(s), 0);
}

void net_stream_open(lua_State *L, int idx, const struct net_transport *via, void *state) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_prepare(L, idx, via->poll != NULL);
  s->handle.via = via;
  s->handle.state = state;
  begin_open(s);
}

void net_stream_put_on(struct net_stream *s, const struct net_transport *via, void *state,
                       struct net_handle *below) {
  net_pump_leave(s);
  *below = s->handle;
  s->handle = (struct net_handle){ via, state, s };
  look_down(s);
  watch(s);
}

/* What is left of a handle that went to another: what kind it was. */
static void leave_handle(struct net_stream *s) {
  const struct net_transport *via = net_transport_lowest(&s->handle)->via;
  unwatch(s);
  s->handle = (struct net_handle){ via, NET_NO_FD, s };
  s->watch.open = s->watch.late = s->watch.hears = 0;
  leave_wakes(s);
}

/* What no poll will tell again it is told. */
void net_stream_move(struct net_stream *to, struct net_stream *from) {
  int news = from->watch.came | from->watch.woken;
  net_pump_leave(from);
  to->handle = from->handle;
  leave_handle(from);
  for (struct net_handle *h = &to->handle; h; h = h->via->below ? h->via->below(h) : NULL)
    h->stream = to;
  begin_open(to);
  watch(to);
  if (news)
    net_stream_wake(&to->handle, news);
}

void net_stream_open_fd(lua_State *L, int idx, int fd, enum net_fd_kind kind) {
  net_stream_open(L, idx, net_transport_of(kind), (void *)(intptr_t)fd);
}

int net_stream_can(const struct net_stream *s, unsigned can) {
  return (net_transport_lowest(&s->handle)->via->can & can) != 0;
}

int net_stream_fd(const struct net_stream *s) {
  const struct net_handle *h = net_transport_lowest(&s->handle);
  return s->watch.open && h->via->can & NET_CAN_POLL ? net_transport_fd(h) : -1;
}

void net_stream_bind(lua_State *L, int idx, int from) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_dial_new(L);
  int dial = lua_gettop(L);
  lua_pushvalue(L, dial);
  net_rare_set(L, idx, SLOT_DIAL);
  lua_pushvalue(L, from);
  net_rare_set(L, idx, SLOT_BOUND);
  s->watch.unlinks = net_dial_adopt(L, dial, from) == AF_UNIX;
  s->handle.via = s->watch.unlinks ? &net_transport_unix : &net_transport_tcp;
  s->life.handle = 1;
}

void net_stream_hold_loop(struct net_stream *s, int hold) {
  if (hold)
    s->opt.unref = 0;
  else
    s->opt.unref = 1;
  hold_loop(s);
}

void net_stream_dialing(struct net_stream *s, int dialing) {
  if (dialing == s->watch.dialing)
    return;
  s->watch.dialing = dialing;
  hold_loop(s);
}

void net_stream_failed(struct net_stream *s) {
  s->life.connecting = 0;
  s->life.failed = 1;
}

/* Lets go of the stream when nothing can call it any more. */
static void stream_release(lua_State *L, struct net_stream *s) {
  if ((s->life.handle && !net_stream_is_bound(s)) || s->watch.closing)
    return;
  if (!s->watch.idle_runs)
    net_unanchor(L, &s->o);
}

/* --- idle timeout ------------------------------------------------------------ */

static void idle_start(struct net_stream *s) {
  struct stream_idle *idle = s->idle;
  uint64_t due = s->active + idle->timeout;
  s->watch.idle_runs = net_timer_start(s->o.loop, &idle->timer, due) == 0;
}

static void idle_stop(struct net_stream *s) {
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
    stream_release(L, s);
    net_emit(L, 2, ON_TIMEOUT, 0);
  }
  return 0;
}

void net_stream_set_timeout(lua_State *L, int idx, uint64_t ms) {
  struct net_stream *s = lua_touserdata(L, idx);
  idle_stop(s);
  if (ms == 0) {
    s->idle = NULL;
    stream_release(L, s);
    return;
  }
  if (s->idle == NULL) {
    struct stream_idle *idle = lua_newuserdatauv(L, sizeof *idle, 0);
    memset(idle, 0, sizeof *idle);
    idle->timer.fire = idle_fire;
    idle->stream = s;
    net_rare_set(L, idx, SLOT_IDLE);
    idle_stop(s); /* of one that a finalizer has set meanwhile */
    s->idle = idle;
  }
  s->idle->timeout = ms;
  if (s->life.destroyed)
    return; /* by a finalizer, meanwhile */
  net_anchor(L, idx, &s->o);
  net_stream_touch(s);
}

/* --- destroying ---------------------------------------------------------------- */

/* Calls private[name](stream), once, if Lua left such a hook. [-0, +0, e] */
void net_stream_hook(lua_State *L, int idx, const char *name) {
  int top = lua_gettop(L);
  if (net_rare_get(L, idx, SLOT_PRIVATE) == LUA_TTABLE &&
      lua_getfield(L, -1, name) == LUA_TFUNCTION) {
    lua_pushnil(L);
    lua_setfield(L, top + 1, name);
    lua_pushvalue(L, idx);
    lua_call(L, 1, 0);
  }
  lua_settop(L, top);
}

/* The file of a client that was bound to a path goes with its descriptor. */
static void remove_file(lua_State *L, int idx, struct net_stream *s) {
  if (!s->watch.unlinks)
    return;
  s->watch.unlinks = 0;
  net_rare_get(L, idx, SLOT_BOUND);
  net_boundsocket_remove_file(L, lua_gettop(L));
  lua_pop(L, 1);
}

static void close_transport(struct net_stream *s) {
  unwatch(s);
  net_pump_leave(s);
  s->watch.open = 0;
  leave_wakes(s);
  s->handle.via->close(&s->handle);
  no_transport(s); /* whoever is amid a call hears of it */
}

/* Gives the descriptor, or the attempt to get one, back. */
static void close_handle(lua_State *L, int idx, struct net_stream *s) {
  remove_file(L, idx, s);
  if (net_rare_get(L, idx, SLOT_DIAL) != LUA_TNIL) {
    net_dial_close(lua_touserdata(L, -1));
    lua_pushnil(L);
    net_rare_set(L, idx, SLOT_DIAL);
    net_stream_dialing(s, 0);
  }
  lua_pop(L, 1);
  if (!s->watch.open)
    return;
  if (s->life.reset && net_stream_can(s, NET_CAN_RESET))
    net_sys_linger_reset(net_stream_fd(s));
  close_transport(s);
}

static int error_tick(lua_State *L) {
  ((struct net_stream *)lua_touserdata(L, 1))->life.error_told = 1;
  net_emit(L, 1, ON_ERROR, 1);
  return 0;
}

/* 'close' is told: of this connection, unless the next has begun. */
static void mark_closed(struct net_stream *s) {
  if (s->life.destroyed)
    s->life.close_emitted = 1;
}

/* From the tick after destroy() on, what read() gives is not told as 'data' any more. */
static void mute_tick(lua_State *L, const struct net_step *step) {
  (void)L;
  mark_closed(net_step_stream(step));
}

/* A stream that never had a handle closes on the tick, and says no more. */
static void close_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  mark_closed(s);
  net_emit_guarded(L, 1, &s->o, ON_CLOSE, 0);
}

/* Close phase: what the kernel still had is lost, unless it is connected anew. */
static void cancel_step(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  if (s->life.writing && s->life.destroyed) {
    uint32_t end = s->out.req;
    net_error_push_sys(L, -ECANCELED, "write");
    net_request_fail(L, 1, end);
  }
}

/* Close phase: an attempt or a FIN that was cut off calls nobody, but is a callback, behind
 * which late ticks run, 'error' among them. */
static void cut_step(lua_State *L, const struct net_step *step) {
  (void)L;
  (void)step;
}

/* Close phase: 'close', and the loop lets go. */
static void close_handle_step(lua_State *L, struct net_stream *s, int had_error) {
  s->watch.closing--;
  stream_release(L, s);
  mark_closed(s);
  lua_pushboolean(L, had_error);
  net_emit_guarded(L, 1, &s->o, ON_CLOSE, 1);
}

/* A stream that was connected anew may have two of them in one turn. */
static void close_step(lua_State *L, const struct net_step *step) {
  close_handle_step(L, net_step_stream(step), 0);
}

static void close_failed_step(lua_State *L, const struct net_step *step) {
  close_handle_step(L, net_step_stream(step), 1);
}

/* Queues the error at 'err' for the tick. [-0, +0, m] */
static void queue_error(lua_State *L, int idx, struct net_stream *s, int err) {
  lua_pushcfunction(L, error_tick);
  lua_pushvalue(L, idx);
  lua_pushvalue(L, err);
  net_tick(L, s->o.loop, 2);
}

/* The owner stops counting it, at once. [-0, +0, m] */
static void leave_owner(lua_State *L, struct net_stream *s) {
  struct net_owner *owner = s->owner;
  s->owner = NULL;
  if (owner)
    owner->gone(L, owner);
}

/* The handle goes now, its close event in the close phase. [-0, +0, m] */
static void destroy_handle(lua_State *L, int idx, struct net_stream *s, int was_connecting,
                           int is_error) {
  close_handle(L, idx, s);
  s->life.handle = 0;
  s->watch.closing++;
  net_closing(L, idx, &s->o, is_error ? close_failed_step : close_step);
  if (s->life.writing && !was_connecting)
    net_closing(L, idx, &s->o, cancel_step); /* queued last, runs first */
  else if (s->life.cuts)
    net_closing(L, idx, &s->o, cut_step);
}

/* Whether the kernel is at an attempt, or about to be told of the end. */
static int cuts_off(const struct net_stream *s) {
  if (s->watch.open)
    return s->life.final_called && !s->life.prefinished;
  return s->watch.dialing && !s->life.failed;
}

/* All of destroy(err at 'err', 0: none) that may raise but for destroy_reserve, so that a
 * stream is not left half destroyed: the last writes, the hook, the error. [-0, +0, e] */
static void destroy_prepare(lua_State *L, int idx, int err) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (!s->life.destroyed)
    s->life.cuts = cuts_off(s);
  net_stream_dialing(s, 0); /* even then its attempt holds the loop no more */
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (s->life.connecting || s->life.failed)
    net_stream_hook(L, idx, "on_destroy");
  if (err) {
    net_object_table(L, idx, VAL_RARE); /* while a finalizer may still write; not below */
    lua_pop(L, 1);
  }
  net_request_flush_now(L, s); /* before the descriptor goes */
  if (err && !s->life.errored) {
    lua_pushvalue(L, err);
    net_rare_set(L, idx, SLOT_ERRORED);
    s->life.errored = 1;
  }
}

/* Room for what so many of them will queue. [-0, +0, m] */
static void destroy_reserve(lua_State *L, struct net_loop *loop, int count) {
  net_tick_reserve(L, loop, count * DESTROY_TICKS, count * DESTROY_SLOTS);
  net_steps_reserve(L, &loop->closing, (size_t)count * DESTROY_CLOSINGS);
}

/* destroy(err at 'err', or 0), prepared; a finalizer may have been faster. Raises, before
 * it has done anything, only for one that is not anchored. [-0, +0, m] */
static void destroy_now(lua_State *L, int idx, int err, int was_connecting) {
  struct net_stream *s = lua_touserdata(L, idx);
  if (s->life.destroyed)
    return;
  net_object_hold(L, idx, &s->o);
  s->life.destroyed = 1;
  net_loop_clean(s->o.loop, &s->flushable);
  net_request_abandon(L, idx);
  s->life.connecting = s->life.read_wanted = 0;
  idle_stop(s);
  if (s->life.handle) {
    destroy_handle(L, idx, s, was_connecting, err != 0);
    if (err)
      queue_error(L, idx, s, err);
    else if (s->in.len > 0)
      net_tick_step(L, idx, &s->o, mute_tick, 0);
  } else {
    if (err)
      queue_error(L, idx, s, err);
    net_tick_step(L, idx, &s->o, close_tick, 0);
    stream_release(L, s);
  }
  leave_owner(L, s);
  net_object_let_go(L, &s->o);
}

/* Pushes the streams that have taken the handle of the one at 'idx', each from the one
 * before it, or those from which it comes; returns how many. [-0, +n, m] */
static int push_chain(lua_State *L, int idx, int key) {
  int count = 0;
  while (net_rare_get(L, idx, key) == LUA_TUSERDATA) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    idx = lua_gettop(L);
    count++;
  }
  lua_pop(L, 1);
  return count;
}

/* It is no link of a chain any more. [-0, +0, -] */
static void unlink_taken(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  for (int key = SLOT_TO; key <= SLOT_FROM; key++) {
    if (net_rare_get(L, idx, key) != LUA_TNIL) {
      lua_pushnil(L);
      net_rare_set(L, idx, key);
    }
    lua_pop(L, 1);
  }
  s->life.taken = s->life.took = 0;
}

/* destroy() of streams of which each has taken the handle of the next: the owner of the
 * handle is the first, and as close events come last in first out, the last is the first
 * to close. Those that took it share the error of the one at 'idx'. [-0, +0, e] */
static void destroy_chain(lua_State *L, int idx, int err) {
  lua_pushvalue(L, idx);
  int self = lua_gettop(L), up = push_chain(L, self, SLOT_TO);
  int last = self + up + push_chain(L, self, SLOT_FROM);
  const struct net_stream *s = lua_touserdata(L, idx);
  for (int i = self; i <= last; i++)
    destroy_prepare(L, i, i <= self + up ? err : 0);
  destroy_reserve(L, s->o.loop, last + 1 - self);
  if (s->life.reset)
    ((struct net_stream *)lua_touserdata(L, self + up))->life.reset = 1;
  for (int i = self; i <= last; i++)
    unlink_taken(L, i);
  for (int i = self + up; i >= self; i--)
    destroy_now(L, i, err, 0);
  for (int i = self + up + 1; i <= last; i++)
    destroy_now(L, i, 0, 0);
}

void net_stream_destroy(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  int top = lua_gettop(L), was_connecting = s->life.connecting || s->life.failed;
  if (s->life.destroyed) {
    lua_pop(L, 1);
    return;
  }
  int err = net_truthy(L, top) ? top : 0;
  if (s->life.taken || s->life.took) {
    destroy_chain(L, idx, err);
  } else {
    destroy_prepare(L, idx, err);
    destroy_reserve(L, s->o.loop, 1);
    destroy_now(L, idx, err, was_connecting);
  }
  lua_settop(L, top - 1);
}

void net_stream_push_error(lua_State *L, struct net_stream *s, int err, const char *syscall) {
  struct net_handle *h = &s->handle;
  while (err == NET_OWN_ERROR && h->via->error == NULL && h->via->below)
    h = h->via->below(h);
  if (err == NET_OWN_ERROR && h->via->error)
    h->via->error(L, h);
  else
    net_error_push_sys(L, err == NET_OWN_ERROR ? -EIO : err, syscall);
}

void net_stream_fail(lua_State *L, int idx, int err, const char *syscall) {
  net_stream_push_error(L, lua_touserdata(L, idx), err, syscall);
  net_stream_destroy(L, idx);
}

/* --- connecting ------------------------------------------------------------------ */

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
  memset(&s->life, 0, sizeof s->life);
  never_again(s);
  net_rb_reset(&s->in);
  s->o.unheard = 0;
  s->watch.peer_family = 0;
  static const int stale[] = { SLOT_ERRORED, SLOT_RBUF,  SLOT_ENDCBS, SLOT_REMOTE,
                               SLOT_PEER,    SLOT_LOCAL, SLOT_DIAL };
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
    life->finish_late = 1;
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
  s->life.failed = 0;
  stream_hold(L, idx);
  s->life.connecting = 1;
  net_stream_touch(s);
}

void net_stream_connected(lua_State *L, int idx, int fd, enum net_fd_kind kind) {
  struct net_stream *s = lua_touserdata(L, idx);
  net_stream_open_fd(L, idx, fd, kind);
  s->life.connecting = 0;
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

/* --- lua_close ------------------------------------------------------------------------ */

/* Silent: no listener, no raise, fine in every state. What was written and never
 * tried still goes; an attempt to connect, and the file of a BoundSocket, go by
 * themselves. */
static void stream_end(lua_State *L, int idx) {
  struct net_stream *s = lua_touserdata(L, idx);
  idle_stop(s);
  net_loop_clean(s->o.loop, &s->flushable);
  net_request_salvage(L, idx);
  if (s->watch.open)
    close_transport(s);
  net_stream_dialing(s, 0);
}

const struct net_class net_stream_class = {
  .name = "Socket",
  .listened = net_readable_listened,
  .unlistened = net_readable_unlistened,
  .end = stream_end,
};
