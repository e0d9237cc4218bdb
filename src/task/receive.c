/* SPDX-License-Identifier: MIT
 *
 * receive.c - how a task reads: it waits for what receive, receiveUntil or peek want.
 *
 * What that is, and whether it is there, is want.c's; what is given for it answer.c's. The
 * bytes wait in the buffer of the stream, from which the task itself takes them when it
 * runs; each chunk that arrives is looked through once. A mark that the answer would not fit
 * below is raised for the wait. */
#include <lauxlib.h>

#include "base/error.h"
#include "stream/pump.h"
#include "task/answer.h"
#include "task/socket.h"

#define CALLS_IN_A_ROW 64 /* of a task's, that need not wait, before others have a turn */

/* --- what arrives ----------------------------------------------------------------------- */

static int is_there(lua_State *L, int idx, struct net_task_socket *ts) {
  return net_want_look(L, idx, ts->stream, &ts->want) != THERE_NOT_YET;
}

/* Does the task still wait, and for the next bytes that come? A finalizer may have ended the
 * wait, or put bytes back. */
static int may_be_given(const struct net_stream *s, const struct net_task *t) {
  return net_task_socket_of(s)->reader == t && t->state == TASK_WAITING && s->in.len == 0 &&
         !s->opt.decoding && !s->life.destroyed &&
         lua_status(t->inner->thread) == LUA_YIELD; /* else the user has closed it */
}

/* Straight from the loop's buffer, as one string, onto the thread that waits, whose frame
 * has room for it. */
