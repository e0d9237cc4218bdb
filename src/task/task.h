/* SPDX-License-Identifier: MIT
 *
 * task.h - tasks: coroutines that the loop resumes, one after the other.
 *
 *     spawn ──▶ ready ──resumed──▶ running ──┬─ fn has returned ──▶ done, failed, cancelled
 *                 ▲                          │
 *                 └── woken ── waiting ◀─────┘ a wait
 *
 * A task is resumed by net_settle alone (schedule.c): behind a callback of the loop and
 * its ticks, and never from a listener, a spawn or a cancel. Who has what a task waits
 * for puts it at the end of the one queue, which allocates nothing and cannot fail.
 *
 * A task waits for one thing at a time (wait.c), and every way out of a wait goes through
 * the 'unwait' of its kind or the wake of its waker, so that no waker is ever stale. Scopes
 * (scope.c) end waits early: cancel, timeouts, signals. A generator (generator.c) is a
 * coroutine inside of a task whose body may wait too.
 *
 * Refused: coroutines of the user's as tasks, which cannot be told from those that he
 * resumes himself, and to resume a task where it is woken, amid somebody's emit. */
#ifndef NET_TASK_H
#define NET_TASK_H

#include <lua.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "loop/timers.h"

struct net_task;

/* What a hit scope raises in the task that runs in it. */
struct net_scope {
  struct net_scope *outer;  /* of the same coroutine; NULL: the outermost there */
  struct net_coroutine *in; /* borrowed; NULL once it has ended */
  int error;                /* registry reference of the error, LUA_NOREF while there is none */
  int signal;               /* registry reference of what Lua aborts when a wait in it would
                           raise; LUA_NOREF: nobody has asked */
  unsigned begun;           /* waits that it has ended: a count */
  uint32_t hit : 1;         /* every wait in it raises */
  uint32_t raised : 1;      /* one has */
  uint32_t shields : 1;     /* outer scopes do not reach inside */
  uint32_t times : 1;       /* its error is a TimeoutError, made when it is first raised */
  uint32_t cancels : 1;     /* it is that of a task's cancel */
};

/* A thread that a task's code runs on: its own, or a generator's. */
struct net_coroutine {
  lua_State *thread;           /* borrowed; its owner holds it */
  struct net_task *task;       /* borrowed; in which it runs or waits; NULL: in none */
  struct net_coroutine *outer; /* who resumed it; NULL: it is the task's own */
  struct net_scope *scopes;    /* the innermost of those that its code has pushed */
  int closed;                  /* by the loop, as its code would not end */
};

/* A kind of wait. */
struct net_wait_kind {
  const char *name; /* as `task.waiting` tells, such as "sleep"; before whom it is from */
  /* Takes the task off what it waits for, and undoes what it was given, if it was woken
   * already: 'given'. A link is taken out of its list before. May call Lua, guarded.
   * [-0, +0, m] */
  void (*unwait)(lua_State *L, struct net_task *t, int given);
  /* Pushes what the wait returns on the thread that waited; returns how many. May be NULL:
   * true. [-0, +n, e] */
  int (*result)(lua_State *L, struct net_task *t);
  int looks; /* 'result' looks for what it waits for, and may wait again: so the task may be
                woken though nobody has that */
  int keeps; /* what it was given cannot be given back: a cancel lets it go through */
  int holds; /* index in the frame of what has to live as long as the wait, though somebody
                closes the thread; 0: nothing */
  int whose; /* index in the frame of whom it is from; 0: of nobody */
  /* Pushes, of the waiting frame, which is that of 'from', what there is instead of the name,
   * and what goes in the place of its %s, or nil. May be NULL. [-0, +2, m] */
  void (*what)(lua_State *L, const struct net_task *t, lua_State *from);
};

struct net_wait {
  unsigned cares;                   /* NET_NEWS_*, of a stream: what wakes it */
  int shielded;                     /* no scope reaches it */
  uint64_t bytes;                   /* written to it before a flush() */
  const struct net_wait_kind *kind; /* NULL: waits for nothing */
  struct net_link link;             /* among those that wait for the same */
  void *on;                         /* borrowed: what is waited for; the waiting frame holds it */
  lua_Integer serial;               /* counts the waits of the task */
};

enum net_task_state {
  TASK_READY,
  TASK_RUNNING,
  TASK_WAITING,
  TASK_DONE, /* from here on it has ended */
  TASK_FAILED,
  TASK_CANCELLED
};

/* User values of a task, behind the object's. */
enum {
  VAL_THREAD = VAL_EVENTS, /* in that place, as it emits nothing */
  VAL_BODY = VAL_OWN,      /* the function that it runs */
  VAL_KEEPER,              /* called with the task -> whether it takes an error that nobody
                              awaits; nil: nobody */
  VAL_HELD,                /* by its wait; see 'holds'. When it was cancelled: that error */
  VAL_HEIR, /* the task that gets the sockets in its hands when it ends; nil: nobody */
  TASK_UVS = VAL_HEIR
};

