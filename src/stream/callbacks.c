/* SPDX-License-Identifier: MIT
 *
 * callbacks.c - the callbacks of what was written. See callbacks.h. */
#include "stream/callbacks.h"

#include "base/error.h"
#include "loop/uncaught.h"
#include "stream/writequeue.h"

enum { CALLBACK_SLOTS = 3 }; /* of a queue, for a callback with its error */

void net_callbacks_call(lua_State *L, int idx, uint32_t end, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  while (net_wq_before(s->out.done, end) && s->out.callbacks > 0) {
    if (!net_wq_take_callback(L, idx, &s->out))
      continue;
    if (err)
      lua_pushvalue(L, err);
    net_call_guarded(L, s->o.loop, err != 0);
  }
  if (net_wq_before(s->out.done, end))
    s->out.done = end;
}

void net_callbacks_push_reason(lua_State *L, int idx, const char *what) {
  if (net_stream_at(L, idx)->life.errored) {
    net_rare_get(L, idx, SLOT_ERRORED);
    return;
  }
  lua_pushstring(L, what);
  net_error_push_code(L, "ERR_STREAM_DESTROYED", 1);
}

size_t net_callbacks_drop_unsent(lua_State *L, int idx, int err) {
  struct net_stream *s = net_stream_at(L, idx);
  size_t all = 0;
  net_wq_prepare(L, idx, &s->out);
  s->req.deferred = 0;
  while (net_wq_before(s->out.head, s->out.tail) && !net_callbacks_is_going(s)) {
    size_t bytes = net_wq_drop(L, idx, &s->out, s->out.head + 1);
    all += bytes;
    s->req.len -= bytes < s->req.len ? bytes : s->req.len;
    if (net_wq_before(s->out.req, s->out.head))
      s->out.req = s->out.head;
    net_callbacks_call(L, idx, s->out.head, err);
  }
  return all;
}

/* Has the callback on the top called on the tick, with the error at 'err' or
 * nothing (0). [-1, +0, m] */
static void call_later(lua_State *L, int idx, int err) {
  if (err)
    lua_pushvalue(L, err);
  net_tick(L, net_stream_at(L, idx)->o.loop, err != 0);
}

/* Are there callbacks of writes, and not of a connection that a finalizer has begun? */
static int has_old_callbacks(const struct net_stream *s) {
  return s->life.destroyed && s->out.callbacks > 0 && s->out.done != s->out.tail;
}

void net_callbacks_dismiss(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx);
  int top = lua_gettop(L), err = top + 1;
  if (s->out.callbacks == 0)
    return;
  net_callbacks_push_reason(L, idx, "write");
  while (has_old_callbacks(s)) {
    net_tick_reserve(L, s->o.loop, 1, CALLBACK_SLOTS);
    int is_sent = net_wq_before(s->out.done, s->out.head);
    if (has_old_callbacks(s) && net_wq_take_callback(L, idx, &s->out))
      call_later(L, idx, is_sent ? 0 : err);
  }
  lua_settop(L, top);
}
