/* SPDX-License-Identifier: MIT
 *
 * watch.c - waiting for any of some descriptors, or a time. See watch.h.
 *
 * A Watch is made for one wait. It is anchored, and holds the loop, from its start until one of
 * its descriptors is ready, its time is over, or it is stopped; the first two call its
 * callback, once. A plain socket tells its watches before it closes its descriptor. One of
 * somebody else's may be closed at any time, and libev calls abort(3) for a watcher of such a
 * one: so it is a duplicate that is watched.
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

enum { VAL_CALLBACK = VAL_OWN, VAL_LIST, WATCH_UVS = VAL_LIST };
enum { READS = 1, WRITES = 2 }; /* what a descriptor is watched for */
enum { READY, TIMED_OUT };      /* what the callback is called with; else a negative errno */

/* A descriptor that is watched. */
struct item {
  struct watch *watch;              /* to which it belongs */
  struct net_plain *plain;          /* borrowed; VAL_LIST holds it; NULL: it is another's */
  struct net_plain_watcher watcher; /* among the socket's, while it is watched */
  int fd;                           /* the number of another's; its duplicate, owned, while it is
                                       watched */
  int owned;
  ev_io io;
};

struct watch {
  struct net_object o; /* anchored while it is active */
  struct net_timer timer;
  int active;
  int refused; /* -errno of the system, which would not watch; 0 */
  int noted;   /* to be run */
  int count;
  struct item items[];
};

static const struct net_class watch_class;

static void item_end(struct item *item) {
  net_io_stop(item->watch->o.loop, &item->io);
  net_list_remove(&item->watcher.link);
  if (item->owned)
    net_sys_close(item->fd);
  item->owned = 0;
}

/* The loop will not call it any more. [-0, +0, -] */
static void watch_over(lua_State *L, struct watch *w) {
  struct net_loop *loop = w->o.loop;
  if (!w->active)
    return;
  w->active = 0;
  for (int i = 0; i < w->count; i++)
    item_end(&w->items[i]);
  net_timer_stop(loop, &w->timer);
  net_ready_forget(loop, w);
  net_loop_unref(loop);
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
  lua_pop(L, 1);
}

/* Lua half of a descriptor that is ready. */
static void watch_ready(lua_State *L, void *arg) {
  struct watch *w = arg;
  w->noted = 0;
  watch_tell(L, w, w->refused < 0 ? w->refused : READY);
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents) {
  struct watch *w = ((struct item *)io->data)->watch;
  (void)ev;
  int err = net_io_refused(w->o.loop, io, revents);
  if (err < 0)
    w->refused = err;
  if (!w->noted)
    net_ready(w->o.loop, watch_ready, w);
  w->noted = w->active;
}

/* Lua half of the timer. */
static int watch_timed_out(lua_State *L) {
  struct watch *w = net_container_of(lua_touserdata(L, 1), struct watch, timer);
  (void)net_timer_start(w->o.loop, &w->timer, net_sys_now_ms() + 1); /* it had its place */
  watch_tell(L, w, TIMED_OUT);
  return 0;
}

/* A plain socket closes, or changes, its descriptor. */
static void on_gone(lua_State *L, struct net_plain_watcher *watcher, int told) {
  struct item *item = net_container_of(watcher, struct item, watcher);
  if (told)
    watch_tell(L, item->watch, READY);
  else
    item_end(item);
}

/* --- for Lua -------------------------------------------------------------------------- */

/* Fills one from the two values on the top: a plain socket or a number, READS, WRITES or
 * both. [-2, +0, e] */
static void item_fill(lua_State *L, struct watch *w, struct item *item) {
  int what = (int)luaL_checkinteger(L, -1);
  *item = (struct item){ .watch = w, .plain = net_plain_test(L, -2), .fd = -1 };
  if (item->plain == NULL)
    item->fd = (int)luaL_checkinteger(L, -2);
  net_list_init(&item->watcher.link);
  item->watcher.gone = on_gone;
  ev_io_init(&item->io, on_io, -1, (what & READS ? EV_READ : 0) | (what & WRITES ? EV_WRITE : 0));
  item->io.data = item;
  lua_pop(L, 2);
}

/* watch(callback, list) -> Watch: for its start, see there. The list has plain sockets, or
 * numbers, and behind each 1 for reading, 2 for writing, 3 for both. */
