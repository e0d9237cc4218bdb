/* SPDX-License-Identifier: MIT
 *
 * loop.h - libev's default loop, what holds it, and what waits for its turn: ticks, pending
 * completions, immediates, close events, descriptors that are ready, bytes to be flushed.
 *
 * Who runs them is dispatch.h and turn.h. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <errno.h>
#include <ev.h>
#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/batch.h"
#include "loop/calls.h"
#include "loop/steps.h"
#include "base/sys.h"
#include "loop/wakes.h"

#define NET_READ_SIZE 65536  /* bytes; the most that one 'data' chunk holds */
#define NET_READS_PER_TURN 8 /* full reads of one descriptor before others have a turn */

struct net_channel;
struct net_timer;

/* Something with bytes to send before the turn ends; a stream embeds it. */
struct net_flushable {
  uint32_t index : 31;     /* 1-based place among the loop's dirty ones, 0: clean */
  uint32_t is_channel : 1; /* 'flush_channel' flushes it */
};

/* What a poll found ready: a Lua half to run, which is called with 'arg', protected
 * and in an empty frame, and may leave what it likes there; or a function of C alone. */
struct net_ready {
  void (*half)(lua_State *L, void *arg); /* [-0, +?, e]; NULL: 'call' */
  void (*call)(void *arg);
  void *arg; /* its owner is anchored until the turn's close events, or net_ready_forget
                is called before it goes */
  int round; /* how often it has run in this turn */
};

/* What the emitter keeps with the loop. */
struct net_names {
  const char *known[32];    /* borrowed; interned names of events by enum net_event */
  lua_Number max_listeners; /* of an event before a warning; 0: any number */
};

/* What all pumps of the loop share (pump.c). */
struct net_pumps {
  struct net_pipe pipe; /* owned; the spare one */
  unsigned bulk;        /* how many streams are pumped in bulk */
  int spare;            /* there is a piece ready for what is refused */
};

/* What tasks keep with the loop (src/task); nothing is set before the first is made. */
struct net_tasks {
  struct net_scheduler *scheduler; /* borrowed; NULL: nobody has asked for tasks */
  void (*resume)(lua_State *L, struct net_loop *loop); /* the oldest that is ready, in an
                                       empty frame; [-0, +0, e] */
  void (*expire)(lua_State *L, struct net_loop *loop); /* acts on timeouts that are over;
                                       [-0, +0, e] */
  void (*lacked)(struct net_loop *loop); /* memory ran out in a callback: who waits for one
                                       that may have been lost looks again */
  unsigned ready;                        /* tasks that are: a count */
  unsigned due;                          /* timeouts that are over, and not acted on: a count */
  int tired; /* so many were resumed in one settle that the rest waits for the next turn */
};

/* Its fields are grouped by the file that writes them, and name another that does too. */
struct net_loop {
  struct ev_loop *ev; /* borrowed: libev's default loop; NULL after close */
  lua_State *main;    /* the main thread */

  /* turn.c: a turn, and run() */
  lua_State *L;     /* the thread inside run(); NULL while there is none */
  int stopped;      /* stop() was called in this run() */
  int tried;        /* watchers were started before the poll of this turn */
  int vain;         /* the poll has found nothing, or not waited long enough */
  int timed;        /* the timers of this turn have run, at the end of the last */
  int cut;          /* the last turn was, by an error */
  uint64_t wake_at; /* ms; what 'wake' is set to, 0: not active */
  ev_prepare prepare;
  ev_check polled; /* first after the poll: the time has moved on */
  ev_check check;  /* last after the poll */
  ev_idle idle;    /* active while immediates or close events wait */
  ev_timer wake;   /* wakes the poll for the first timer */
  unsigned forks;  /* net_atexit_forks() as of the last turn */
  /* For whom run() runs, by a number, 0: anybody; how many have had one. */
  lua_Integer caller, callers;

  /* phases.c: what is behind the poll */
  int part;    /* which part of it runs */
  size_t left; /* immediates that this turn has still to run */

  /* dispatch.c: the way into Lua */
  int depth;                  /* nesting of net_dispatch */
  int worked;                 /* something was dispatched in this turn; also turn.c's */
  int raised;                 /* an error came out of Lua since the last callback was over; also
                         uncaught.c's */
  int postponed;              /* ticks wait for the next callback to be over */
  int rounds;                 /* how often the half that runs may run in this turn, as there
                         may be more for it; 0: it is done. Also of who reads, above */
  struct net_object *telling; /* borrowed; whose listener of data is being called; NULL: none.
                         Also stream.h's */
  struct net_ready running;   /* whose half runs, or the ticks behind that; its 'half' is NULL when
                           that is done, its 'arg' when nothing is run */
  int drains;    /* the half has heard that it can be written to. Of who writes, above */
  uint64_t sent; /* bytes; what had left by a stream when its half began to read. The same */
  struct net_ready *ready; /* owned; those still to run, the last comes first */
  size_t ready_len, ready_cap;
  size_t ready_behind; /* how many at its beginning are behind all others; may be too many */

  /* uncaught.c */
  int traced; /* the error being raised has its traceback already */

