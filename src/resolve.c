/* SPDX-License-Identifier: MIT
 *
 * resolve.c - getaddrinfo(3) on a few threads, answers on the loop.
 *
 * The C library alone knows what this machine calls a name (hosts, nsswitch,
 * search domains, mDNS), and it blocks; hence threads. At most four, started
 * one by one while there is more to do than idle hands, with all signals
 * blocked, so that a host's handlers run where they always did. A DNS client of
 * our own on the loop was refused: it would find other names than `ping` does.
 *
 *     core.resolve ─▶ waiting ─(thread: getaddrinfo)─▶ done ─ev_async─▶ callback
 *
 * A struct job belongs to one side at a time: to a thread until it is in the
 * done list, then to the loop. Threads touch jobs and the pool, never Lua, and
 * never the Lookup, which only the loop's side knows by job->lookup; cancelling
 * clears that, and the answer is thrown away when it comes. The pool is counted
 * memory: lua_close drops the Lua state's share and tells the threads to go;
 * one that is still inside getaddrinfo drops the last share when it returns.
 * For that the library is linked never to be unmapped (-z nodelete). */
#include "resolve.h"

#include <errno.h>
#include <ev.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "loop.h"
#include "object.h"

#define MAX_THREADS 4
#define MAX_HOST 255 /* bytes; past it libuv says EINVAL */

/* What Lua passes as hints: Linux's values of the AI_* constants, everywhere. */
enum { HINT_V4MAPPED = 8, HINT_ALL = 16, HINT_ADDRCONFIG = 32 };

/* libuv's numbers. */
enum { CODE_AGAIN = -3001, CODE_FAIL = -3004, CODE_MEMORY = -3006, CODE_NODATA = -3007 };

enum { UV_CALLBACK = UV_OWN, LOOKUP_UVS = UV_CALLBACK };

struct lookup;

struct job {
  struct job *next;        /* in one of the pool's two lists */
  struct lookup *lookup;   /* the loop's side only; NULL: nobody waits any more */
  struct addrinfo hints;
  struct addrinfo *answer; /* owned; NULL before the thread is done */
  int code;                /* 0, or libuv's number */
  char host[];             /* ends in NUL */
};

struct list {
  struct job *first, *last;
};

struct pool {
  pthread_mutex_t lock;   /* guards all that is below */
  pthread_cond_t work;    /* signalled for each job, broadcast when closed */
  struct list waiting, done;
  unsigned queued;        /* jobs in 'waiting' */
  unsigned idle;          /* threads that wait for 'work' */
  unsigned threads;       /* running; each has a share */
  int closed;             /* the Lua state is gone */
  struct ev_loop *ev;     /* borrowed; used while not closed */
  ev_async wake;          /* the loop's own, but for ev_async_send */
};

/* The Lua state's share of the pool. */
struct owner {
  struct pool *pool;      /* NULL before the first look-up, and after close */
  struct net_loop *loop;  /* borrowed */
};

/* One look-up, for Lua. */
struct lookup {
  struct net_object o;    /* anchored, and holding the loop, while it waits */
  struct job *job;        /* borrowed while it waits; owned from 'done' on */
  int waits;              /* the callback is still to be called */
};

static const char owner_key; /* registry: the owner's userdata */

/* --- jobs ------------------------------------------------------------------- */

static void job_free(struct job *job) {
  if (job == NULL)
    return;
  if (job->answer)
    freeaddrinfo(job->answer);
  free(job);
}

static void list_push(struct list *l, struct job *job) {
  job->next = NULL;
  if (l->last)
    l->last->next = job;
  else
    l->first = job;
  l->last = job;
}

/* Takes 'job' out of the middle; 0 if it is not there. */
static int list_remove(struct list *l, struct job *job) {
  struct job *before = NULL;
  for (struct job *j = l->first; j; before = j, j = j->next) {
    if (j != job)
      continue;
    if (before)
      before->next = j->next;
    else
      l->first = j->next;
    if (l->last == j)
      l->last = before;
    return 1;
  }
  return 0;
}

static struct job *list_shift(struct list *l) {
  struct job *job = l->first;
  if (job == NULL)
    return NULL;
  l->first = job->next;
  if (l->first == NULL)
    l->last = NULL;
  return job;
}

static void list_free(struct list *l) {
  struct job *job;
  while ((job = list_shift(l)) != NULL)
    job_free(job);
}

