/* SPDX-License-Identifier: MIT
 *
 * childprocess.c - net.child's ChildProcess, a process that this one has started.
 *
 * The object knows the pid, hears of the end (reap.c), and holds the loop until then
 * unless it is unref'd; it is anchored meanwhile. What a program asks for is checked by
 * lua/net/internal/process/options.lua, and comes here as a plan (plan.h); start.lua emits
 * the events. Streams and channel are objects of their own, and the kid's Lua half keeps
 * them.
 *
 *     new ──start──▶ running ──ended──▶ over ──told──▶ (exitCode or signalCode)
 *      └──refused─────────────────────▶ over ──told──▶ (exitCode: a negative errno)
 *
 * Over, but not told: the system or Lua's half has still to be asked once more, for want
 * of memory. So the end is told once, whatever fails on the way. */
#include "process/childprocess.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/container.h"
#include "base/error.h"
#include "events/emitter.h"
#include "events/signal.h"
#include "loop/atexit.h"
#include "loop/dispatch.h"
#include "process/plan.h"
#include "process/reap.h"
#include "process/spawn.h"
#include "process/stdio.h"

enum {
  VAL_ENDED = VAL_OWN, /* the function that is called with the object when it is over */
  VAL_LIFE,            /* the table of its Lua half */
  CHILD_UVS = VAL_LIFE
};

struct childprocess {
  struct net_object o;
  struct net_reap reap;
  pid_t pid;   /* 0: none was started; stays when it is over */
  int running; /* anchored, until it is told */
  int told;    /* Lua's half is done with */
  int unrefd;  /* it does not hold the loop */
  struct net_parents parents;
};

static const struct net_class child_class;

static struct childprocess *check(lua_State *L) { return net_object_check(L, 1, &child_class); }

/* --- its end --------------------------------------------------------------------- */

/* A child made by fork(2) of the process that has started it has a copy of the object: there
 * it is nobody's child. */
static int is_ours(const struct childprocess *c) { return !net_atexit_is_parents(&c->parents); }

/* Nothing of libev's or the system's is its own from here on. */
static void child_stop(lua_State *L, struct childprocess *c) {
  if (!c->running)
    return;
  c->running = 0;
  net_atexit_drop(&c->parents);
  net_reap_stop(&c->reap);
  net_ready_forget(c->o.loop, c);
  if (!c->unrefd)
    net_loop_unref(c->o.loop);
  net_unanchor(L, &c->o);
}

/* Lua half: calls ended(kid), which is to call told(kid). */
static void child_ended(lua_State *L, void *arg) {
  struct childprocess *c = arg;
  if (!is_ours(c) || !net_reap_look(&c->reap)) {
    net_settle_none(c->o.loop);
    return;
  }
  net_reap_again(&c->reap); /* in case the call finds no memory */
  net_push(L, &c->o);
  lua_getiuservalue(L, -1, VAL_ENDED);
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}

static void on_ended(struct net_reap *r) {
  struct childprocess *c = net_container_of(r, struct childprocess, reap);
  net_ready_behind(c->o.loop, child_ended, c);
}

/* told(kid): the events come next, and are not asked for again */
static int core_told(lua_State *L) {
  struct childprocess *c = check(L);
  c->told = 1;
  child_stop(L, c);
  return 0;
}

/* again(kid): ended(kid) is called once more, behind what the loop is told to do next */
static int core_again(lua_State *L) {
  struct childprocess *c = check(L);
  if (c->running)
    net_ready(c->o.loop, child_ended, c);
  return 0;
}

/* Lua half: calls ended(kid, true), in a process that has but a copy of the object. */
static void child_left(lua_State *L, void *arg) {
  struct childprocess *c = arg;
  net_push(L, &c->o);
  child_stop(L, c);
  lua_getiuservalue(L, -1, VAL_ENDED);
  lua_insert(L, -2);
  lua_pushboolean(L, 1);
  lua_call(L, 2, 0);
}

static void let_go(lua_State *L, struct net_parents *p) {
  struct childprocess *c = net_container_of(p, struct childprocess, parents);
  (void)L;
  net_reap_stop(&c->reap);
  net_ready(c->o.loop, child_left, c);
}

/* lua_close: one that has ended leaves no zombie; others go on without us. */
static void child_end(lua_State *L, int idx) {
  struct childprocess *c = lua_touserdata(L, idx);
  if (is_ours(c))
    (void)net_reap_look(&c->reap);
  child_stop(L, c);
}

/* --- starting -------------------------------------------------------------------- */

static void refuse(struct childprocess *c, int err) {
  c->pid = 0;
  c->reap.status = err;
  c->reap.over = 1;
}

/* refuse(kid, err): it cannot be started, for a negative errno */
static int core_refuse(lua_State *L) {
  struct childprocess *c = check(L);
  refuse(c, (int)luaL_checkinteger(L, 2));
  return 0;
}

/* start(kid, plan) -> 0, or a negative errno. The plan's Descriptors are closed when it
 * returns. What can raise comes first. */
