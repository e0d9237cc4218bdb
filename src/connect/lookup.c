/* SPDX-License-Identifier: MIT
 *
 * lookup.c - names to addresses, for Lua: look-ups over the threads of lookup_pool.c.
 *
 * A Lookup is anchored, and holds the loop, from the call until its callback is
 * about to run; cancelling ends both at once, whatever the thread is doing, and
 * the answer is thrown away when it comes. Its job is the pool's until it is
 * done, and the Lookup's from then on, so that an error in the middle of an
 * answer leaks nothing. The pool is made with the first look-up, one for each
 * Lua state, and given up by lua_close, which waits for nobody. */
#include "connect/lookup.h"

#include <errno.h>
#include <string.h>

#include "base/addr.h"
#include "loop/dispatch.h"
#include "base/error.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "connect/lookup_pool.h"

#define MAX_HOST 255 /* bytes; past it libuv says EINVAL */

/* What Lua passes as hints: Linux's values of the AI_* constants, everywhere. */
enum { HINT_CANONNAME = 2, HINT_V4MAPPED = 8, HINT_ALL = 16, HINT_ADDRCONFIG = 32 };

enum { VAL_CALLBACK = VAL_OWN, LOOKUP_UVS = VAL_CALLBACK };

struct lookup {
  struct net_object o; /* anchored while it waits */
  struct net_job *job; /* the pool's while it waits; owned when it is done */
  int waits;           /* the callback is still to be called */
};

/* The Lua state's hold on its pool, in the registry. */
struct owner {
  struct net_lookup_pool *pool; /* owned; NULL before the first look-up and after close */
  struct net_loop *loop;        /* borrowed */
};

static const char owner_key; /* registry: the owner's userdata */

/* --- answers ------------------------------------------------------------------- */

/* The callback is about to be called, or never will be. [-0, +0, -] */
static void lookup_settled(lua_State *L, struct lookup *lk) {
  lk->waits = 0;
  net_loop_unref(lk->o.loop);
  net_unanchor(L, &lk->o);
}

/* Appends {address =, family =, name =} to the table on the top; with HINT_CANONNAME the first
 * one has a name. [-0, +0, m] */
static void push_address(lua_State *L, const struct addrinfo *ai) {
  struct net_addr a;
  if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) || ai->ai_addrlen > sizeof a.sa)
    return;
  memcpy(&a.sa, ai->ai_addr, ai->ai_addrlen);
  a.len = ai->ai_addrlen;
  lua_createtable(L, 0, 2);
  lua_pushstring(L, ai->ai_canonname);
  lua_setfield(L, -2, "name");
  net_addr_push_host(L, &a);
  lua_setfield(L, -2, "address");
  lua_pushinteger(L, ai->ai_family == AF_INET6 ? 6 : 4);
  lua_setfield(L, -2, "family");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Pushes what the callback gets: a code, or nil and the list, or the name. [-0, +(1|2), m] */
static int push_answer(lua_State *L, const struct net_job *job) {
  int code = job->code;
  if (job->name) {
    lua_pushnil(L);
    lua_pushstring(L, job->name);
    return 2;
  }
  if (code == 0) {
    lua_pushnil(L);
    lua_newtable(L);
    for (const struct addrinfo *ai = job->answer; ai; ai = ai->ai_next)
      push_address(L, ai);
    if (lua_rawlen(L, -1) > 0)
      return 2;
    lua_pop(L, 2);
    code = NET_EAI_NODATA;
  }
  lua_pushinteger(L, code);
  return 1;
}

/* Lua half of one answer. It takes the job, by leaving NULL where it was, when it has
 * the memory for all that the callback gets. */
static int lookup_answer(lua_State *L) {
  struct net_job **job = lua_touserdata(L, 1);
  struct lookup *lk = (*job)->owner;
  net_push(L, &lk->o);
  lua_getiuservalue(L, 2, VAL_CALLBACK);
  int n = push_answer(L, *job);
  if (!lk->waits)
    return 0; /* a finalizer has cancelled it */
  lua_pushnil(L);
  lua_setiuservalue(L, 2, VAL_CALLBACK);
  lookup_settled(L, lk);
  net_job_free(lk->job);
  *job = lk->job = NULL;
  lua_call(L, n, 0);
  return 0;
}

/* Tells the answer; returns 0 if that has to be tried again. */
static int tell(struct net_loop *loop, struct net_lookup_pool *pool, struct net_job *job) {
  if (job->owner)
    net_dispatch(loop, lookup_answer, &job);
  if (job && job->owner) {
    net_lookup_pool_return(pool, job);
    return 0;
  }
  net_job_free(job); /* cancelled, also by a finalizer amid the answer */
  return 1;
}

/* Answers come one by one, each in a dispatch of its own. When an uncaught error
 * halts the loop, the rest stays in the pool for the next run; and so does one for
 * which there was no memory. */
static void on_done(struct ev_loop *ev, ev_async *w, int revents) {
  struct owner *owner = w->data;
  struct net_job *job;
  int told = 1;
  (void)ev, (void)revents;
  while (told && !owner->loop->halted && (job = net_lookup_pool_done(owner->pool)) != NULL)
    told = tell(owner->loop, owner->pool, job);
  if (!told || owner->loop->halted)
    net_lookup_pool_again(owner->pool);
}

/* --- the owner ------------------------------------------------------------------ */