static size_t reader_arrived(lua_State *L, struct net_stream *s, const char *bytes, size_t n) {
  struct net_task_socket *ts = net_task_socket_of(s);
  struct net_task *t = ts->reader;
  size_t gives, taken;
  if (ts->given || ts->want.peeks || !may_be_given(s, t))
    return 0;
  taken = net_want_whole(&ts->want, bytes, n, &gives);
  if (taken == 0)
    return 0;
  lua_pushlstring(L, bytes, gives);
  if (!may_be_given(s, t)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_xmove(L, t->inner->thread, 1);
  ts->given = (int)(taken - gives) + 1;
  net_task_wake(t);
  return taken;
}

/* --- waiting ------------------------------------------------------------------------------- */

/* The reader is no more. */
static void stop_reading(struct net_task_socket *ts) {
  struct net_stream *s = ts->stream;
  ts->reader = NULL;
  ts->waiters.reads = 0;
  if (ts->mark != SIZE_MAX)
    s->in.hwm = ts->mark;
  ts->mark = SIZE_MAX;
}

/* Of a socket, an answer, and how much of a line's end it lacks: puts both at the head of
 * the buffer. */
static int put_back(lua_State *L) {
  static const char *const ends[] = { "", "\n", "\r\n" };
  struct net_stream *s = net_stream_at(L, 1);
  lua_pushstring(L, ends[lua_tointeger(L, 3)]);
  lua_replace(L, 3);
  lua_concat(L, 2);
  net_rb_prepend(L, 1, &s->in);
  return 0;
}

/* Puts an answer that was on its way back, with the end of its line. Without memory it is
 * lost, and the stream fails before it tells any more. */
static void give_back(lua_State *L, struct net_task *t, struct net_task_socket *ts) {
  lua_State *from = t->inner->thread;
  int given = ts->given;
  ts->given = 0;
  if (lua_status(from) != LUA_YIELD || !lua_checkstack(from, 1))
    return; /* the user has closed it, and the answer with it */
  lua_pushcfunction(L, put_back);
  lua_pushvalue(from, READ_SOCKET);
  lua_xmove(from, L, 1);
  lua_xmove(from, L, 1);
  lua_pushinteger(L, given - 1);
  if (lua_pcall(L, 3, 0, 0) == LUA_OK)
    return;
  ts->stream->life.gap = 1;
  lua_pop(L, 1);
}

static void receive_leave(lua_State *L, struct net_task *t, int given) {
  struct net_task_socket *ts = t->wait.on;
  (void)given;
  if (ts == NULL)
    return; /* its thread was closed, and the socket collected */
  if (ts->given)
    give_back(L, t, ts);
  stop_reading(ts);
}

static int receive_result(lua_State *L, struct net_task *t);

/* As the caller has said it. */
static void receive_what(lua_State *L, const struct net_task *t, lua_State *from) {
  net_want_words(L, &((const struct net_task_socket *)t->wait.on)->want, from);
}

static const struct net_wait_kind receive_kind = { .name = "receive",
                                                   .unwait = receive_leave,
                                                   .result = receive_result,
                                                   .looks = 1,
                                                   .whose = READ_SOCKET,
                                                   .what = receive_what };

/* How much has to fit into the buffer. */
static void raise_mark(struct net_task_socket *ts) {
  const struct net_want *w = &ts->want;
  size_t need = w->what == WANT_SOME ? 1 : w->n;
  if (w->what <= WANT_UNTIL && need < NET_WANT_MAX)
    need += w->what == WANT_UNTIL ? w->search.len : 2; /* CR, LF */
  if (need <= ts->stream->in.hwm)
    return;
  if (ts->mark == SIZE_MAX)
    ts->mark = ts->stream->in.hwm;
  ts->stream->in.hwm = need;
}

/* Waits for bytes. */
static int wait_as_reader(lua_State *L, struct net_task_socket *ts, struct net_task *t) {
  ts->reader = t;
  ts->waiters.reads = 1;
  ts->timed = 0;
  t->wait.on = ts;
  net_stream_touch(ts->stream);
  return net_wait(L, t, &receive_kind);
}

/* What has come meanwhile is given at once. */
static int wait_for_more(lua_State *L, struct net_task_socket *ts, struct net_task *t) {
  raise_mark(ts);
  net_readable_taken(L, READ_SOCKET, 0);
  int n = net_answer_at_end(ts->stream) ? net_answer(L, ts->stream, &ts->want) : 0;
  if (n > 0) {
    stop_reading(ts);
    return net_answer_step(L, &ts->want, n);
  }
  return wait_as_reader(L, ts, t);
}

/* It was woken: what it waits for is there, or will not be. */
static int receive_result(lua_State *L, struct net_task *t) {
  struct net_task_socket *ts = t->wait.on;
  int timed = ts->timed, given = ts->given;
  ts->given = 0;
  stop_reading(ts);
  if (given)
    return 1;
  int n = net_answer(L, ts->stream, &ts->want);
  if (n == 0 && timed)
    n = net_task_timed_out(L);
  if (n > 0)
    return net_answer_step(L, &ts->want, n);
  return net_wait_hit(t) ? net_wait_refuse(L, t) : wait_for_more(L, ts, t);
}

/* A turn of the loop was had by others. */
static int receive_after_turn(lua_State *L, struct net_task *t) {
  net_wait_turn_over(t);
  return receive_result(L, t);
}

static void turn_leave(lua_State *L, struct net_task *t, int given) {
  net_wait_turn_over(t);
  receive_leave(L, t, given);
}

static const struct net_wait_kind turn_kind = { .name = "receive",
                                                .unwait = turn_leave,
                                                .result = receive_after_turn,
                                                .whose = READ_SOCKET,
                                                .what = receive_what };

/* --- who else reads ------------------------------------------------------------------------ */

static int raise_busy(lua_State *L, const char *who) {
  lua_pushstring(L, who);
  return net_error_raise(L, "ERR_SOCKET_BUSY", 1);
}

static void check_free(lua_State *L, const struct net_stream *s) {
  const struct net_task_socket *ts = net_task_socket_of(s);
  if (ts && ts->reader) {
    ts->waiters.via->name_reader(L, s);
    raise_busy(L, lua_tostring(L, -1));
  } else if (s->opt.onread) {
    raise_busy(L, "the option onread");
  } else if (s->pump) {
    raise_busy(L, "a pipe");
  } else if (net_has(&s->o, ON_DATA)) {
    raise_busy(L, "a listener for 'data'");
  } else if (net_has(&s->o, ON_READABLE)) {
    raise_busy(L, "a listener for 'readable'");
  }
}

/* --- the methods ------------------------------------------------------------------------------ */

/* Is there nothing but to wait, as most often? The task has read before, and is to read on;
 * nothing is buffered, more may come, and nobody else reads. */
static int is_dry(const struct net_stream *s, const struct net_task_socket *ts,
                  const struct net_task *t, const struct net_want *w) {
  if (ts == NULL || ts->holder != t || ts->reader || s->in.len > 0 || net_answer_at_end(s))
    return 0;
  if (s->life.gap)
    return 0;
  if (s->opt.flowing || s->opt.paused || s->opt.onread || s->pump)
    return 0;
  if (net_has(&s->o, ON_DATA) || net_has(&s->o, ON_READABLE) || !net_readable_is_read(s))
    return 0;
  return w->n > 0 && w->n < SIZE_MAX && t->credit + 1 < CALLS_IN_A_ROW && !net_wait_hit(t);
}

static void set_want(lua_State *L, struct net_task_socket *ts, const struct net_want *w) {
  ts->want = *w;
  net_want_begin(L, &ts->want, ts->stream);
}

/* Reads what 'w' says for the task: an answer that is there at once, but for every so many
 * of them in a row. [-0, +n, e] */
static int receive(lua_State *L, struct net_stream *s, struct net_task *t,
                   const struct net_want *w) {
  struct net_task_socket *ts = net_task_socket_of(s);
  if (is_dry(s, ts, t, w)) {
    set_want(L, ts, w);
    raise_mark(ts);
    return wait_as_reader(L, ts, t);
  }
  check_free(L, s);
  ts = net_task_socket(L, READ_SOCKET, t, 1);
  if (s->opt.flowing || s->opt.paused)
    net_readable_hand_over(s);
  int goes_on = ++t->credit < CALLS_IN_A_ROW;
  if (goes_on && s->in.len > 0 && net_answer_from_head(L, s, w))
    return 1;
  set_want(L, ts, w);
  if (goes_on) {
    int n = net_answer(L, s, &ts->want);
    if (n > 0)
      return net_answer_step(L, &ts->want, n);
  }
  if (net_wait_hit(t))
    return net_wait_refuse(L, t);
  if (t->credit < CALLS_IN_A_ROW)
    return wait_for_more(L, ts, t);
  net_wait_turn(L, t); /* first, as it may raise */
  ts->reader = t;
  ts->waiters.reads = 1;
  ts->timed = 0;
  t->wait.on = ts;
  return net_wait(L, t, &turn_kind);
}

/* socket:receive([what [, max]]) */
static int socket_receive(lua_State *L) {
  struct net_want w = { .what = WANT_LINE };
  struct net_stream *s = net_object_check(L, READ_SOCKET, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  lua_settop(L, READ_MAX);
  net_want_read(L, &w);
  return receive(L, s, t, &w);
}

/* socket:peek([what [, max]]) */
static int socket_peek(lua_State *L) {
  struct net_want w = { .peeks = 1 };
  struct net_stream *s = net_object_check(L, READ_SOCKET, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  lua_settop(L, READ_MAX);
  net_want_read(L, &w);
  return receive(L, s, t, &w);
}

/* socket:receiveUntil(delimiter [, max]) */
static int socket_receive_until(lua_State *L) {
  struct net_want w = { .what = WANT_UNTIL };
  struct net_stream *s = net_object_check(L, READ_SOCKET, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  lua_settop(L, READ_MAX);
  net_want_until(L, &w);
  return receive(L, s, t, &w);
}

/* One step of lines() or chunks(), whose upvalues are the socket and what it wants. */
static int iterate(lua_State *L) {
  const struct net_want *w = lua_touserdata(L, lua_upvalueindex(2));
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  struct net_stream *s = net_stream_at(L, READ_SOCKET);
  return receive(L, s, net_wait_check_in(L, s->o.loop), w);
}

static int push_iterator(lua_State *L, int what) {
  net_object_check(L, READ_SOCKET, &net_stream_class);
  lua_settop(L, 2);
  size_t max = net_want_limit(L, 2);
  lua_settop(L, 1);
  struct net_want *w = lua_newuserdatauv(L, sizeof *w, 0);
  *w = (struct net_want){ .what = what, .iterates = 1, .n = max };
  lua_pushcclosure(L, iterate, 2);
  return 1;
}

/* socket:lines([max]) -> iterator */
static int socket_lines(lua_State *L) { return push_iterator(L, WANT_LINE); }
/* socket:chunks([max]) -> iterator */
static int socket_chunks(lua_State *L) { return push_iterator(L, WANT_SOME); }

void net_receive_open(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "receive", socket_receive },
    { "peek", socket_peek },
    { "receiveUntil", socket_receive_until },
    { "lines", socket_lines },
    { "chunks", socket_chunks },
    { NULL, NULL },
  };
  luaL_setfuncs(L, methods, 0);
  net_task_socket_reads(is_there, reader_arrived);
  net_answer_open(L);
}
