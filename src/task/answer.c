/* SPDX-License-Identifier: MIT
 *
 * answer.c - what a task is given for what it wants to read. See answer.h. */
#include "task/answer.h"

#include <errno.h>
#include <lauxlib.h>

#include "base/error.h"
#include "task/socket.h"

static const char eof_key; /* registry: the error of the end */

/* Pushes an answer that is there; '*takes': bytes that it is to take out. [-0, +1, e] */
static int give(lua_State *L, const struct net_stream *s, const struct net_want *w, size_t *takes) {
  size_t all = w->n; /* bytes that leave the buffer */
  if (w->what == WANT_SOME || w->what == WANT_ALL)
    all = s->in.len < w->n ? s->in.len : w->n;
  else if (w->what != WANT_BYTES)
    all = w->found;
  size_t n = all; /* bytes that are given */
  if (w->what == WANT_LINE)
    n = net_want_line(L, READ_SOCKET, s, w->found);
  else if (w->what == WANT_UNTIL)
    n = w->found - w->search.len;
  if (n == 0)
    lua_pushliteral(L, "");
  else
    net_rb_peek(L, READ_SOCKET, &s->in, n);
  *takes = all;
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
static int give_end(lua_State *L, const struct net_stream *s, const struct net_want *w,
                    size_t *takes) {
  if (w->what == WANT_ALL && s->life.eof && !s->life.errored && !is_dropped(s))
    return give(L, s, w, takes);
  lua_pushnil(L);
  if (s->life.errored)
    net_rare_get(L, READ_SOCKET, SLOT_ERRORED);
  else if (is_dropped(s))
    net_error_push_code(L, "ERR_STREAM_PREMATURE_CLOSE", 0);
  else
    lua_rawgetp(L, LUA_REGISTRYINDEX, &eof_key);
  net_task_socket_note(L);
  *takes = is_dropped(s) || s->life.gap ? 0 : s->in.len;
  if (*takes == 0)
    lua_pushliteral(L, "");
  else
    net_rb_peek(L, READ_SOCKET, &s->in, *takes);
  return 3;
}

/* Bytes are missing, before those that are buffered. [-0, +n, e] */
static int give_lost(lua_State *L, struct net_stream *s, const struct net_want *w, size_t *takes) {
  if (!s->life.destroyed)
    net_stream_fail(L, READ_SOCKET, -ENOMEM, "read");
  return give_end(L, s, w, takes);
}

/* Pushes what there is to say by now; 0: nothing. [-0, +n, e] */
static int answer(lua_State *L, struct net_stream *s, struct net_want *w, size_t *takes) {
  if (s->life.gap)
    return give_lost(L, s, w, takes);
  enum net_there there = is_dropped(s) ? THERE_NOT_YET : net_want_look(L, READ_SOCKET, s, w);
  if (there == THERE_TOO_LONG)
    return give_too_long(L);
  if (there == THERE_WHOLE && (w->n > 0 || !net_answer_at_end(s)))
    return give(L, s, w, takes);
  return net_answer_at_end(s) ? give_end(L, s, w, takes) : 0;
}

/* What is pushed may start the collector, that a finalizer, and that read: then what has been
 * taken is not told again. The bytes go last, when all that may raise is done. */
int net_answer(lua_State *L, struct net_stream *s, struct net_want *w) {
  for (int top = lua_gettop(L);; lua_settop(L, top)) {
    unsigned moves = s->in.moves;
    size_t takes = 0;
    int n = answer(L, s, w, &takes);
    if (w->peeks)
      takes = 0;
    if (takes > 0)
      net_readable_taken(L, READ_SOCKET, takes);
    if (s->in.moves != moves)
      continue;
    if (takes > 0)
      net_rb_skip(L, READ_SOCKET, &s->in, takes);
    return n;
  }
}

int net_answer_step(lua_State *L, const struct net_want *w, int n) {
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

int net_answer_from_head(lua_State *L, struct net_stream *s, const struct net_want *w) {
  struct net_readbuffer *b = &s->in;
  size_t len, gives;
  int top = lua_gettop(L);
  if (w->peeks || s->life.gap || is_dropped(s))
    return 0;
  const char *head = net_rb_head(L, READ_SOCKET, b, &len);
  size_t taken = head ? net_want_whole(w, head, len, &gives) : 0;
  if (taken == 0 || taken == len) {
    lua_settop(L, top);
    return 0;
  }
  unsigned moves = b->moves;
  lua_pushlstring(L, head, gives);
  net_readable_taken(L, READ_SOCKET, taken);
  if (b->moves != moves) { /* a finalizer has read */
    lua_settop(L, top);
    return 0;
  }
  net_rb_skip_part(b, taken);
  return 1;
}

void net_answer_open(lua_State *L) {
  net_error_push_code(L, "EOF", 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &eof_key);
  lua_setfield(L, -2, "EOF");
}
