/* SPDX-License-Identifier: MIT
 *
 * answer.c - what a task is given for what it wants to read. See answer.h. */
#include "task/answer.h"

#include <errno.h>
#include <lauxlib.h>

#include "base/error.h"
#include "task/socket.h"

static const char eof_key; /* registry: the error of the end */

/* Takes 'n' bytes out, and has the stream go on. [-0, +0, e] */
static void consume(lua_State *L, struct net_stream *s, const struct net_want *w, size_t n) {
  if (w->peeks)
    return;
  net_readable_taken(L, READ_SOCKET, n); /* first, as it may raise */
  net_rb_skip(L, READ_SOCKET, &s->in, n);
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
    n = net_want_line(L, READ_SOCKET, s, w->found);
  else if (w->what == WANT_UNTIL)
    n = w->found - w->search.len;
  if (n == 0)
    lua_pushliteral(L, "");
  else
    net_rb_peek(L, READ_SOCKET, &s->in, n);
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
    net_rare_get(L, READ_SOCKET, SLOT_ERRORED);
  else if (is_dropped(s))
    net_error_push_code(L, "ERR_STREAM_PREMATURE_CLOSE", 0);
  else
    lua_rawgetp(L, LUA_REGISTRYINDEX, &eof_key);
  net_task_socket_note(L);
  if (n == 0)
    lua_pushliteral(L, "");
  else
    net_rb_peek(L, READ_SOCKET, &s->in, n);
  if (n > 0)
    consume(L, s, w, n);
  return 3;
}

/* Bytes are missing, before those that are buffered. [-0, +n, e] */
static int give_lost(lua_State *L, struct net_stream *s, const struct net_want *w) {
  if (!s->life.destroyed)
    net_stream_fail(L, READ_SOCKET, -ENOMEM, "read");
  return give_end(L, s, w);
}

int net_answer(lua_State *L, struct net_stream *s, struct net_want *w) {
  if (s->life.gap)
    return give_lost(L, s, w);
  enum net_there there = is_dropped(s) ? THERE_NOT_YET : net_want_look(L, READ_SOCKET, s, w);
  if (there == THERE_TOO_LONG)
    return give_too_long(L);
  if (there == THERE_WHOLE && (w->n > 0 || !net_answer_at_end(s)))
    return give(L, s, w);
  return net_answer_at_end(s) ? give_end(L, s, w) : 0;
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
  size_t off = b->off;
  uint32_t at = b->head;
  lua_pushlstring(L, head, gives);
  net_readable_taken(L, READ_SOCKET, taken);
  if (b->off == off && b->head == at)
    net_rb_skip_part(b, taken);
  else
    net_rb_skip(L, READ_SOCKET, b, taken); /* a finalizer has read */
  return 1;
}

void net_answer_open(lua_State *L) {
  net_error_push_code(L, "EOF", 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &eof_key);
  lua_setfield(L, -2, "EOF");
}