static int core_watch(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  int count = (int)lua_rawlen(L, 2) / 2;
  size_t size = sizeof(struct watch) + (size_t)count * sizeof(struct item);
  struct watch *w = net_object_new(L, net_loop_get(L), &watch_class, size, WATCH_UVS);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, VAL_CALLBACK);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, VAL_LIST);
  w->timer.fire = watch_timed_out;
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, 2, 2 * i + 1);
    lua_rawgeti(L, 2, 2 * i + 2);
    item_fill(L, w, &w->items[i]);
    w->count = i + 1;
  }
  return 1;
}

/* Watches it; 0 or a negative errno. Of a socket without a descriptor there is nothing. */
static int item_start(struct item *item) {
  int fd = item->plain ? item->plain->fd : item->fd;
  if (fd < 0)
    return 0;
  int err = item->plain ? 0 : net_sys_dup(fd, &fd);
  if (err < 0)
    return err;
  if (item->plain)
    net_list_append(&item->plain->watchers, &item->watcher.link);
  else
    item->fd = fd;
  item->owned = item->plain == NULL;
  ev_io_set(&item->io, fd, item->io.events & (EV_READ | EV_WRITE));
  net_io_start(item->watch->o.loop, &item->io);
  return 0;
}

static int items_start(struct watch *w) {
  int err = 0;
  for (int i = 0; i < w->count && err == 0; i++)
    err = item_start(&w->items[i]);
  return err;
}

/* watch:start([ms]) -> true; or nil and a negative errno, and nothing is watched. Once: from
 * here on callback(0) comes when a descriptor is ready, callback(1) after so many ms, if there
 * is a number, callback(err) if the system refuses to watch. */
static int watch_start(lua_State *L) {
  struct watch *w = net_object_check(L, 1, &watch_class);
  lua_Integer ms = luaL_optinteger(L, 2, -1);
  struct net_loop *loop = w->o.loop;
  luaL_argcheck(L, !w->active, 1, "has been started");
  net_anchor(L, 1, &w->o);
  if (ms >= 0 && net_timer_start(loop, &w->timer, net_sys_now_ms() + (uint64_t)ms) < 0) {
    net_unanchor(L, &w->o);
    return net_error_memory(L);
  }
  net_loop_ref(loop);
  w->active = 1;
  int err = items_start(w);
  if (err < 0)
    watch_over(L, w);
  return net_push_result(L, err);
}

/* watch:stop(): the callback is not called any more */
static int watch_stop(lua_State *L) {
  struct watch *w = net_object_check(L, 1, &watch_class);
  watch_over(L, w);
  return 0;
}

static void watch_closed(lua_State *L, int idx) { watch_over(L, lua_touserdata(L, idx)); }

/* --- looking ------------------------------------------------------------------------- */

/* What poll(2) found, as select(2) tells it. */
static int news_of(const struct pollfd *p) {
  int reads = p->revents & (POLLIN | POLLHUP | POLLERR) ? READS : 0;
  int writes = p->revents & (POLLOUT | POLLHUP | POLLERR) ? WRITES : 0;
  return (p->events & POLLIN ? reads : 0) | (p->events & POLLOUT ? writes : 0);
}

/* The descriptor of the value on the top, a plain socket or a number. [-0, +0, e] */
static int descriptor_on_top(lua_State *L) {
  struct net_plain *p = net_plain_test(L, -1);
  return p ? p->fd : (int)luaL_checkinteger(L, -1);
}

/* ready(list) -> a list of what each of such a list is ready for, 0 to 3; or nil, err if one of
 * them is not open: now, nothing waits */
static int core_ready(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1) / 2;
  struct pollfd *list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *list, 0);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, 2 * i + 2);
    int what = (int)luaL_checkinteger(L, -1);
    lua_rawgeti(L, 1, 2 * i + 1);
    list[i].fd = descriptor_on_top(L);
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
  { "start", watch_start },
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
  net_ahead_open(L);
  net_luasocket_watch_open(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &opened_key);
  return 1;
}

void net_luasocket_open(lua_State *L) {
  lua_pushcfunction(L, core_open_luasocket);
  lua_setfield(L, -2, "open_luasocket");
}
