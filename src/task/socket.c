/* SPDX-License-Identifier: MIT
 *
 * socket.c - a socket in tasks' hands: the news that wake who waits, and who holds it.
 * See socket.h. */
#include "task/socket.h"

#include <lauxlib.h>
#include <string.h>

#include "base/container.h"
#include "base/error.h"
#include "stream/finish.h"

/* --- news -------------------------------------------------------------------------- */

static int (*look)(lua_State *L, int idx, struct net_task_socket *ts); /* receive.c's */

static void wake_reader(struct net_task_socket *ts) {
  if (ts->reader && ts->reader->state == TASK_WAITING)
    net_task_wake(ts->reader);
}

/* Those who wait for one of these. Each leaves the list when it is woken. */
static void wake_writers(struct net_task_socket *ts, int news) {
  struct net_link *l = ts->writers.next;
  while (l != &ts->writers) {
    struct net_task *t = net_container_of(l, struct net_task, wait.link);
    l = l->next;
    if (!(t->wait.cares & (unsigned)news))
      continue;
    if (news & NET_NEWS_IDLE)
      t->wait.cares = NET_NEWS_IDLE; /* as it looks again */
    net_task_wake(t);
  }
}

static void socket_news(lua_State *L, int idx, struct net_stream *s, int news) {
  struct net_task_socket *ts = net_task_socket_of(s);
  if (news & NET_NEWS_ARRIVED) {
    if (ts->reader && look(L, idx, ts))
      wake_reader(ts);
    return;
  }
  if (news & (NET_NEWS_ENDED | NET_NEWS_DESTROYED | NET_NEWS_IDLE)) {
    ts->timed |= (news & NET_NEWS_IDLE) != 0;
    wake_reader(ts);
  }
  wake_writers(ts, news);
}

static void name_reader(lua_State *L, const struct net_stream *s) {
  net_push(L, &net_task_socket_of(s)->reader->o);
  luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);
}

/* --- who holds it -------------------------------------------------------------------- */

static int keeps_open(struct net_stream *s) {
  struct net_task_socket *ts = net_task_socket_of(s);
  if (s->opt.half_open || s->opt.at_once || ts->holder == NULL)
    return 0;
  ts->end_due = 1;
  return 1;
}

static int empties(struct net_stream *s) {
  struct net_task_socket *ts = net_task_socket_of(s);
  ts->empty_due = ts->holder != NULL;
  return ts->empty_due;
}

static void let_go(struct net_task_socket *ts) {
  net_list_remove(&ts->held);
  ts->holder = NULL;
}

static void take(struct net_task_socket *ts, struct net_task *t) {
  let_go(ts);
  ts->holder = t;
  net_list_append(&t->sockets, &ts->held);
}

/* Who gets the sockets of a task that has ended: NULL where nobody is there. [-0, +0, -] */
static struct net_task *heir_of(lua_State *L, struct net_task *t) {
  net_push(L, &t->o);
  lua_getiuservalue(L, -1, VAL_HEIR);
  struct net_task *heir = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return heir && !net_task_has_ended(heir) ? heir : NULL;
}

/* The holder of the socket on the top has ended, and nobody else has it. [-0, +0, e] */
static void holder_over(lua_State *L, struct net_task_socket *ts) {
  struct net_stream *s = ts->stream;
  int empty_due = ts->empty_due, end_due = ts->end_due;
  ts->empty_due = ts->end_due = 0;
  if (end_due)
    net_tick_step(L, lua_gettop(L), &s->o, net_finish_end_tick, 0);
  if (empty_due)
    net_readable_resume(L, lua_gettop(L));
}

/* The task is over: its heir has its sockets; without one those whose peer has ended are
 * finished, and what is to be emptied is. [-0, +0, e] */
static void sockets_over(lua_State *L, struct net_task *t) {
  if (net_list_is_empty(&t->sockets))
    return;
  struct net_task *heir = heir_of(L, t);
  while (!net_list_is_empty(&t->sockets)) {
    struct net_task_socket *ts = net_container_of(t->sockets.next, struct net_task_socket, held);
    struct net_stream *s = ts->stream;
    if (heir) {
      take(ts, heir);
      continue;
    }
    let_go(ts);
    if (!s->o.anchored)
      continue;
    net_push(L, &s->o);
    holder_over(L, ts);
    lua_pop(L, 1);
  }
}

/* --- making ---------------------------------------------------------------------------- */

static int socket_gc(lua_State *L) {
  struct net_task_socket *ts = lua_touserdata(L, 1);
  net_list_remove(&ts->held);
  net_list_remove(&ts->writers);
  if (ts->reader) /* whose thread was closed by hand: the wait held the stream */
    ts->reader->wait.on = NULL;
  return 0;
}

static const char meta_key; /* registry: the metatable, for __gc */

static struct net_waiters_class waiters_class = {
  .news = socket_news, .keeps_open = keeps_open, .empties = empties, .name_reader = name_reader
};

void net_task_socket_reads(int (*looks)(lua_State *L, int idx, struct net_task_socket *ts),
                           size_t (*arrived)(lua_State *L, struct net_stream *s, const char *bytes,
                                             size_t n)) {
  look = looks;
  waiters_class.arrived = arrived;
}

/* The stream and what it keeps are collected together. */
static struct net_task_socket *socket_new(lua_State *L, int idx, struct net_stream *s) {
  struct net_task_socket *ts = lua_newuserdatauv(L, sizeof *ts, 1);
  memset(ts, 0, sizeof *ts);
  ts->stream = s;
  ts->mark = SIZE_MAX;
  ts->waiters.via = &waiters_class;
  net_list_init(&ts->writers);
  net_list_init(&ts->held);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &meta_key);
  lua_setmetatable(L, -2);
  net_rare_set(L, idx, SLOT_TASKS);
  s->io.data = ts;
  return ts;
}

struct net_task_socket *net_task_socket(lua_State *L, int idx, struct net_task *t, int reads) {
  struct net_stream *s = net_stream_at(L, idx);
  struct net_task_socket *ts = net_task_socket_of(s);
  if (ts == NULL)
    ts = socket_new(L, idx, s);
  ts->waiters.in_use = 1;
  if (ts->holder != t && (reads || ts->holder == NULL))
    take(ts, t);
  return ts;
}

void net_task_socket_note(lua_State *L) {
  net_rare_get(L, 1, SLOT_TASKS);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  lua_pop(L, 1);
}

int net_task_timed_out(lua_State *L) {
  lua_pushnil(L);
  net_error_push_code(L, "ERR_TIMEOUT", 0);
  net_task_socket_note(L);
  return 2;
}

/* last_error(socket) -> the error that one of the methods has given last, or nil */
static int core_last_error(lua_State *L) {
  net_object_check(L, 1, &net_stream_class);
  if (net_rare_get(L, 1, SLOT_TASKS) == LUA_TUSERDATA)
    lua_getiuservalue(L, -1, 1);
  return 1;
}

/* hold(socket): the running task has it in hands */
static int core_hold(lua_State *L) {
  net_object_check(L, 1, &net_stream_class);
  struct net_task *t = net_wait_task(net_loop_get(L), L);
  if (t)
    net_task_socket(L, 1, t, 1);
  return 0;
}

void net_task_socket_open(lua_State *L, struct net_loop *loop) {
  net_scheduler_of(loop)->over = sockets_over;
  lua_pushcfunction(L, core_hold);
  lua_setfield(L, -2, "hold");
  lua_pushcfunction(L, core_last_error);
  lua_setfield(L, -2, "last_error");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, socket_gc);
  lua_setfield(L, -2, "__gc");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &meta_key);
}
