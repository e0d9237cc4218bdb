/* SPDX-License-Identifier: MIT
 *
 * signal.c - the userdata behind Lua's 'process', which hears signals.
 *
 * One object holds one libev watcher per signal number. Which of them run is
 * for process.lua to say, from the listeners there are; a signal that comes is
 * handed to the function it gave. As in Node no watcher keeps the loop alive,
 * and after the last one of a number the default disposition is back. libev
 * merges signals of one number that come before the loop has looked, and tells
 * of several numbers in their order. As in Node the descriptors that the same
 * poll found ready come first. SIGCHLD alone is not libev's to hear (sigchld.h). */
#include "events/signal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/dispatch.h"
#include "events/emitter.h"
#include "base/container.h"
#include "base/error.h"
#include "base/sys.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "loop/sigchld.h"

#ifdef NSIG
#define SIGNALS NSIG
#else
#define SIGNALS 65
#endif

#define CWD_MAX 4096 /* bytes */

enum { VAL_HANDLER = VAL_OWN }; /* the function called with a signal's number */

struct process {
  struct net_object o;
  int active;                 /* watchers that run: a count */
  struct net_sigchld chld;    /* the one for SIGCHLD, which libev would answer itself */
  ev_signal watcher[SIGNALS]; /* by number; 0 unused, and never started for SIGCHLD */
};

static const struct net_class process_class;

/* Lua half: handler(number). */
static int signal_caught(lua_State *L) {
  const ev_signal *w = lua_touserdata(L, 1);
  const struct process *p = w->data;
  int signum = w->signum;
  net_push(L, &p->o);
  lua_getiuservalue(L, -1, VAL_HANDLER);
  lua_pushinteger(L, signum);
  lua_call(L, 1, 0);
  return 0;
}

static int is_active(const struct process *p, const ev_signal *w) {
  return w == &p->watcher[SIGCHLD] ? p->chld.active : ev_is_active(w);
}

/* Returns 0 where the signal has to come again. A listener of a descriptor may have taken
 * the last one for it away. */
static int signal_tell(struct process *p, ev_signal *w) {
  net_ready_run(p->o.loop);
  return !is_active(p, w) || net_dispatch(p->o.loop, signal_caught, w);
}

/* A signal is not level-triggered: while the loop is halted, or nothing can be called,
 * it has to be kept for the next run(). */
static void on_signal(struct ev_loop *ev, ev_signal *w, int revents) {
  (void)ev, (void)revents;
  if (!signal_tell(w->data, w))
    ev_feed_signal(w->signum);
}

static void on_chld(struct net_sigchld *chld) {
  struct process *p = net_container_of(chld, struct process, chld);
  if (!signal_tell(p, &p->watcher[SIGCHLD]))
    net_sigchld_again(p->o.loop);
}

static void signal_stop(lua_State *L, struct process *p, ev_signal *w) {
  if (!is_active(p, w))
    return;
  if (w == &p->watcher[SIGCHLD]) {
    net_sigchld_stop(p->o.loop, &p->chld);
  } else {
    ev_ref(p->o.loop->ev);
    ev_signal_stop(p->o.loop->ev, w);
  }
  if (--p->active == 0)
    net_unanchor(L, &p->o);
}

/* The watcher for the number at 2 of the process at 1; NULL if there is no such
 * signal, or none that can be caught. [-0, +0, e] */
static ev_signal *signal_check(lua_State *L, struct process **p) {
  *p = net_object_check(L, 1, &process_class);
  lua_Integer n = luaL_checkinteger(L, 2);
  if (n <= 0 || n >= SIGNALS || n == SIGKILL || n == SIGSTOP)
    return NULL;
  return &(*p)->watcher[n];
}

/* signal_start(process, number): raises `uv_signal_start EINVAL` */
static int core_signal_start(lua_State *L) {
  struct process *p;
  ev_signal *w = signal_check(L, &p);
  if (w == NULL)
    return net_error_raise_sys(L, -EINVAL, "uv_signal_start");
  if (is_active(p, w))
    return 0;
  struct net_loop *loop = net_loop_get(L); /* raises in a state that closes */
  net_anchor(L, 1, &p->o);
  ev_signal_init(w, on_signal, (int)lua_tointeger(L, 2));
  ev_set_priority(w, EV_MINPRI); /* behind all descriptors */
  w->data = p;
  if (w->signum == SIGCHLD) {
    p->chld.caught = on_chld;
    net_sigchld_start(loop, &p->chld);
  } else {
    ev_signal_start(loop->ev, w);
    ev_unref(loop->ev);
  }
  p->active++;
  return 0;
}

/* signal_stop(process, number) */
static int core_signal_stop(lua_State *L) {
  struct process *p;
  ev_signal *w = signal_check(L, &p);
  if (w)
    signal_stop(L, p, w);
  return 0;
}

