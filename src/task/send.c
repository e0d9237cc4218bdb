/* SPDX-License-Identifier: MIT
 *
 * send.c - how a task writes: send, flush.
 *
 * What is sent is written as write() does it, so it leaves with the turn's other bytes. A
 * task waits only while more is buffered than the mark allows, until all of it is with
 * the kernel; interrupted, what it has queued is sent all the same. */
#include <lauxlib.h>

#include "base/error.h"
#include "stream/request.h"
#include "task/socket.h"

#define CALLS_IN_A_ROW 64

/* Why nothing can be written: nil and the error; 0: it can. [-0, +(0|2), e] */
static int give_failure(lua_State *L) {
  lua_pushnil(L);
  if (net_writable_forbidden(L, 1)) {
    net_task_socket_note(L);
    return 2;
  }
  lua_pop(L, 1);
  return 0;
}

static int give_true(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

/* --- waiting for the kernel ---------------------------------------------------------- */

/* Waits, with others, for one of 'news'; the idle timeout starts anew. */
static int wait_for(lua_State *L, struct net_task *t, struct net_task_socket *ts, unsigned news,
                    const struct net_wait_kind *kind) {
  t->wait.on = ts;
  t->wait.cares = news | NET_NEWS_DESTROYED | NET_NEWS_IDLE;
  net_list_append(&ts->writers, &t->wait.link);
  net_stream_touch(ts->stream);
  return net_wait(L, t, kind);
}

static int is_timed(const struct net_task *t) { return t->wait.cares == NET_NEWS_IDLE; }

static int send_result(lua_State *L, struct net_task *t) {
  const struct net_task_socket *ts = t->wait.on;
  const struct net_stream *s = ts->stream;
  if (is_timed(t))
    return net_task_timed_out(L);
  int n = s->life.errored || s->life.destroyed ? give_failure(L) : 0;
  return n > 0 ? n : give_true(L);
}

static const struct net_wait_kind send_kind = {
  .name = "send to", .result = send_result, .keeps = 1, .whose = 1
};

/* --- send ----------------------------------------------------------------------------- */

static int send_after_turn(lua_State *L, struct net_task *t) {
  net_wait_turn_over(t);
  return give_true(L);
}

static void turn_leave(lua_State *L, struct net_task *t, int given) {
  (void)L, (void)given;
  net_wait_turn_over(t);
}

static const struct net_wait_kind turn_kind = {
  .name = "send to", .unwait = turn_leave, .result = send_after_turn, .keeps = 1, .whose = 1
};

/* Writes the string on the top; whether there is room for more. [-(0|1), +0, e] */
static int write_top(lua_State *L, struct net_stream *s) {
  if (net_writable_write_small(L, 1, s))
    return 1;
  lua_pushnil(L);
  net_writable_write(L, 1);
  int fits = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return fits;
}

/* Of a socket and strings: the strings, one after the other. */
static int write_each(lua_State *L) {
  struct net_stream *s = net_stream_at(L, 1);
  for (int i = 2, last = lua_gettop(L); i <= last; i++) {
    lua_pushvalue(L, i);
    (void)write_top(L, s);
    lua_settop(L, last);
  }
  return 0;
}

/* Writes the strings from 2 to 'last', which leave together. Without memory for all of them
 * none is queued: the peer would take what comes next for the rest. */
static int write_all(lua_State *L, struct net_stream *s, int last) {
  if (last == 2)
    return write_top(L, s);
  struct net_writable_mark before;
  luaL_checkstack(L, last + LUA_MINSTACK, NULL);
  net_writable_mark(L, 1, &before);
  s->req.corked++;
  lua_pushcfunction(L, write_each);
  for (int i = 1; i <= last; i++)
    lua_pushvalue(L, i);
  int failed = lua_pcall(L, last, 0, 0) != LUA_OK;
  if (failed)
    net_writable_unwrite(s, &before);
  net_writable_uncork(L, 1);
  if (failed)
    lua_error(L);
  int fits = s->req.len < s->req.hwm || s->req.len == 0;
  s->life.need_drain |= !fits;
  return fits;
}

/* Does nothing forbid it? */
static int may_write(const struct net_stream *s) {
  return !(s->life.errored || s->life.ending || s->life.destroyed || s->life.given ||
           s->opt.write_off);
}

/* socket:send(...) -> true, when the mark allows more; nil, err */
static int socket_send(lua_State *L) {
  struct net_stream *s = net_object_check(L, 1, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  int last = lua_gettop(L);
  for (int i = 2; i <= last; i++)
    if (lua_type(L, i) != LUA_TSTRING)
      return net_error_arg_type(L, "chunk", "of type string", i);
  struct net_task_socket *ts = net_task_socket_of(s);
  if (ts == NULL || ts->holder == NULL)
    ts = net_task_socket(L, 1, t, 0);
  int failed = may_write(s) ? 0 : give_failure(L), fits = 1;
  if (failed > 0)
    return failed;
  if (last > 1)
    fits = write_all(L, s, last);
  if (fits && ++t->credit < CALLS_IN_A_ROW)
    return give_true(L);
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  if (fits) {
    net_wait_turn(L, t);
    return net_wait(L, t, &turn_kind);
  }
  return wait_for(L, t, ts, NET_NEWS_DRAINED, &send_kind);
}

/* --- flush ----------------------------------------------------------------------------- */

/* Are the first so many bytes with the kernel, and the end, if there is to be one? */
static int is_flushed(const struct net_stream *s, uint64_t bytes) {
  int sent = s->req.len == 0 || s->bytes_written - s->req.len >= bytes;
  return sent && !s->life.deferred && (!s->life.ending || s->life.finished);
}

static int flush_result(lua_State *L, struct net_task *t);
static const struct net_wait_kind flush_kind = {
  .name = "flush to", .result = flush_result, .looks = 1, .keeps = 1, .whose = 1
};

/* What others write meanwhile is not waited for. */
static int flush_on(lua_State *L, struct net_task *t, struct net_task_socket *ts) {
  struct net_stream *s = ts->stream;
  if (is_flushed(s, t->wait.bytes) && !s->life.errored)
    return give_true(L);
  if (s->life.errored || s->life.destroyed)
    return give_failure(L);
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  return wait_for(L, t, ts, NET_NEWS_SENT | NET_NEWS_FINISHED, &flush_kind);
}

static int flush_result(lua_State *L, struct net_task *t) {
  return is_timed(t) ? net_task_timed_out(L) : flush_on(L, t, t->wait.on);
}

/* socket:flush() -> true, when all that was written, and the end, is with the kernel; nil,
 * err */
static int socket_flush(lua_State *L) {
  struct net_stream *s = net_object_check(L, 1, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  struct net_task_socket *ts = net_task_socket(L, 1, t, 0);
  net_request_flush_now(L, s);
  t->wait.bytes = s->bytes_written;
  return flush_on(L, t, ts);
}

void net_send_open(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "send", socket_send },
    { "flush", socket_flush },
    { NULL, NULL },
  };
  luaL_setfuncs(L, methods, 0);
}