static int owner_gc(lua_State *L) {
  struct owner *owner = lua_touserdata(L, 1);
  if (owner->pool)
    net_lookup_pool_close(owner->pool);
  owner->pool = NULL;
  return 0;
}

/* The pool of this Lua state, made when first needed. [-0, +0, e] */
static struct net_lookup_pool *pool_get(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &owner_key);
  struct owner *owner = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (owner->pool == NULL && owner->loop->ev)
    owner->pool = net_lookup_pool_new(owner->loop->ev, on_done, owner);
  if (owner->pool == NULL)
    net_error_memory(L);
  return owner->pool;
}

/* --- Lua --------------------------------------------------------------------------- */

static const struct net_class lookup_class;

/* lookup:cancel(): the callback is not called any more */
static int lookup_cancel(lua_State *L) {
  struct lookup *lk = net_object_check(L, 1, &lookup_class);
  if (!lk->waits)
    return 0;
  net_lookup_pool_drop(pool_get(L), lk->job);
  lk->job = NULL;
  lookup_settled(L, lk);
  lua_pushnil(L);
  lua_setiuservalue(L, 1, VAL_CALLBACK);
  return 0;
}

/* Still waiting it is only at lua_close, ahead of the owner, or where somebody calls
 * this by hand. */
static int lookup_gc(lua_State *L) {
  struct lookup *lk = net_object_check(L, 1, &lookup_class);
  if (lk->waits) {
    lk->job->owner = NULL;
    lookup_settled(L, lk);
  } else {
    net_job_free(lk->job);
  }
  lk->job = NULL;
  return 0;
}

/* AI_* of this system for the hints at 'idx'. [-0, +0, e] */
static int check_hints(lua_State *L, int idx) {
  lua_Integer hints = luaL_checkinteger(L, idx);
  int flags = hints & HINT_ADDRCONFIG ? AI_ADDRCONFIG : 0;
  if (hints & HINT_CANONNAME)
    flags |= AI_CANONNAME;
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

/* Queues the look-up of the host at 1; 0 or a code. A job that was refused is
 * freed with the Lookup. [-0, +0, -] */
static int lookup_start(lua_State *L, struct net_lookup_pool *p, struct lookup *lk,
                        const struct addrinfo *hints, int reverse) {
  size_t len;
  const char *host = lua_tolstring(L, 1, &len);
  if (len == 0 || len > MAX_HOST)
    return -EINVAL;
  lk->job = net_job_new(host, len, hints);
  if (lk->job == NULL)
    return NET_EAI_MEMORY;
  lk->job->owner = lk;
  lk->job->reverse = reverse;
  return net_lookup_pool_add(p, lk->job);
}

/* A Lookup of the host at 1, whose callback is at 4; or nil and a code. [-0, +(1|2), e] */
static int lookup_new(lua_State *L, const struct addrinfo *hints, int reverse) {
  struct net_lookup_pool *p = pool_get(L);
  struct lookup *lk = net_object_new(L, net_loop_get(L), &lookup_class, sizeof *lk, LOOKUP_UVS);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, 5, VAL_CALLBACK);
  net_anchor(L, 5, &lk->o);
  int code = lookup_start(L, p, lk, hints, reverse);
  if (code < 0) {
    net_unanchor(L, &lk->o);
    lua_pushnil(L);
    lua_pushinteger(L, code);
    return 2;
  }
  net_loop_ref(lk->o.loop);
  lk->waits = 1;
  return 1;
}

/* resolve(host, family, hints, callback) -> a Lookup, or nil and a code
 * 'family' is 0, 4 or 6, 'hints' bits of 2 (CANONNAME), 8 (V4MAPPED), 16 (ALL), 32 (ADDRCONFIG).
 * The callback gets a code, or nil and a list of {address =, family =} in the
 * order of the system; the look-up holds the loop until then. Codes are negative:
 * libuv's EAI_*, or -errno. */
static int core_resolve(lua_State *L) {
  struct addrinfo hints;
  check_arguments(L, &hints);
  return lookup_new(L, &hints, 0);
}

/* reverse(address, callback) -> a Lookup, or nil and a code
 * The callback gets a code, or nil and the name of that IP address. */
static int core_reverse(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_pushinteger(L, 0);
  lua_insert(L, 2);
  lua_pushinteger(L, 0);
  lua_insert(L, 3);
  struct addrinfo hints;
  check_arguments(L, &hints);
  hints.ai_flags = AI_NUMERICHOST;
  return lookup_new(L, &hints, 1);
}

static const luaL_Reg lookup_methods[] = {
  { "cancel", lookup_cancel },
  { "close", lookup_cancel }, /* as everything else that is open has it */
  { NULL, NULL },
};

static const luaL_Reg lookup_meta[] = {
  { "__gc", lookup_gc },
  { NULL, NULL },
};

static const struct net_class lookup_class = {
  .name = "Lookup",
  .methods = lookup_methods,
  .meta = lookup_meta,
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

void net_lookup_open(lua_State *L) {
  owner_new(L);
  net_class_open(L, &lookup_class, 0);
  lua_setfield(L, -2, "Lookup");
  lua_pushcfunction(L, core_resolve);
  lua_setfield(L, -2, "resolve");
  lua_pushcfunction(L, core_reverse);
  lua_setfield(L, -2, "reverse");
}
