/* SPDX-License-Identifier: MIT
 *
 * finish.c - how the writable half of a stream ends: finish(), the FIN, 'finish'.
 *
 * finish() marks the stream as ending. When the last of its bytes is with the kernel,
 * shutdown(2) is a pending completion, 'prefinish' follows, and on the tick after that
 * come the callbacks and 'finish'. */
#include "stream/finish.h"

#include "base/error.h"
#include "base/sys.h"
#include "loop/dispatch.h"
#include "stream/attempt.h"
#include "stream/callbacks.h"
#include "stream/request.h"
#include "loop/uncaught.h"

#define CALLBACK_SLOTS 3 /* of a queue, for a callback with its error */

/* --- callbacks --------------------------------------------------------------------- */

void net_finish_tell(lua_State *L, int idx, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  if (net_rare_get(L, idx, SLOT_ENDCBS) == LUA_TTABLE) {
    lua_pushnil(L);
    net_rare_set(L, idx, SLOT_ENDCBS);
    int n = (int)lua_rawlen(L, -1);
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, -1, i);
      if (err)
        lua_pushvalue(L, err);
      net_call_guarded(L, s->o.loop, err != 0);
    }
  }
  lua_pop(L, 1);
}

/* Pushes the list of callbacks, or nil; returns how many are not of a connection that
 * a finalizer has begun. [-0, +1, -] */
static int push_old(lua_State *L, int idx) {
  int has_any = net_rare_get(L, idx, SLOT_ENDCBS) == LUA_TTABLE;
  return has_any && net_stream_at(L, idx)->life.destroyed ? (int)lua_rawlen(L, -1) : 0;
}

/* All are taken when there is room for all. */
void net_finish_dismiss(lua_State *L, int idx) {
  int top = lua_gettop(L), err = top + 1, list = top + 2, room = 0, n = push_old(L, idx);
  lua_pop(L, 1);
  if (n == 0)
    return;
  net_callbacks_push_reason(L, idx, "end");
  while ((n = push_old(L, idx)) > room) { /* anew, as a finalizer may have been here */
    lua_pop(L, 1);
    net_tick_reserve(L, net_stream_at(L, idx)->o.loop, n, n * CALLBACK_SLOTS);
    room = n;
  }
  if (n > 0) {
    lua_pushnil(L);
    net_rare_set(L, idx, SLOT_ENDCBS);
  }
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i);
    lua_pushvalue(L, err);
    net_tick(L, net_stream_at(L, idx)->o.loop, 1);
  }
  lua_settop(L, top);
}

int net_finish_is_awaited(lua_State *L, int idx) {
  int is_awaited = net_rare_get(L, idx, SLOT_ENDCBS) == LUA_TTABLE;
  lua_pop(L, 1);
  return is_awaited;
}

/* --- from the last byte to 'finish' ---------------------------------------------- */

/* An empty chunk that cork() holds has no bytes, but is not sent. */
static int need_finish(const struct net_stream *s) {
  return s->life.ending && s->req.len == 0 && !net_wq_before(s->out.req, s->out.tail) &&
         !(s->life.destroyed || s->life.errored || s->life.finished || s->life.writing);
}

static void finish_tick(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  int overdue = s->life.finish_overdue;
  s->life.finish_overdue = 0;
  if (!overdue && (!s->life.prefinished || s->life.finished))
    return;
  if (!overdue)
    s->life.finished = 1;
  net_stream_news(L, 1, s, NET_NEWS_FINISHED);
  net_finish_tell(L, 1, 0);
  net_emit_guarded(L, 1, &s->o, ON_FINISH, 0);
  if (!overdue && net_readable_done(s)) {
    lua_pushnil(L);
    net_stream_destroy(L, 1);
  }
}

/* The descriptor is shut down, or there was none. [-0, +0, e] */
static void final_done(lua_State *L, int idx, struct net_stream *s) {
  if (!need_finish(s))
    return;
  s->life.prefinished = 1;
  net_emit_guarded(L, idx, &s->o, ON_PREFINISH, 0);
  net_tick_step(L, idx, &s->o, finish_tick, 0);
  net_stream_sent(L, idx, s);
}

/* All is sent, now the FIN, for which a transport may have the stream wait. [-0, +0, e] */
static void shut_down(lua_State *L, int idx, struct net_stream *s) {
  int err = s->handle.via->shutdown(&s->handle);
  s->life.shutting = err == -EAGAIN;
  if (err == -EAGAIN)
    net_stream_poll(s, s->watch.wanted | NET_WRITE);
  else if (err < 0)
    net_stream_fail(L, idx, err, "shutdown");
  else
    final_done(L, idx, s);
}

void net_finish_writable(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (s->life.shutting && s->watch.open)
    shut_down(L, idx, s);
}

/* Is the FIN due, which a pending completion is to send? */
static int is_due(const struct net_stream *s) {
  return s->watch.open && s->life.final_called && !(s->life.prefinished || s->life.shutting);
}

/* Pending completion. Of a stream that was destroyed meanwhile, or has had it, it calls
 * nobody. */
