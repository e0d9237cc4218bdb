/* SPDX-License-Identifier: MIT
 *
 * watch.c - waiting for any of some descriptors, or a time. See watch.h.
 *
 * A Watch is made for one wait. It is anchored, and holds the loop, until one of its
 * descriptors is ready, its time is over, or it is stopped; the first calls its callback,
 * once. Descriptors may be anybody's, and be watched by several at once.
 *
 * Refused: a wait kind of src/task's, which the main script could not use, nor select(),
 * which waits for many. */
#include "luasocket/watch.h"

#include <errno.h>
#include <lauxlib.h>
#include <poll.h>

#include "base/container.h"
#include "base/error.h"
#include "base/sockopt.h"
#include "loop/dispatch.h"
#include "loop/object.h"
#include "loop/timers.h"
#include "loop/watch.h"
#include "luasocket/plain.h"
#include "task/task.h"

enum { VAL_CALLBACK = VAL_OWN, WATCH_UVS = VAL_CALLBACK };
enum { READS = 1, WRITES = 2 }; /* what a descriptor is watched for */
enum { READY, LATE };           /* what the callback is called with; else a negative errno */

struct watch {
  struct net_object o; /* anchored while it is active */
  struct net_timer timer;
  int active;
  int refused; /* -errno of the system, which would not watch; 0 */
  int noted;   /* to be run */
  int count;   /* of 'io' */
  ev_io io[];
};

static const struct net_class watch_class;

/* The loop will not call it any more. [-0, +0, -] */
static void watch_end(struct watch *w) {
  struct net_loop *loop = w->o.loop;
  if (!w->active)
    return;
  w->active = 0;
  for (int i = 0; i < w->count; i++)
    net_io_stop(loop, &w->io[i]);
  net_timer_stop(loop, &w->timer);
  net_ready_forget(loop, w);
  net_loop_unref(loop);
}

static void watch_over(lua_State *L, struct watch *w) {
  watch_end(w);
  net_unanchor(L, &w->o);
}

/* Calls the callback. Where that wants memory it is still active, and will be told again. */
static void watch_tell(lua_State *L, struct watch *w, int what) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  net_push(L, &w->o);
  lua_getiuservalue(L, -1, VAL_CALLBACK);
  lua_pushinteger(L, what);
  lua_call(L, 1, 0);
  watch_over(L, w);
}

/* Lua half of a descriptor that is ready. */
static void watch_ready(lua_State *L, void *arg) {
  struct watch *w = arg;
  w->noted = 0;
  watch_tell(L, w, w->refused < 0 ? w->refused : READY);
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents) {
  struct watch *w = io->data;
  (void)ev;
  int err = net_io_refused(w->o.loop, io, revents);
  if (err < 0)
    w->refused = err;
  if (!w->noted)
    net_ready(w->o.loop, watch_ready, w);
  w->noted = w->active;
}

/* Lua half of the timer. */
static int watch_late(lua_State *L) {
  struct watch *w = net_container_of(lua_touserdata(L, 1), struct watch, timer);
  (void)net_timer_start(w->o.loop, &w->timer, net_sys_now_ms() + 1); /* it had its place */
  watch_tell(L, w, LATE);
  return 0;
}

/* watch:stop(): the callback is not called any more */
static int watch_stop(lua_State *L) {
  struct watch *w = net_object_check(L, 1, &watch_class);
  watch_over(L, w);
  return 0;
}

static void watch_closed(lua_State *L, int idx) { watch_over(L, lua_touserdata(L, idx)); }

/* The list at 'idx': descriptors, and behind each READS, WRITES or both. Returns how many
 * there are; the ones that are no descriptors are left out. [-0, +0, e] */
static int list_fill(lua_State *L, int idx, struct watch *w) {
  int count = 0, n = (int)lua_rawlen(L, idx) / 2;
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, idx, 2 * i + 1);
    lua_rawgeti(L, idx, 2 * i + 2);
    int fd = (int)luaL_checkinteger(L, -2), what = (int)luaL_checkinteger(L, -1);
    lua_pop(L, 2);
    if (fd < 0 || !(what & (READS | WRITES)))
      continue;
    ev_io *io = &w->io[count++];
    ev_io_init(io, on_io, fd, (what & READS ? EV_READ : 0) | (what & WRITES ? EV_WRITE : 0));
    io->data = w;
  }
  return count;
}