static int core_start(lua_State *L) {
  struct childprocess *c = check(L);
  struct net_spawn s;
  lua_settop(L, PLAN);
  net_plan_read(L, &s);
  net_loop_flush(L, c->o.loop); /* what was written before leaves before its output */
  net_anchor(L, 1, &c->o);
  net_sigchld_heed();
  int err = net_spawn(&s, &c->pid);
  net_plan_close(L, &s);
  if (err < 0) {
    refuse(c, err);
    net_unanchor(L, &c->o);
  } else {
    c->running = 1;
    net_atexit_keep(c->o.loop, &c->parents, let_go);
    net_reap_start(&c->reap, c->o.loop, c->pid);
    if (!c->unrefd)
      net_loop_ref(c->o.loop);
  }
  lua_pushinteger(L, err);
  return 1;
}

/* --- methods and fields ---------------------------------------------------------- */

/* kid:ref() */
static int child_ref(lua_State *L) {
  struct childprocess *c = check(L);
  if (c->unrefd && c->running)
    net_loop_ref(c->o.loop);
  c->unrefd = 0;
  return 0;
}

/* kid:unref() */
static int child_unref(lua_State *L) {
  struct childprocess *c = check(L);
  if (!c->unrefd && c->running)
    net_loop_unref(c->o.loop);
  c->unrefd = 1;
  return 0;
}

static int get_pid(lua_State *L) {
  const struct childprocess *c = check(L);
  if (c->pid > 0)
    lua_pushinteger(L, c->pid);
  else
    lua_pushnil(L);
  return 1;
}

/* The name of the signal that ended it; NULL: none has. 'text' is for one without. */
static const char *signal_of(const struct childprocess *c, char text[16]) {
  int status = c->reap.status;
  if (!c->told || status < 0 || !WIFSIGNALED(status))
    return NULL;
  const char *name = net_signal_name(WTERMSIG(status));
  int number = WTERMSIG(status), at = 3;
  if (name)
    return name;
  memcpy(text, "SIG", 3);
  if (number >= 10)
    text[at++] = (char)('0' + number / 10 % 10);
  text[at++] = (char)('0' + number % 10);
  text[at] = '\0';
  return text;
}

static int get_exitCode(lua_State *L) {
  char text[16];
  const struct childprocess *c = check(L);
  int status = c->reap.status;
  if (!c->told || signal_of(c, text))
    lua_pushnil(L);
  else
    lua_pushinteger(L, status < 0 ? status : WEXITSTATUS(status));
  return 1;
}

static int get_signalCode(lua_State *L) {
  char text[16];
  lua_pushstring(L, signal_of(check(L), text)); /* nil for NULL */
  return 1;
}

/* --- for lua/net/internal/process ------------------------------------------------- */

/* new(ended, life) -> a ChildProcess that is not started; ended(kid) is called when it has
 * ended, and ended(kid, true) where this process is no more its parent */
static int core_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  struct childprocess *c = net_object_new(L, net_loop_get(L), &child_class, sizeof *c, CHILD_UVS);
  c->reap.pidfd = -1;
  c->reap.ended = on_ended;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, VAL_ENDED);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, VAL_LIFE);
  return 1;
}

/* life(kid) -> the table that new() was given */
static int core_life(lua_State *L) {
  (void)check(L);
  lua_getiuservalue(L, 1, VAL_LIFE);
  return 1;
}

/* signal(kid, number) -> 0, or a negative errno; -ESRCH: it has ended, and is reaped, so
 * that its pid may be another's by now */
static int core_signal(lua_State *L) {
  const struct childprocess *c = check(L);
  int err = -ESRCH;
  if (c->running && is_ours(c) && c->reap.pid > 0)
    err = kill(c->reap.pid, (int)luaL_checkinteger(L, 2)) < 0 ? -errno : 0;
  lua_pushinteger(L, err);
  return 1;
}

/* is(value) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_object_test(L, 1, &child_class) != NULL);
  return 1;
}

static const luaL_Reg child_functions[] = {
  { "new", core_new },       { "start", core_start }, { "refuse", core_refuse },
  { "told", core_told },     { "again", core_again }, { "life", core_life },
  { "signal", core_signal }, { "is", core_is },       { NULL, NULL },
};

static const luaL_Reg child_methods[] = {
  { "ref", child_ref },
  { "unref", child_unref },
  { NULL, NULL },
};

static const luaL_Reg child_getters[] = {
  { "pid", get_pid },
  { "exitCode", get_exitCode },
  { "signalCode", get_signalCode },
  { NULL, NULL },
};

static const struct net_class child_class = {
  .name = "ChildProcess",
  .methods = child_methods,
  .getters = child_getters,
  .end = child_end,
};

void net_childprocess_open(lua_State *L) {
  net_emitter_class_open(L, &child_class, 8);
  net_emitter_class_lazy(L);
  lua_setfield(L, -2, "ChildProcess");
  luaL_newlib(L, child_functions);
  net_plan_open(L);
  net_stdio_open(L);
  lua_setfield(L, -2, "child");
}
