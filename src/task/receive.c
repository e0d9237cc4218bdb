/* SPDX-License-Identifier: MIT
 *
 * receive.c - how a task reads: receive, receiveUntil, peek.
 *
 * All or nothing: bytes leave the buffer of the stream when the answer is whole, by the
 * task itself when it runs. Until then they wait there, and each chunk that arrives is
 * looked through once. A mark that the answer would not fit below is raised for the wait.
 *
 * Complete answers that have arrived are given first; then the end, as nil, EOF and the
 * rest, or the stream's failure in the same form. */
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "stream/pump.h"
#include "task/socket.h"

#define LIMIT 65536 /* bytes; the most of a line, a delimited text, a piece, by default */
#define MARK_MAX (SIZE_MAX / 2)
#define CALLS_IN_A_ROW 64 /* of a task's, that need not wait, before others have a turn */

static const char eof_key; /* registry: the error of the end */

enum { SOCKET = 1, WHAT, MAX, FRAME };

/* --- what is asked for ----------------------------------------------------------------- */

static void raise_range(lua_State *L, const char *name, const char *range, int idx) {
  lua_pushstring(L, name);
  lua_pushstring(L, range);
  lua_pushvalue(L, idx);
  net_error_raise(L, "ERR_OUT_OF_RANGE", 3);
}

/* The count of bytes at 'idx', or the default. [-0, +0, e] */
static size_t check_max(lua_State *L, int idx, size_t otherwise) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, idx, &is_integer);
  if (lua_isnil(L, idx))
    return otherwise;
  if (lua_type(L, idx) != LUA_TNUMBER)
    net_error_arg_type(L, "max", "of type number", idx);
  if (lua_tonumber(L, idx) >= HUGE_VAL)
    return MARK_MAX;
  if (!is_integer || n < 1)
    raise_range(L, "max", "an integer >= 1", idx);
  return (size_t)n < MARK_MAX ? (size_t)n : MARK_MAX;
}

static int is_word(const char *what, const char *word, char letter) {
  return strcmp(what, word) == 0 || (what[0] == letter && what[1] == '\0') ||
         (what[0] == '*' && what[1] == letter && what[2] == '\0');
}

static void want_text(lua_State *L, struct net_want *w) {
  const char *what = lua_tostring(L, WHAT);
  if (is_word(what, "line", 'l'))
    w->what = WANT_LINE;
  else if (is_word(what, "L", 'L'))
    w->what = WANT_LINE_WITH_END;
  else if (strcmp(what, "some") == 0)
    w->what = WANT_SOME;
  else if (is_word(what, "all", 'a'))
    w->what = WANT_ALL;
  else {
    lua_pushliteral(L, "what");
    lua_pushvalue(L, WHAT);
    lua_pushliteral(L, "must be a count of bytes, 'line', 'L', 'some' or 'all'");
    net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
  }
  w->n = check_max(L, MAX, w->what == WANT_ALL ? MARK_MAX : LIMIT);
}

/* Of the arguments at WHAT and MAX. [-0, +0, e] */
static void want_read(lua_State *L, struct net_want *w) {
  int is_integer;
  lua_Integer n = lua_tointegerx(L, WHAT, &is_integer);
  if (lua_isnil(L, WHAT)) {
    w->what = WANT_LINE;
    w->n = check_max(L, MAX, LIMIT);
  } else if (lua_type(L, WHAT) == LUA_TSTRING) {
    want_text(L, w);
  } else if (lua_type(L, WHAT) != LUA_TNUMBER) {
    net_error_arg_type(L, "what", "of type string or number", WHAT);
  } else if (!is_integer || n < 0) {
    raise_range(L, "what", "an integer >= 0", WHAT);
  } else {
    w->what = WANT_BYTES;
    w->n = (size_t)n;
    if ((size_t)n > check_max(L, MAX, MARK_MAX))
      w->n = SIZE_MAX; /* too long, whatever comes */
  }
}

/* --- is it there ------------------------------------------------------------------------- */

enum answer { MORE, WHOLE, TOO_LONG };

static void search(struct net_want *w, const struct net_stream *s, const char *what, size_t len) {
  net_rb_search(&w->search, &s->in, what, len);
  w->found = 0;
}

/* Bytes before the end of a line of which 'found' have come with the LF. */
static size_t line_length(lua_State *L, int idx, const struct net_stream *s, size_t found) {
  int has_cr = found > 1 && net_rb_byte(L, idx, &s->in, found - 2) == '\r';
  return found - 1 - (size_t)has_cr;
}