  /* loop.c: what holds the loop, and what waits for its turn */
  int halted;    /* an uncaught error waits to be raised; also turn.c's */
  int starved;   /* so does want of memory, of which nothing is kept; also turn.c's */
  int holding;   /* has a reference for what is pending, closing or postponed */
  unsigned refs; /* what keeps the loop alive: a count */
  uint64_t now;  /* ms, monotonic; 0: not read yet in this turn; also turn.c's */
  struct net_steps ticks, pending, immediates; /* a tick without a function: the next of 'calls' */
  struct net_steps closing, closing_now;       /* queued since the phase began; being run */
  struct net_calls calls;                      /* ticks that are calls into Lua */
  struct net_wakes wakes;       /* streams that are to be told of what no poll tells */
  struct net_flushable **dirty; /* owned */
  uint32_t dirty_len, dirty_cap;

  /* watch.c: what the system refuses to watch */
  int started;    /* watchers were, since the last poll: the next does not wait; also turn.c's */
  int refusal;    /* -errno of the last poll that refused one; else -ENOMEM */
  int miscounted; /* libev's count of what holds it is wrong */
  int forked;     /* the next poll makes libev's poller anew; also turn.c's */

  /* timers.c */
  struct net_timer **heap; /* owned; timers, soonest first */
  size_t heap_len, heap_cap;
  uint64_t timer_seq; /* timers of one due time run in the order made */

  /* atexit.c */
  struct net_loop *outer; /* borrowed; of another state, within whose dispatch this one is */

  /* The rooms above; the functions are set once, when they are opened. */
  void (*woken)(void *stream); /* tells a member of 'wakes'; dispatches, and never raises */
  void (*flush)(lua_State *L, struct net_flushable *f);         /* of a dirty stream; [-0, +0, m] */
  void (*flush_channel)(lua_State *L, struct net_flushable *f); /* the same; [-0, +0, e] */
  struct net_parents *parents; /* borrowed; what is not a child's that is made by fork(2) */
  struct net_names names;
  struct net_tasks tasks;
  struct net_pumps pumps;
  struct net_batch batch;   /* small writes of the turn */
  char rbuf[NET_READ_SIZE]; /* shared by all reads: a chunk is copied out at once */
};

/* The loop of this Lua state; raises after lua_close has begun. [-0, +0, e] */
struct net_loop *net_loop_get(lua_State *L);

/* The thread on which callbacks run now. */
static inline lua_State *net_loop_thread(const struct net_loop *loop) {
  return loop->L ? loop->L : loop->main;
}

/* Nothing more of ours is run until run() is called again. */
void net_loop_halt(struct net_loop *loop);
/* As net_loop_halt, where there is no memory, not even to keep an error: run() raises
 * "not enough memory". */
void net_loop_starve(struct net_loop *loop);

/* Queues the function and its 'nargs' arguments on the top, to be called when the
 * current callback is over. [-(nargs+1), +0, m] */
void net_tick(lua_State *L, struct net_loop *loop, int nargs);
/* Queues a step (steps.h) of the object at 'idx', as net_tick does a call. [-0, +0, m] */
void net_tick_step(lua_State *L, int idx, struct net_object *o, net_step_fn *run, lua_Integer n);
/* Makes room for so many ticks, of which calls take 'slots' in all, each nargs + 2:
 * queueing them next cannot raise if the steps' objects are anchored. [-0, +0, m] */
void net_tick_reserve(lua_State *L, struct net_loop *loop, int count, int slots);

/* Queue a step: with the pending completions of this turn; in the close phase, last in
 * first out. They hold the loop meanwhile. [-0, +0, m] */
void net_pend(lua_State *L, int idx, struct net_object *o, net_step_fn *run);
void net_closing(lua_State *L, int idx, struct net_object *o, net_step_fn *run);

/* Has 'woken' told of the stream, a member of 'wakes', with the pending completions. It
 * holds the loop meanwhile. */
void net_loop_wake(struct net_loop *loop, void *stream);

/* Milliseconds on the monotonic clock, read once a turn; anew outside of one. */
uint64_t net_loop_now(struct net_loop *loop);

/* Keep the loop alive, or no longer. Like net_io_start (watch.h), nothing happens once
 * lua_close has ended the loop: a finalizer may still use what is left. */
void net_loop_ref(struct net_loop *loop);
void net_loop_unref(struct net_loop *loop);

/* Makes room for another dirty one; 0, or -ENOMEM. */
int net_loop_grow_dirty(struct net_loop *loop);
/* Has 'f' flushed at the end of this turn; 0, or -ENOMEM. Outside a dispatch
 * the flush comes with the next run(). */
static inline int net_loop_dirty(struct net_loop *loop, struct net_flushable *f) {
  if (f->index)
    return 0;
  if (loop->dirty_len == loop->dirty_cap && net_loop_grow_dirty(loop) < 0)
    return -ENOMEM;
  loop->dirty[loop->dirty_len++] = f;
  f->index = loop->dirty_len & 0x7FFFFFFF;
  return 0;
}
void net_loop_clean(struct net_loop *loop, struct net_flushable *f);
/* Flushes what is dirty now. [-0, +0, m] */
void net_loop_flush(lua_State *L, struct net_loop *loop);

/* What is pending or closing holds the loop, or no longer: to be called when that has
 * changed. */
void net_loop_hold(struct net_loop *loop);
/* What the loop may call is in the registry, by a number: gives some of these places in its
 * array part, as in the hash part a look-up meets whatever else is there. [-0, +0, m] */
void net_loop_make_room(lua_State *L);
/* Makes the userdata on the top the loop of this Lua state. [-1, +0, m] */
void net_loop_set(lua_State *L);

#endif