/* An EAI_* as libuv numbers it; the first row counts where two have one value. */
static int code_of(int eai, int saved_errno) {
  static const struct { int eai, code; } codes[] = {
    {EAI_AGAIN, CODE_AGAIN}, {EAI_BADFLAGS, -3002}, {EAI_FAIL, CODE_FAIL},   {EAI_FAMILY, -3005},
    {EAI_MEMORY, CODE_MEMORY},     {EAI_NONAME, -3008},   {EAI_SERVICE, -3010}, {EAI_SOCKTYPE, -3011},
#ifdef EAI_OVERFLOW
    {EAI_OVERFLOW, -3009},
#endif
#ifdef EAI_NODATA
    {EAI_NODATA, CODE_NODATA},
#endif
#ifdef EAI_ADDRFAMILY
    {EAI_ADDRFAMILY, -3000},
#endif
#ifdef EAI_CANCELED
    {EAI_CANCELED, -3003},
#endif
  };
  if (eai == 0)
    return 0;
  if (eai == EAI_SYSTEM && saved_errno > 0)
    return -saved_errno;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i].eai == eai)
      return codes[i].code;
  return CODE_FAIL; /* which says no more than that */
}

static void job_run(struct job *job) {
  errno = 0;
  int eai = getaddrinfo(job->host, NULL, &job->hints, &job->answer);
  job->code = code_of(eai, errno);
  if (eai != 0)
    job->answer = NULL;
}

/* --- the pool, on either side ------------------------------------------------- */

/* Ends one share and gives the lock back; frees the pool with the last one. */
static void pool_leave(struct pool *p) {
  int last = p->closed && p->threads == 0;
  pthread_mutex_unlock(&p->lock);
  if (!last)
    return;
  list_free(&p->waiting);
  list_free(&p->done);
  pthread_cond_destroy(&p->work);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

/* The next job, or NULL when it is time to go. With the lock held. */
static struct job *pool_next(struct pool *p) {
  while (p->waiting.first == NULL && !p->closed) {
    p->idle++;
    pthread_cond_wait(&p->work, &p->lock);
    p->idle--;
  }
  if (p->closed)
    return NULL;
  p->queued--;
  return list_shift(&p->waiting);
}

static void *pool_thread(void *arg) {
  struct pool *p = arg;
  struct job *job;
  pthread_mutex_lock(&p->lock);
  while ((job = pool_next(p)) != NULL) {
    pthread_mutex_unlock(&p->lock);
    job_run(job);
    pthread_mutex_lock(&p->lock);
    list_push(&p->done, job);
    if (!p->closed)
      ev_async_send(p->ev, &p->wake);
  }
  p->threads--;
  pool_leave(p);
  return NULL;
}

/* --- the pool, on the loop's side --------------------------------------------- */

/* Starts a thread if there is more to do than idle hands. With the lock held. */
static int pool_hire(struct pool *p) {
  sigset_t all, before;
  pthread_attr_t attr;
  pthread_t id;
  if (p->idle >= p->queued || p->threads >= MAX_THREADS)
    return 0;
  int err = pthread_attr_init(&attr);
  if (err != 0)
    return -err;
  sigfillset(&all);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  err = pthread_create(&id, &attr, pool_thread, p);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  if (err == 0)
    p->threads++;
  return -err;
}

/* Queues a job; 0, or CODE_AGAIN and nothing done: the queue is full, or the
 * system gives not even one thread. */
static int pool_add(struct pool *p, struct job *job) {
  int code = 0;
  pthread_mutex_lock(&p->lock);
  if (p->queued >= NET_RESOLVE_QUEUE) {
    code = CODE_AGAIN;
  } else {
    p->queued++;
    if (pool_hire(p) < 0 && p->threads == 0) {
      p->queued--;
      code = CODE_AGAIN;
    } else {
      list_push(&p->waiting, job);
      pthread_cond_signal(&p->work);
    }
  }
  pthread_mutex_unlock(&p->lock);
  return code;
}

/* Nobody waits for the job any more: one that no thread has begun is freed. */
static void pool_drop(struct pool *p, struct job *job) {
  pthread_mutex_lock(&p->lock);
  int begun = !list_remove(&p->waiting, job);
  p->queued -= !begun;
  pthread_mutex_unlock(&p->lock);
  job->lookup = NULL;
  if (!begun)
    job_free(job);
}

static struct job *pool_done(struct pool *p) {
  pthread_mutex_lock(&p->lock);
  struct job *job = list_shift(&p->done);
  pthread_mutex_unlock(&p->lock);
  return job;
}

/* --- answers ------------------------------------------------------------------- */

/* The callback is about to be called, or never will be. [-0, +0, -] */
static void lookup_settled(lua_State *L, struct lookup *lk) {
  lk->waits = 0;
  net_loop_unref(lk->o.loop);
  net_unanchor(L, &lk->o);
}

/* Appends {address =, family =} to the table on the top. [-0, +0, m] */
static void push_address(lua_State *L, const struct addrinfo *ai) {
  struct net_addr a;
  if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) || ai->ai_addrlen > sizeof a.sa)
    return;
  memcpy(&a.sa, ai->ai_addr, ai->ai_addrlen);
  a.len = ai->ai_addrlen;
  lua_createtable(L, 0, 2);
  net_addr_push_host(L, &a);
  lua_setfield(L, -2, "address");
  lua_pushinteger(L, ai->ai_family == AF_INET6 ? 6 : 4);
  lua_setfield(L, -2, "family");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Pushes what the callback gets: a code, or nil and the list. [-0, +(1|2), m] */
