/* SPDX-License-Identifier: MIT
 *
 * exit.c - what was written is sent although the program ends before the turn does.
 * See exit.h.
 *
 * Lua is asked only for what lies in its tables, on the thread that is inside of
 * run(): it is in a call of a C function, if it called exit(3), or waits for a
 * coroutine that did. */
#include "exit.h"

#include <stdlib.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct net_loop *watched; /* those of all Lua states, by next_watched */

int net_exit_is_own_process(const struct net_loop *loop) { return loop->pid == getpid(); }

static int is_own(const struct net_loop *loop) {
  return net_exit_is_own_process(loop) && pthread_equal(loop->runs_in, pthread_self());
}

/* The next loop of ours that has something to send; a flush may call Lua, and that
 * close another state. */
static struct net_loop *next_dirty(void) {
  pthread_mutex_lock(&lock);
  struct net_loop *loop = watched;
  while (loop && !(is_own(loop) && loop->dirty_len > 0))
    loop = loop->next_watched;
  pthread_mutex_unlock(&lock);
  return loop;
}

static int flush(lua_State *L) {
  net_loop_flush(L, lua_touserdata(L, 1));
  return 0;
}

static void on_exit_flush(void) {
  struct net_loop *loop;
  while ((loop = next_dirty()) != NULL) {
    lua_State *L = net_loop_thread(loop);
    if (lua_checkstack(L, LUA_MINSTACK)) {
      lua_pushcfunction(L, flush);
      lua_pushlightuserdata(L, loop);
      (void)lua_pcall(L, 1, 0, 0);
    }
    net_exit_forget(loop);  /* tried once; what is left is what the kernel refused */
  }
}

static void watch_exit(void) { (void)atexit(on_exit_flush); }

void net_exit_own(struct net_loop *loop) {
  loop->pid = getpid();
  loop->runs_in = pthread_self();
}

void net_exit_watch(struct net_loop *loop) {
  pthread_once(&once, watch_exit);
  net_exit_own(loop);
  pthread_mutex_lock(&lock);
  loop->next_watched = watched;
  watched = loop;
  pthread_mutex_unlock(&lock);
}

void net_exit_forget(struct net_loop *loop) {
  pthread_mutex_lock(&lock);
  struct net_loop **at = &watched;
  while (*at && *at != loop)
    at = &(*at)->next_watched;
  if (*at)
    *at = loop->next_watched;
  pthread_mutex_unlock(&lock);
}