struct net_task {
  struct net_object o;
  struct net_coroutine own;
  struct net_coroutine *inner; /* where its code runs or waits */
  struct net_scope cancel;     /* the outermost scope */
  struct net_wait wait;
  struct net_link ready;    /* among those that are */
  struct net_link all;      /* among those that have not ended */
  struct net_link awaiting; /* the tasks that wait for its end */
  struct net_link sockets;  /* those that it has in hands; see socket.h */
  struct net_timer timer;   /* of a sleep */
  int number;               /* counts tasks, from 1 */
  int heirs;                /* tasks that were woken by its end and have not gone on: a count */
  int nvalues;              /* arguments before it has begun, results once it has ended */
  uint32_t state : 4;       /* enum net_task_state */
  uint32_t credit : 8;      /* calls in a row that had nothing to wait for: a count */
  uint32_t begun : 1;
  uint32_t owned : 1;             /* VAL_KEEPER is to be told of its end */
  uint32_t interrupted : 1;       /* the wait that ends raises the error of a scope */
  uint32_t failed : 1;            /* the value on its thread is an error */
  uint32_t unref : 1;             /* not in the report of those that wait for ever */
  uint32_t holds : 1;             /* the loop, for a sleep */
  uint32_t taken : 1;             /* somebody has had its error, or was told of it */
  const struct net_scope *doomed; /* whose errors its code would not heed; NULL: none */
};

extern const struct net_class net_task_class;

static inline int net_task_has_ended(const struct net_task *t) { return t->state >= TASK_DONE; }

/* --- ready.c: who is to run ------------------------------------------------------- */

/* The tasks of a loop, which live with it. */
struct net_scheduler {
  struct net_link ready; /* in the order in which they are to run */
  struct net_link all;
  struct net_link due;                            /* timeouts whose time is over (deadline.c) */
  struct net_task *running;                       /* borrowed; NULL: none */
  int count;                                      /* tasks made so far */
  void (*over)(lua_State *L, struct net_task *t); /* a task has ended: what it had in hands;
                               set once; [-0, +0, e] */
};

static inline struct net_scheduler *net_scheduler_of(const struct net_loop *loop) {
  return loop->tasks.scheduler;
}
/* The running task, if the call on 'L' is part of its innermost coroutine; else NULL. */
static inline struct net_task *net_wait_task(const struct net_loop *loop, const lua_State *L) {
  const struct net_scheduler *all = net_scheduler_of(loop);
  struct net_task *t = all ? all->running : NULL;
  return t && t->inner->thread == L ? t : NULL;
}
/* Puts a task that waits, or was never run, at the end of those that are ready. */
void net_task_wake(struct net_task *t);
/* Puts a task there as it is: one that has ended, for net_task_tell. */
void net_task_queue(struct net_task *t);
/* Has those look again that wait for a callback, as one may have been lost for want of memory:
 * needs none, and so no task waits for ever for that. */
void net_task_look_again(struct net_loop *loop);

/* --- schedule.c: who runs ------------------------------------------------------------ */

/* Ends the coroutines of a task, which must not run, from the inside out, and it with them:
 * with the error on the top if it is not cancelled. [-1, +0, m] */
void net_task_close(lua_State *L, struct net_task *t, enum net_task_state state);
/* Ends a coroutine of it that is suspended; its to-be-closed variables are, and cannot wait.
 * [-0, +0, m] */
void net_coroutine_close(lua_State *L, struct net_task *t, struct net_coroutine *co);
/* Makes the scheduler, and has the loop run it. [-0, +0, m] */
void net_schedule_open(lua_State *L, struct net_loop *loop);

/* --- wait.c: how a task waits ----------------------------------------------------- */

/* The task in which the call on 'L' may wait; raises ERR_CANNOT_WAIT where it may not.
 * [-0, +0, e] */
struct net_task *net_wait_check(lua_State *L);
/* The same, where the loop is known. */
struct net_task *net_wait_check_in(lua_State *L, const struct net_loop *loop);
/* Can the running task yield to the loop, through all coroutines in between? */
int net_wait_possible(const struct net_task *t);
/* Has a scope around the wait that is about to begin been hit? Then the caller returns
 * net_wait_refuse(), and does not wait. */
const struct net_scope *net_wait_hit(const struct net_task *t);
int net_wait_refuse(lua_State *L, struct net_task *t); /* [-0, +0, e] */
/* Waits: to be returned by the function that was called; it goes on with kind->result. The
 * task is, or will be, woken by whom 'wait.on' belongs to. */
int net_wait(lua_State *L, struct net_task *t, const struct net_wait_kind *kind);
/* Has the next wait of the task, which is to follow, last until what this turn has to read
 * was read; 'result' and 'unwait' of its kind call net_wait_turn_over. [-0, +0, m] */