/* Of a text that ends with a delimiter. A CR may be the begin of a line's end. */
static enum answer look_for_end(lua_State *L, int idx, struct net_stream *s, struct net_want *w) {
  int is_line = w->what != WANT_UNTIL;
  if (w->found == 0)
    w->found = net_rb_find(L, idx, &s->in, &w->search);
  if (w->found > 0) {
    size_t n = is_line ? line_length(L, idx, s, w->found) : w->found - w->search.len;
    return n <= w->n ? WHOLE : TOO_LONG;
  }
  if (s->in.len <= w->n)
    return MORE;
  if (is_line)
    return s->in.len == w->n + 1 && net_rb_byte(L, idx, &s->in, w->n) == '\r' ? MORE : TOO_LONG;
  return s->in.len - w->search.matched > w->n ? TOO_LONG : MORE;
}

static enum answer look(lua_State *L, int idx, struct net_stream *s, struct net_want *w) {
  switch (w->what) {
    case WANT_SOME: return s->in.len > 0 ? WHOLE : MORE;
    case WANT_BYTES:
      if (w->n == SIZE_MAX)
        return TOO_LONG;
      return s->in.len >= w->n ? WHOLE : MORE;
    case WANT_ALL: return s->in.len > w->n ? TOO_LONG : MORE;
    default: return look_for_end(L, idx, s, w);
  }
}

static int is_there(lua_State *L, int idx, struct net_task_socket *ts) {
  return look(L, idx, ts->stream, &ts->want) != MORE;
}

/* Of bytes before which there are none: how many the answer takes, and how many of these it
 * gives; 0: they do not complete it. */
static size_t whole(const struct net_want *w, const char *bytes, size_t n, size_t *gives) {
  const char *end;
  switch (w->what) {
    case WANT_SOME: return *gives = n < w->n ? n : w->n;
    case WANT_BYTES: return *gives = w->n <= n ? w->n : 0;
    case WANT_LINE:
    case WANT_LINE_WITH_END:
      end = memchr(bytes, '\n', n);
      if (end == NULL)
        return 0;
      *gives = (size_t)(end - bytes);
      *gives -= *gives > 0 && end[-1] == '\r';
      if (*gives > w->n)
        return 0;
      if (w->what == WANT_LINE_WITH_END)
        *gives = (size_t)(end - bytes) + 1;
      return (size_t)(end - bytes) + 1;
    default: return 0;
  }
}

/* Straight from the loop's buffer, as one string, onto the thread that waits, whose frame
 * has room for it. */
static size_t reader_arrived(lua_State *L, struct net_stream *s, const char *bytes, size_t n) {
  struct net_task_socket *ts = net_task_socket_of(s);
  size_t gives, taken;
  if (ts->given || ts->want.peeks || ts->reader->state != TASK_WAITING)
    return 0;
  if (lua_status(ts->reader->inner->thread) != LUA_YIELD)
    return 0; /* the user has closed it */
  taken = whole(&ts->want, bytes, n, &gives);
  if (taken == 0)
    return 0;
  lua_pushlstring(L, bytes, gives);
  lua_xmove(L, ts->reader->inner->thread, 1);
  ts->given = (int)(taken - gives) + 1;
  net_task_wake(ts->reader);
  return taken;
}

/* --- giving ------------------------------------------------------------------------------- */

/* Takes 'n' bytes out, and has the stream go on. [-0, +0, e] */
static void consume(lua_State *L, struct net_stream *s, const struct net_want *w, size_t n) {
  if (w->peeks)
    return;
  net_readable_taken(L, SOCKET, n); /* first, as it may raise */
  net_rb_skip(L, SOCKET, &s->in, n);
}

/* Pushes an answer that is there. [-0, +1, e] */
static int give(lua_State *L, struct net_stream *s, const struct net_want *w) {
  size_t all = w->n; /* bytes that leave the buffer */
  if (w->what == WANT_SOME || w->what == WANT_ALL)
    all = s->in.len < w->n ? s->in.len : w->n;
  else if (w->what != WANT_BYTES)
    all = w->found;
  size_t n = all; /* bytes that are given */
  if (w->what == WANT_LINE)
    n = line_length(L, SOCKET, s, w->found);
  else if (w->what == WANT_UNTIL)
    n = w->found - w->search.len;
  if (n == 0)
    lua_pushliteral(L, "");
  else
    net_rb_peek(L, SOCKET, &s->in, n);
  if (all > 0)
    consume(L, s, w, all);
  return 1;
}

static int give_too_long(lua_State *L) {
  lua_pushnil(L);
  net_error_push_code(L, "ERR_RECEIVE_TOO_LONG", 0);
  net_task_socket_note(L);
  return 2;
}