/* watch(callback, ms, list) -> Watch: callback(0) when a descriptor of the list is ready,
 * callback(1) after so many ms, if that is not nil, callback(err) if the system refuses to
 * watch. Each has its number in the list, and behind it 1 for reading, 2 for writing, 3. */
static int core_watch(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_Integer ms = luaL_optinteger(L, 2, -1);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  struct net_loop *loop = net_loop_get(L);
  size_t size = sizeof(struct watch) + lua_rawlen(L, 3) / 2 * sizeof(ev_io);
  struct watch *w = net_object_new(L, loop, &watch_class, size, WATCH_UVS);
  w->count = list_fill(L, 3, w);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, VAL_CALLBACK);
  w->timer.fire = watch_late;
  net_anchor(L, 4, &w->o);
  if (ms >= 0 && net_timer_start(loop, &w->timer, net_sys_now_ms() + (uint64_t)ms) < 0) {
    net_unanchor(L, &w->o);
    return net_error_memory(L);
  }
  net_loop_ref(loop);
  w->active = 1;
  for (int i = 0; i < w->count; i++)
    net_io_start(loop, &w->io[i]);
  return 1;
}

/* --- looking ------------------------------------------------------------------------- */

/* What poll(2) found, as select(2) tells it. */
static int news_of(const struct pollfd *p) {
  int reads = p->revents & (POLLIN | POLLHUP | POLLERR) ? READS : 0;
  int writes = p->revents & (POLLOUT | POLLHUP | POLLERR) ? WRITES : 0;
  return (p->events & POLLIN ? reads : 0) | (p->events & POLLOUT ? writes : 0);
}

/* ready(list) -> the same with what each is ready for, 0 to 3; or nil, err if one of them is
 * not open: now, nothing waits */
static int core_ready(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1) / 2;
  struct pollfd *list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *list, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, 2 * i + 1);
    lua_rawgeti(L, 1, 2 * i + 2);
    int what = (int)luaL_checkinteger(L, -1);
    list[i].fd = (int)luaL_checkinteger(L, -2);
    list[i].events = (short)((what & READS ? POLLIN : 0) | (what & WRITES ? POLLOUT : 0));
    lua_pop(L, 2);
  }
  int err = net_sockopt_poll(list, (size_t)n);
  for (int i = 0; i < n && err == 0; i++)
    if (list[i].revents & POLLNVAL)
      err = -EBADF;
  if (err < 0)
    return net_push_result(L, err);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, news_of(&list[i]));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* may_block() -> boolean: nobody runs the loop, so that a call which has to wait may run it */
static int core_may_block(lua_State *L) {
  const struct net_loop *loop = net_loop_get(L);
  const struct net_scheduler *tasks = net_scheduler_of(loop);
  lua_pushboolean(L, !(tasks && tasks->running) && loop->L == NULL && loop->depth == 0);
  return 1;
}

static const luaL_Reg watch_methods[] = {
  { "stop", watch_stop },
  { "close", watch_stop }, /* as everything else that is open has it */
  { NULL, NULL },
};
static const luaL_Reg watch_meta[] = { { "__close", watch_stop }, { NULL, NULL } };
static const struct net_class watch_class = {
  .name = "Watch", .methods = watch_methods, .meta = watch_meta, .end = watch_closed
};

void net_luasocket_watch_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "watch", core_watch },
    { "ready", core_ready },
    { "may_block", core_may_block },
    { NULL, NULL },
  };
  net_class_open(L, &watch_class, 0);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}

/* open_luasocket() -> what lua/net/luasocket.lua is built on */
static int core_open_luasocket(lua_State *L) {
  static const char opened_key; /* registry: the table */
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &opened_key) == LUA_TTABLE)
    return 1;
  lua_createtable(L, 0, 32);
  net_plain_open(L);
  net_plainopt_open(L);
  net_luasocket_watch_open(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &opened_key);
  return 1;
}

void net_luasocket_open(lua_State *L) {
  lua_pushcfunction(L, core_open_luasocket);
  lua_setfield(L, -2, "open_luasocket");
}