void net_wait_turn(lua_State *L, struct net_task *t);
void net_wait_turn_over(struct net_task *t);
/* A scope around has been hit: the wait is over. [-0, +0, m] */
void net_wait_interrupt(lua_State *L, struct net_task *t);
/* Takes the task off what it waits for, without a word. [-0, +0, m] */
void net_wait_leave(lua_State *L, struct net_task *t);
/* sleeper(duration), yield() into the table on the top. [-0, +0, m] */
void net_wait_open(lua_State *L);
void net_suspend_open(lua_State *L); /* suspend(start), of suspend.c; [-0, +0, m] */

/* --- scope.c: what ends waits early -------------------------------------------------- */

/* Begins a scope as the innermost of the coroutine. */
void net_scope_push(struct net_scope *s, struct net_coroutine *in);
/* Ends it, and lets go of its error. [-0, +0, -] */
void net_scope_end(lua_State *L, struct net_scope *s);
/* The outermost of those that reach the innermost coroutine and are hit; NULL: none. */
struct net_scope *net_scope_outermost(const struct net_task *t);
/* Those that reach the innermost coroutine, from it outwards: the one behind 's', NULL for the
 * first, in '*co', which is t->inner at first, and moves; NULL: no more. */
struct net_scope *net_scope_next(struct net_task *t, struct net_coroutine **co,
                                 struct net_scope *s);
/* Pushes the error of a scope that is hit, which is made now if it was not. [-0, +1, e] */
void net_scope_push_error(lua_State *L, struct net_scope *s);
/* Is the value at 'idx' the error of a hit scope around the code that runs? [-0, +0, -] */
int net_scope_raised(lua_State *L, const struct net_task *t, int idx);

/* --- deadline.c: scopes as calls ----------------------------------------------------------- */

/* From here on its waits raise the error on the top; nil: made when it is raised first.
 * The second time nothing happens. [-1, +0, m] */
void net_scope_hit(lua_State *L, struct net_scope *s);
/* Ends all that were pushed in a coroutine that is closed. [-0, +0, -] */
void net_scopes_end(lua_State *L, struct net_coroutine *in);
/* The coroutine is collected: its scopes, which may be later, are in none. */
void net_scopes_drop(struct net_coroutine *in);
/* A generator begins to run, or stops to: only while it does its timeouts hold the loop. */
void net_scopes_hold(struct net_coroutine *in, int holds);
/* Acts on the timeouts that are over. [-0, +0, m] */
void net_scope_expire(lua_State *L, struct net_loop *loop);
/* timeout(ms, fn, ...), shield(fn, ...), within(scope, fn, ...) and what else scopes are
 * for, into the table on the top. [-0, +0, m] */
void net_deadline_open(lua_State *L);

/* --- generator.c ------------------------------------------------------------------- */

void net_generator_open(lua_State *L); /* [-0, +0, m] */

/* --- call.c: protected calls ------------------------------------------------------------ */

/* Message handler of all that a task calls protected: notes the traceback of an error that
 * is not a scope's. */
int net_task_on_error(lua_State *L);
/* Calls the function at 'fn' + 1 with what is above it, protected, with the handler that is
 * put there; 'k' is also called with the result. [..., e] */
int net_task_pcall(lua_State *L, int fn, lua_KFunction k);
/* Raises the value on the top, whose traceback is known. [-1, +0, e] */
int net_task_rethrow(lua_State *L);
/* --- task.c: the object ------------------------------------------------------------ */

/* The task has ended so; what it gives is on its thread. Tells who awaits it, and owns it.
 * [-0, +0, e] */
void net_task_end(lua_State *L, struct net_task *t, enum net_task_state state);
/* Tells the owner of one that has ended, in whose turn it is told again if there was no memory
 * to call it. [-0, +0, e] */
void net_task_tell(lua_State *L, struct net_task *t);
/* Nobody awaits the error of one that has failed, and nobody owns it: it is uncaught.
 * [-0, +0, m] */
void net_task_report(lua_State *L, struct net_task *t);
/* Copies what one that has ended gives; returns how many values. [-0, +n, e] */
int net_task_push_results(lua_State *L, const struct net_task *t);
/* Pushes the error of the cancel of the task at 1, which has ended. [-0, +1, e] */
void net_task_push_cancel(lua_State *L);
/* What await() gives of one that has ended, which is at 1; raises what that failed with.
 * [-0, +n, e] */
int net_task_outcome(lua_State *L, struct net_task *t);
/* Task, the class, to which the next two add, spawn() and inherit(), into the table on the
 * top. [-0, +0, m] */
void net_task_object_open(lua_State *L);

/* --- await.c: what one task does to another ------------------------------------------- */

void net_await_open(lua_State *L); /* [-0, +0, m] */

/* --- fields.c: what can be seen of a task ---------------------------------------------- */

void net_task_fields_open(lua_State *L); /* also what can be asked of it; [-0, +0, m] */

/* --- tasks.c -------------------------------------------------------------------------- */

/* Adds open_tasks() to the core table on the top, which gives the table of what
 * lua/net/co.lua is built on. [-0, +0, m] */
void net_task_open(lua_State *L);

#endif