/* The program has destroyed it: what was buffered is gone. */
static int is_dropped(const struct net_stream *s) {
  return s->life.destroyed && !s->life.errored && !s->life.end_emitted;
}

/* Nothing more comes: the rest, behind nil and why. [-0, +n, e] */
static int give_end(lua_State *L, struct net_stream *s, const struct net_want *w) {
  size_t n = is_dropped(s) || s->life.gap ? 0 : s->in.len;
  if (w->what == WANT_ALL && s->life.eof && !s->life.errored && !is_dropped(s))
    return give(L, s, w);
  lua_pushnil(L);
  if (s->life.errored)
    net_rare_get(L, SOCKET, SLOT_ERRORED);
  else if (is_dropped(s))
    net_error_push_code(L, "ERR_STREAM_PREMATURE_CLOSE", 0);
  else
    lua_rawgetp(L, LUA_REGISTRYINDEX, &eof_key);
  net_task_socket_note(L);
  if (n == 0)
    lua_pushliteral(L, "");
  else
    net_rb_peek(L, SOCKET, &s->in, n);
  if (n > 0)
    consume(L, s, w, n);
  return 3;
}

/* Bytes are missing, before those that are buffered. [-0, +n, e] */
static int give_lost(lua_State *L, struct net_stream *s, const struct net_want *w) {
  if (!s->life.destroyed)
    net_stream_fail(L, SOCKET, -ENOMEM, "read");
  return give_end(L, s, w);
}

static int is_at_end(const struct net_stream *s) {
  return s->life.eof || s->life.errored || s->life.destroyed || s->opt.read_off;
}

/* Pushes the answer, if there is one by now; returns how many values, 0: none. [-0, +n, e] */
static int answer(lua_State *L, struct net_stream *s, struct net_want *w) {
  if (s->life.gap)
    return give_lost(L, s, w);
  enum answer there = is_dropped(s) ? MORE : look(L, SOCKET, s, w);
  if (there == TOO_LONG)
    return give_too_long(L);
  if (there == WHOLE && (w->n > 0 || !is_at_end(s)))
    return give(L, s, w);
  return is_at_end(s) ? give_end(L, s, w) : 0;
}

/* Of a call that is a step of a loop: 'n' values are nil, an error and what is left over, or
 * an answer alone. The end ends the loop, behind a last line that lacks its own; a failure
 * is raised. [-n, +n, e] */
static int give_step(lua_State *L, const struct net_want *w, int n) {
  if (!w->iterates || n == 1)
    return n;
  int err = lua_gettop(L) - n + 2;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &eof_key);
  if (!lua_rawequal(L, -1, err)) {
    lua_pushvalue(L, err);
    return lua_error(L);
  }
  lua_pushvalue(L, err + 1);
  return w->what == WANT_LINE && lua_rawlen(L, -1) > 0;
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
  lua_pushvalue(from, SOCKET);
  lua_xmove(from, L, 1);
  lua_xmove(from, L, 1);
  lua_pushinteger(L, given - 1);
  ts->stream->life.gap = lua_pcall(L, 3, 0, 0) != LUA_OK;
  if (ts->stream->life.gap)
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

/* As the caller has said it: a word, a count, or the delimiter in the waiting frame. */
static void receive_what(lua_State *L, const struct net_task *t, lua_State *from) {
  static const char *const words[] = {
    [WANT_LINE] = "line", [WANT_LINE_WITH_END] = "L", [WANT_SOME] = "some", [WANT_ALL] = "all"
  };
  const struct net_want *w = &((const struct net_task_socket *)t->wait.on)->want;
  if (w->what == WANT_UNTIL)
    lua_pushliteral(L, "receiveUntil %s from");
  else
    lua_pushstring(L, w->peeks ? "peek %s from" : "receive %s from");
  if (w->what == WANT_BYTES) {
    lua_pushinteger(L, (lua_Integer)w->n);
  } else if (w->what == WANT_UNTIL) {
    lua_pushvalue(from, WHAT);
    lua_xmove(from, L, 1);
  } else {
    lua_pushstring(L, words[w->what]);
  }
}

static const struct net_wait_kind receive_kind = { .name = "receive",
                                                   .unwait = receive_leave,
                                                   .result = receive_result,
                                                   .whose = SOCKET,
                                                   .what = receive_what };