static void final_shutdown(lua_State *L, const struct net_step *step) {
  struct net_stream *s = net_step_stream(step);
  if (is_due(s))
    shut_down(L, 1, s);
  else
    net_settle_none(s->o.loop);
}

/* The FIN leaves within the event that asked for it. */
static void final_at_once(lua_State *L, void *arg) {
  struct net_stream *s = arg;
  if (!is_due(s))
    return;
  net_push(L, &s->o);
  shut_down(L, 1, s);
}

/* The same, if that event has told that the peer is gone altogether. libev keeps to itself
 * what epoll has told, so the system is asked, once for a connection, and where something
 * else would come first. */
static void final_if_gone(lua_State *L, void *arg) {
  const struct net_stream *s = arg;
  const struct net_loop *loop = s->o.loop;
  int is_first = loop->ready_len == 0 && loop->pending.count < 2;
  if (!is_first && is_due(s) && net_sys_is_hung_up(net_stream_fd(s)))
    final_at_once(L, arg);
}

/* As libuv: a stream that its own event says can be written to, which it also is when it is
 * hung up, ends in it, all others with the turn's completions. */
static void final_in_event(struct net_stream *s) {
  struct net_loop *loop = s->o.loop;
  if (loop->running.arg != s || net_stream_fd(s) < 0)
    return;
  if (loop->drains)
    net_ready(loop, final_at_once, s);
  else if (loop->sent == s->bytes_written) /* or the peer is gone because of that */
    net_ready(loop, final_if_gone, s);
}

static void final_start(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!s->life.final_called)
    return; /* that was before it was connected anew */
  if (!s->watch.open) {
    if (!net_attempt_has_failed(L, idx) ||
        !net_stream_can(s, NET_CAN_ADDRESS)) /* there shutdown(2) begins, and is cut off */
      final_done(L, idx, s);
    return;
  }
  net_pend(L, idx, &s->o, final_shutdown);
  final_in_event(s);
}

static const struct net_internal final_on_connect = { final_start };

void net_finish_maybe(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  if (!need_finish(s) || s->life.final_called)
    return;
  if (s->life.connecting) {
    net_emitter_internal(L, idx, ON_CONNECT, &final_on_connect);
    s->life.final_called = 1;
    return;
  }
  net_steps_reserve(L, &s->o.loop->pending, 1);
  s->life.final_called = 1;
  final_start(L, idx);
}

/* --- finish() -------------------------------------------------------------------- */

/* Pushes the error for the callback of a finish() that comes too late, or nil. A write
 * that has failed may have said no more of it yet. */
static void push_end_error(lua_State *L, int idx, const struct net_stream *s) {
  const char *code = NULL;
  if (s->life.finished)
    code = "ERR_STREAM_ALREADY_FINISHED";
  else if (s->life.destroyed)
    code = "ERR_STREAM_DESTROYED";
  if (code == NULL) {
    net_rare_get(L, idx, SLOT_ERRORED);
    return;
  }
  lua_pushliteral(L, "end");
  net_error_push_code(L, code, 1);
}

/* Keeps the callback at 'cb' until the stream has finished. [-0, +0, m] */
static void keep_end_callback(lua_State *L, int idx, int cb) {
  if (net_rare_get(L, idx, SLOT_ENDCBS) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -1);
    net_rare_set(L, idx, SLOT_ENDCBS);
  }
  lua_pushvalue(L, cb);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

/* The callback at 'cb' hears the error on the top, or waits. [-1, +0, m] */
static void answer_end(lua_State *L, int idx, int cb) {
  if (lua_type(L, cb) != LUA_TFUNCTION)
    lua_pop(L, 1);
  else if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    keep_end_callback(L, idx, cb);
  } else {
    lua_pushvalue(L, cb);
    lua_insert(L, -2);
    net_tick(L, net_stream_at(L, idx)->o.loop, 1);
  }
}

void net_finish(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  int cb = lua_gettop(L), chunk = cb - 1;
  if (s->life.given && s->watch.open) { /* the end that it would send is not its own */
    net_error_push_code(L, "ERR_SOCKET_CLOSED", 0);
    net_stream_destroy(L, idx);
  }
  if (!lua_isnil(L, chunk) && !net_writable_last(L, idx, chunk, cb)) {
    s->req.corked = 0;
    lua_settop(L, chunk - 1);
    return;
  }
  if (s->req.corked) {
    s->req.corked = 1;
    net_writable_uncork(L, idx);
  }
  net_request_flush_now(L, s);
  if (!(s->life.errored || s->life.ending)) {
    s->life.ending = 1;
    net_finish_maybe(L, idx);
    lua_pushnil(L);
  } else
    push_end_error(L, idx, s);
  answer_end(L, idx, cb);
  lua_settop(L, chunk - 1);
}

void net_finish_end_tick(lua_State *L, const struct net_step *step) {
  const struct net_stream *s = net_step_stream(step);
  if (net_writable_open(s) && !s->life.given) {
    lua_pushnil(L);
    lua_pushnil(L);
    net_finish(L, 1);
  }
}