/* signal_default(number): undoes what the interpreter did, for the launcher */
static int core_signal_default(lua_State *L) {
  signal((int)luaL_checkinteger(L, 1), SIG_DFL);
  return 0;
}

/* kill(pid, number) -> 0, or a negative errno */
static int core_kill(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  int err = kill(pid, (int)luaL_checkinteger(L, 2));
  lua_pushinteger(L, err < 0 ? -errno : 0);
  return 1;
}

/* pid() -> integer */
static int core_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* cwd() -> the working directory, or nil and a negative errno */
static int core_cwd(lua_State *L) {
  luaL_Buffer b;
  char *path = luaL_buffinitsize(L, &b, CWD_MAX);
  int err = net_sys_cwd(path, CWD_MAX);
  if (err < 0)
    return net_push_result(L, err);
  luaL_pushresultsize(&b, strlen(path));
  return 1;
}

static void process_end(lua_State *L, int idx) {
  struct process *p = lua_touserdata(L, idx);
  for (int i = 1; i < SIGNALS; i++)
    signal_stop(L, p, &p->watcher[i]);
}

static int process_gc(lua_State *L) {
  net_object_check(L, 1, &process_class);
  process_end(L, 1);
  return 0;
}

static const luaL_Reg process_meta[] = { { "__gc", process_gc }, { NULL, NULL } };

static const struct net_class process_class = {
  .name = "process",
  .meta = process_meta,
  .end = process_end,
};

/* process.new(handler) -> the object */
static int core_process(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  net_object_new(L, net_loop_get(L), &process_class, sizeof(struct process), VAL_HANDLER);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, VAL_HANDLER);
  return 1;
}

/* The names that Node knows, as far as the system has them. */
static const struct {
  const char *name;
  int number;
} signal_names[] = {
#define NAME(s)                                                                                    \
  { #s, s }
  NAME(SIGHUP),    NAME(SIGINT),    NAME(SIGQUIT), NAME(SIGILL),  NAME(SIGTRAP), NAME(SIGABRT),
  NAME(SIGBUS),    NAME(SIGFPE),    NAME(SIGKILL), NAME(SIGUSR1), NAME(SIGSEGV), NAME(SIGUSR2),
  NAME(SIGPIPE),   NAME(SIGALRM),   NAME(SIGTERM), NAME(SIGCHLD), NAME(SIGCONT), NAME(SIGSTOP),
  NAME(SIGTSTP),   NAME(SIGTTIN),   NAME(SIGTTOU), NAME(SIGURG),  NAME(SIGXCPU), NAME(SIGXFSZ),
  NAME(SIGPROF),   NAME(SIGVTALRM), NAME(SIGSYS),
#ifdef SIGIOT
  NAME(SIGIOT),
#endif
#ifdef SIGSTKFLT
  NAME(SIGSTKFLT),
#endif
#ifdef SIGWINCH
  NAME(SIGWINCH),
#endif
#ifdef SIGIO
  NAME(SIGIO),
#endif
#ifdef SIGPOLL
  NAME(SIGPOLL),
#endif
#ifdef SIGPWR
  NAME(SIGPWR),
#endif
#ifdef SIGINFO
  NAME(SIGINFO),
#endif
#undef NAME
};

const char *net_signal_name(int number) {
  for (size_t i = 0; i < sizeof signal_names / sizeof *signal_names; i++)
    if (signal_names[i].number == number)
      return signal_names[i].name;
  return NULL;
}

/* signals() -> a new table: name -> number */
static int core_signals(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; i < sizeof signal_names / sizeof *signal_names; i++) {
    lua_pushinteger(L, signal_names[i].number);
    lua_setfield(L, -2, signal_names[i].name);
  }
  return 1;
}

/* realpath(path) -> absolute, without links; nil if there is no such file */
static int core_realpath(lua_State *L) {
  char path[PATH_MAX];
  lua_pushstring(L, realpath(luaL_checkstring(L, 1), path));
  return 1;
}

void net_signal_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "signals", core_signals },
    { "signal_start", core_signal_start },
    { "signal_stop", core_signal_stop },
    { "signal_default", core_signal_default },
    { "kill", core_kill },
    { "pid", core_pid },
    { "cwd", core_cwd },
    { "realpath", core_realpath },
    { NULL, NULL },
  };
  static const luaL_Reg makers[] = { { "new", core_process }, { NULL, NULL } };
  luaL_setfuncs(L, functions, 0);
  net_emitter_class_open(L, &process_class, 0);
  lua_setfield(L, -2, "Process");
  luaL_newlib(L, makers);
  lua_setfield(L, -2, "process");
}