/* How much has to fit into the buffer. */
static void raise_mark(struct net_task_socket *ts) {
  const struct net_want *w = &ts->want;
  size_t need = w->what == WANT_SOME ? 1 : w->n;
  if (w->what <= WANT_UNTIL && need < MARK_MAX)
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
  net_readable_taken(L, SOCKET, 0);
  int n = is_at_end(ts->stream) ? answer(L, ts->stream, &ts->want) : 0;
  if (n > 0) {
    stop_reading(ts);
    return give_step(L, &ts->want, n);
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
  int n = answer(L, ts->stream, &ts->want);
  if (n == 0 && timed)
    n = net_task_timed_out(L);
  return n > 0 ? give_step(L, &ts->want, n) : wait_for_more(L, ts, t);
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
                                                .whose = SOCKET,
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

/* Gives an answer that the first chunk has whole, as most often, and is pushed without a
 * search that goes on; returns how many values, 0: look closer. [-0, +(0|1), e] */
static __attribute__((noinline)) int answer_from_head(lua_State *L, struct net_stream *s,
                                                      const struct net_want *w) {
  struct net_readbuffer *b = &s->in;
  size_t len, gives;
  int top = lua_gettop(L);
  if (w->peeks || s->life.gap || is_dropped(s))
    return 0;
  const char *head = net_rb_head(L, SOCKET, b, &len);
  size_t taken = head ? whole(w, head, len, &gives) : 0;
  if (taken == 0 || taken == len) {
    lua_settop(L, top);
    return 0;
  }
  size_t off = b->off;
  uint32_t at = b->head;
  lua_pushlstring(L, head, gives);
  net_readable_taken(L, SOCKET, taken);
  if (b->off == off && b->head == at)
    net_rb_skip_part(b, taken);
  else
    net_rb_skip(L, SOCKET, b, taken); /* a finalizer has read */
  return 1;
}

/* Is there nothing but to wait, as most often? The task has read before, and is to read on;
 * nothing is buffered, more may come, and nobody else reads. */
static int is_dry(const struct net_stream *s, const struct net_task_socket *ts,
                  const struct net_task *t, const struct net_want *w) {
  if (ts == NULL || ts->holder != t || ts->reader || s->in.len > 0 || is_at_end(s))
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
  if (w->what == WANT_UNTIL)
    search(&ts->want, ts->stream, lua_tostring(L, WHAT), lua_rawlen(L, WHAT));
  else
    search(&ts->want, ts->stream, "\n", 1);
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
  ts = net_task_socket(L, SOCKET, t, 1);
  if (s->opt.flowing || s->opt.paused)
    net_readable_hand_over(s);
  int goes_on = ++t->credit < CALLS_IN_A_ROW;
  if (goes_on && s->in.len > 0 && answer_from_head(L, s, w))
    return 1;
  set_want(L, ts, w);
  if (goes_on) {
    int n = answer(L, s, &ts->want);
    if (n > 0)
      return give_step(L, &ts->want, n);
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
  struct net_stream *s = net_object_check(L, SOCKET, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  lua_settop(L, MAX);
  want_read(L, &w);
  return receive(L, s, t, &w);
}

/* socket:peek([what [, max]]) */
static int socket_peek(lua_State *L) {
  struct net_want w = { .peeks = 1 };
  struct net_stream *s = net_object_check(L, SOCKET, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  lua_settop(L, MAX);
  want_read(L, &w);
  return receive(L, s, t, &w);
}

/* socket:receiveUntil(delimiter [, max]) */
static int socket_receive_until(lua_State *L) {
  struct net_want w = { .what = WANT_UNTIL };
  struct net_stream *s = net_object_check(L, SOCKET, &net_stream_class);
  struct net_task *t = net_wait_check_in(L, s->o.loop);
  lua_settop(L, MAX);
  if (lua_type(L, WHAT) != LUA_TSTRING)
    return net_error_arg_type(L, "delimiter", "of type string", WHAT);
  if (lua_rawlen(L, WHAT) == 0) {
    lua_pushliteral(L, "delimiter");
    lua_pushvalue(L, WHAT);
    lua_pushliteral(L, "must not be empty");
    return net_error_raise(L, "ERR_INVALID_ARG_VALUE", 3);
  }
  w.n = check_max(L, MAX, LIMIT);
  return receive(L, s, t, &w);
}

/* One step of lines() or chunks(), whose upvalues are the socket and what it wants. */
static int iterate(lua_State *L) {
  const struct net_want *w = lua_touserdata(L, lua_upvalueindex(2));
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  struct net_stream *s = net_stream_at(L, SOCKET);
  return receive(L, s, net_wait_check_in(L, s->o.loop), w);
}

static int push_iterator(lua_State *L, int what) {
  net_object_check(L, SOCKET, &net_stream_class);
  lua_settop(L, 2);
  size_t max = check_max(L, 2, LIMIT);
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
  net_error_push_code(L, "EOF", 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &eof_key);
  lua_setfield(L, -2, "EOF");
}