static int push_answer(lua_State *L, const struct job *job) {
  if (job->code != 0) {
    lua_pushinteger(L, job->code);
    return 1;
  }
  lua_pushnil(L);
  lua_newtable(L);
  for (const struct addrinfo *ai = job->answer; ai; ai = ai->ai_next)
    push_address(L, ai);
  if (lua_rawlen(L, -1) > 0)
    return 2;
  lua_pop(L, 2);
  lua_pushinteger(L, CODE_NODATA);
  return 1;
}

/* Lua half of one answer. The job is the look-up's by now, so whatever raises
 * here leaks nothing. */
static int lookup_answer(lua_State *L) {
  struct lookup *lk = lua_touserdata(L, 1);
  net_push(L, &lk->o);
  lookup_settled(L, lk);
  lua_getiuservalue(L, 2, UV_CALLBACK);
  lua_pushnil(L);
  lua_setiuservalue(L, 2, UV_CALLBACK);
  int n = push_answer(L, lk->job);
  job_free(lk->job);
  lk->job = NULL;
  lua_call(L, n, 0);
  return 0;
}

/* Answers come one by one, each in a dispatch of its own. When an uncaught error
 * halts the loop, the rest stays in the list for the next run. */
static void on_wake(struct ev_loop *ev, ev_async *w, int revents) {
  struct owner *owner = w->data;
  struct net_loop *loop = owner->loop;
  struct job *job;
  (void)revents;
  while (!loop->halted && (job = pool_done(owner->pool)) != NULL) {
    struct lookup *lk = job->lookup;
    if (lk == NULL)
      job_free(job);
    else
      net_dispatch(loop, lookup_answer, lk);
  }
  if (loop->halted)
    ev_async_send(ev, w);
}

/* --- the owner ------------------------------------------------------------------ */

static struct pool *pool_new(struct owner *owner) {
  struct pool *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  if (pthread_mutex_init(&p->lock, NULL) != 0)
    goto no_lock;
  if (pthread_cond_init(&p->work, NULL) != 0)
    goto no_cond;
  p->ev = owner->loop->ev;
  ev_async_init(&p->wake, on_wake);
  p->wake.data = owner;
  ev_async_start(p->ev, &p->wake);
  ev_unref(p->ev); /* a look-up that waits holds the loop, not this */
  return p;

no_cond:
  pthread_mutex_destroy(&p->lock);
no_lock:
  free(p);
  return NULL;
}

/* The Lua state goes: threads are sent home, nobody waits for them. */
static int owner_gc(lua_State *L) {
  struct owner *owner = lua_touserdata(L, 1);
  struct pool *p = owner->pool;
  if (p == NULL)
    return 0;
  owner->pool = NULL;
  pthread_mutex_lock(&p->lock);
  p->closed = 1;
  pthread_cond_broadcast(&p->work);
  ev_ref(p->ev);
  ev_async_stop(p->ev, &p->wake);
  pool_leave(p);
  return 0;
}

/* The pool of this Lua state, made when first needed. [-0, +0, e] */
static struct pool *pool_get(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &owner_key);
  struct owner *owner = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (owner->pool == NULL && owner->loop->ev)
    owner->pool = pool_new(owner);
  if (owner->pool == NULL)
    luaL_error(L, "net: not enough memory for a look-up");
  return owner->pool;
}

/* --- Lua --------------------------------------------------------------------------- */

static const struct net_class lookup_class;

/* lookup:cancel(): the callback is not called any more */
static int lookup_cancel(lua_State *L) {
  struct lookup *lk = net_object_check(L, 1, &lookup_class);
  if (!lk->waits)
    return 0;
  pool_drop(pool_get(L), lk->job);
  lk->job = NULL;
  lookup_settled(L, lk);
  lua_pushnil(L);
  lua_setiuservalue(L, 1, UV_CALLBACK);
  return 0;
}

