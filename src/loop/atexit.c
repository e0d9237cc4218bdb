/* SPDX-License-Identifier: MIT
 *
 * atexit.c - what was written is sent although the program ends, or forks, before the
 * turn is over. See atexit.h.
 *
 * Each thread knows the loops that it is inside of, as only those have something that
 * waits, and only to them may it speak. Lua is asked for what lies in its tables, on
 * the thread that is inside of run(): it is in a call of a C function, if that has
 * called exit(3) or fork(2), or waits for a coroutine that did.
 *
 * A key, and not _Thread_local: of a variable in a library that dlopen(3) has loaded
 * LeakSanitizer guesses where it lies, and may fall over that. */
#include "loop/atexit.h"

#include <lauxlib.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* a thread's innermost loop; of several Lua states, by 'outer' */
static int key_error;     /* an errno: there is none */
static unsigned forks;    /* how many of them lie between the first process and this one */

static struct net_loop *innermost(void) { return pthread_getspecific(key); }

static int flush(lua_State *L) {
  net_loop_flush(L, lua_touserdata(L, 1));
  return 0;
}

/* Whatever comes of it: there is nobody to tell. */
void net_atexit_flush(void) {
  if (key_error)
    return;
  for (struct net_loop *loop = innermost(); loop; loop = loop->outer) {
    lua_State *L = net_loop_thread(loop);
    if (loop->dirty_len == 0 || !lua_checkstack(L, LUA_MINSTACK))
      continue;
    lua_pushcfunction(L, flush);
    lua_pushlightuserdata(L, loop);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
      lua_pop(L, 1);
  }
}

unsigned net_atexit_forks(void) { return forks; }

/* --- what no child is to have --------------------------------------------------- */

static pthread_mutex_t unshared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct net_unshared *unshared; /* of all threads */

void net_atexit_unshare(struct net_unshared *u, int *fd) {
  pthread_mutex_lock(&unshared_lock);
  *u = (struct net_unshared){ fd, unshared, &unshared };
  if (unshared)
    unshared->at = &u->next;
  unshared = u;
  pthread_mutex_unlock(&unshared_lock);
}

void net_atexit_share(struct net_unshared *u) {
  pthread_mutex_lock(&unshared_lock);
  if (u->fd) {
    *u->at = u->next;
    if (u->next)
      u->next->at = u->at;
  }
  u->fd = NULL;
  pthread_mutex_unlock(&unshared_lock);
}

static void close_unshared(void) {
  for (struct net_unshared *u = unshared; u; u = u->next) {
    net_sys_close(*u->fd);
    *u->fd = -1;
    u->fd = NULL;
  }
  unshared = NULL;
}

/* --- what no child is to use ---------------------------------------------------- */

void net_atexit_keep(struct net_loop *loop, struct net_parents *p,
                     void (*let_go)(lua_State *L, struct net_parents *p)) {
  *p = (struct net_parents){ let_go, forks, loop->parents, &loop->parents };
  if (p->next)
    p->next->at = &p->next;
  loop->parents = p;
}

void net_atexit_drop(struct net_parents *p) {
  if (p->at == NULL)
    return;
  *p->at = p->next;
  if (p->next)
    p->next->at = p->at;
  p->at = NULL;
}

int net_atexit_is_parents(const struct net_parents *p) { return p->forks != forks; }

int net_atexit_look(struct net_loop *loop) {
  if (loop->forks == forks)
    return 0;
  loop->forks = forks;
  struct net_parents *next;
  for (struct net_parents *p = loop->parents; p; p = next) {
    next = p->next;
    if (net_atexit_is_parents(p)) {
      net_atexit_drop(p);
      p->let_go(net_loop_thread(loop), p);
    }
  }
  return 1;
}

/* --- fork(2) ------------------------------------------------------------------- */

static void before_fork(void) {
  net_atexit_flush();
  pthread_mutex_lock(&unshared_lock);
}

static void in_parent(void) { pthread_mutex_unlock(&unshared_lock); }

/* libev's descriptors, of epoll and of signals, would be shared with the parent. */
static void in_child(void) {
  close_unshared();
  pthread_mutex_unlock(&unshared_lock);
  forks++;
  if (ev_default_loop_uc_() != NULL)
    ev_loop_fork(ev_default_loop(0));
}

static void watch(void) {
  key_error = pthread_key_create(&key, NULL);
  if (key_error)
    return;
  (void)atexit(net_atexit_flush);
  (void)pthread_atfork(before_fork, in_parent, in_child);
}

void net_atexit_open(lua_State *L) {
  pthread_once(&once, watch);
  if (key_error)
    luaL_error(L, "net: pthread_key_create: %s", strerror(key_error));
}

/* Without memory for it the turn's writes wait for the turn's end. */
void net_atexit_enter(struct net_loop *loop) {
  loop->outer = innermost();
  (void)pthread_setspecific(key, loop);
}

void net_atexit_leave(struct net_loop *loop) {
  struct net_loop *first = innermost();
  if (first == loop) {
    (void)pthread_setspecific(key, loop->outer);
    return;
  }
  while (first && first->outer != loop)
    first = first->outer;
  if (first)
    first->outer = loop->outer;
}