/* Still waiting it is only at lua_close. */
static int lookup_gc(lua_State *L) {
  struct lookup *lk = net_object_check(L, 1, &lookup_class);
  if (lk->waits)
    lk->job->lookup = NULL;
  else
    job_free(lk->job);
  lk->job = NULL;
  lk->waits = 0;
  return 0;
}

/* AI_* of this system for the hints at 'idx'. [-0, +0, e] */
static int check_hints(lua_State *L, int idx) {
  lua_Integer hints = luaL_checkinteger(L, idx);
  int flags = 0;
  if (hints & HINT_ADDRCONFIG)
    flags |= AI_ADDRCONFIG;
#ifdef AI_V4MAPPED
  if (hints & HINT_V4MAPPED)
    flags |= AI_V4MAPPED;
#endif
#ifdef AI_ALL
  if (hints & HINT_ALL)
    flags |= AI_ALL;
#endif
  return flags;
}

/* AF_* for the 0, 4 or 6 at 'idx'. [-0, +0, e] */
static int check_family(lua_State *L, int idx) {
  lua_Integer family = luaL_checkinteger(L, idx);
  luaL_argcheck(L, family == 0 || family == 4 || family == 6, idx, "must be 0, 4 or 6");
  return family == 0 ? AF_UNSPEC : family == 4 ? AF_INET : AF_INET6;
}

/* Fills 'hints' from the arguments of resolve, which are all checked here.
 * [-0, +0, e] */
static void check_arguments(lua_State *L, struct addrinfo *hints) {
  size_t len;
  const char *host = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, memchr(host, '\0', len) == NULL, 1, "has a NUL byte");
  memset(hints, 0, sizeof *hints);
  hints->ai_family = check_family(L, 2);
  hints->ai_flags = check_hints(L, 3);
  hints->ai_socktype = SOCK_STREAM;
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
}

/* Queues the look-up of the host at 1; 0 or a code. [-0, +0, -] */
static int lookup_start(lua_State *L, struct pool *p, struct lookup *lk,
                        const struct addrinfo *hints) {
  size_t len;
  const char *host = lua_tolstring(L, 1, &len);
  if (len == 0 || len > MAX_HOST)
    return -EINVAL;
  lk->job = calloc(1, sizeof *lk->job + len + 1);
  if (lk->job == NULL)
    return CODE_MEMORY;
  memcpy(lk->job->host, host, len);
  lk->job->hints = *hints;
  lk->job->lookup = lk;
  return pool_add(p, lk->job);
}

/* resolve(host, family, hints, callback) -> a Lookup, or nil and a code
 * 'family' is 0, 4 or 6, 'hints' bits of 8 (V4MAPPED), 16 (ALL), 32 (ADDRCONFIG).
 * The callback gets a code, or nil and a list of {address =, family =} in the
 * order of the system; the look-up holds the loop until then. */
static int core_resolve(lua_State *L) {
  struct addrinfo hints;
  check_arguments(L, &hints);
  struct pool *p = pool_get(L);
  struct lookup *lk = net_object_new(L, &lookup_class, sizeof *lk, LOOKUP_UVS);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, 5, UV_CALLBACK);
  net_anchor(L, 5, &lk->o);
  int code = lookup_start(L, p, lk, &hints);
  if (code < 0) {
    net_unanchor(L, &lk->o); /* the job, if there is one, is freed with it */
    lua_pushnil(L);
    lua_pushinteger(L, code);
    return 2;
  }
  net_loop_ref(lk->o.loop);
  lk->waits = 1;
  return 1;
}

static const luaL_Reg lookup_methods[] = {
  {"cancel", lookup_cancel},
  {"close", lookup_cancel}, /* as everything else that is open has it */
  {NULL, NULL}
};
static const luaL_Reg lookup_meta[] = {{"__gc", lookup_gc}, {NULL, NULL}};

static const struct net_class lookup_class = {
  .name = "Lookup",
  .methods = lookup_methods,
  .meta = lookup_meta
};

static void owner_new(lua_State *L) {
  struct owner *owner = lua_newuserdatauv(L, sizeof *owner, 0);
  owner->pool = NULL;
  owner->loop = net_loop_get(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, owner_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &owner_key);
}

void net_resolve_open(lua_State *L) {
  owner_new(L);
  net_class_open(L, &lookup_class);
  lua_setfield(L, -2, "Lookup");
  lua_pushcfunction(L, core_resolve);
  lua_setfield(L, -2, "resolve");
}
