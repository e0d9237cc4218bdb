/* SPDX-License-Identifier: MIT
 *
 * channel.h - a channel to another process: lines of JSON both ways, over a Unix socket.
 *
 * channel.c has what it holds and its end, receive.c what comes, send.c what leaves, and
 * attach.c, which may call all of them, how it begins and what the loop tells it. They know
 * messages and callbacks; what internal lines mean, and what waits for an answer to one, is for the
 * Lua half, net.internal.process.channel, whose table is the channel's *state*. C calls
 * these functions of it, all but the last in the loop's protected call:
 *
 *     state:greeted(value)           the first line, if 'await_first' was called; nil for one
 *                                    that is no JSON. It is told again if that raises, as is
 *     state:line(message)            an internal line
 *     state:internal(message, group, size)   what 'post' has queued, on its tick
 *     state:tell(message, nil, size) nobody listens to "message", or others are kept
 *     state:fail(err, is_over)       on "error"; 'is_over': and as after an EOF
 *     state:over()                   the peer has closed its end
 *     state:drained()                all has left, where 'flush' or 'send_with' said no
 *     state:went()                   all that is urgent has left, where 'urgent' said no
 *     state:sends(...)               a send that is more than a message on its own */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include <ev.h>
#include <lauxlib.h>
#include <lua.h>

#include "loop/atexit.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "process/frames.h"
#include "process/outbox.h"
#include "process/pairs.h"

/* User values. */
enum {
  VAL_OWNER = VAL_OWN, /* the emitter that tells */
  VAL_STATE,           /* the Lua half's table */
  VAL_INBOX,           /* messages that were read, each two slots: see receive.c */
  VAL_MARKS,           /* callbacks of what has not left, each two: see send.c */
  VAL_GROUP,           /* Descriptors of the line that is being looked at */
  CHANNEL_UVS = VAL_GROUP
};

struct net_channel {
  struct net_object o;
  int fd;                                        /* owned; -1: closed, or the parent's */
  struct net_unshared own;                       /* by which a child made by fork(2) closes it */
  struct net_parents parents;                    /* while it is open */
  ev_io io;                                      /* active while 'watched' is not 0 */
  void (*readable)(lua_State *L, void *channel); /* net_channel_readable */
  struct net_flushable flushable;
  struct net_frames in;
  struct net_outbox out;
  struct net_pairs inbox, marks;
  uint64_t urgent_at;         /* position in 'out' behind the last urgent line */
  size_t line_size;           /* bytes of the line that is being looked at */
  size_t owed;                /* bytes of answers since nothing waited: see receive.c */
  unsigned watched : 2;       /* EV_READ, EV_WRITE */
  unsigned connected : 1;     /* neither disconnect() nor the peer's end yet */
  unsigned blocked : 1;       /* the kernel has refused what 'out' has */
  unsigned gone : 1;          /* so it has said of a peer that takes nothing any more */
  unsigned telling : 1;       /* a line in 'in' is being looked at */
  unsigned urgent : 1;        /* an urgent line has been put in */
  unsigned awaits_first : 1;  /* 'greeted' is to be called */
  unsigned refused : 1;       /* the system does not watch the descriptor */
  unsigned awaited : 1;       /* 'drained' is to be called */
  unsigned ahead_awaited : 1; /* 'went' is */
  unsigned wanted : 1;        /* somebody listens, so it holds the loop */
  unsigned keeps : 1;         /* messages are kept: those that come are behind them */
  unsigned queues : 1;        /* a handle is under way: all else goes through Lua */
  unsigned busy : 1;          /* lines wait in Lua, so it holds the loop */
  unsigned told_to : 2;       /* CHANNEL_REF or CHANNEL_UNREF: for good; 0: not told */
  unsigned holds : 1;         /* it holds the loop */
};

enum { CHANNEL_REF = 1, CHANNEL_UNREF };

extern const struct net_class net_channel_class;

/* The channel that is the first argument. [-0, +0, e] */
struct net_channel *net_channel_self(lua_State *L);
/* Pushes the state of the channel at 'idx' and its function of that name, to be called with
 * the state as its first argument. [-0, +2, e] */
void net_channel_push_hook(lua_State *L, int idx, const char *name);
/* Whether the value at 'idx' is a table whose field 'cmd' says that it is internal. [-0, +0, m] */
int net_channel_is_internal(lua_State *L, int idx);
/* What it watches for, and whether it holds the loop: to be called when that may have
 * changed. */
void net_channel_review(struct net_channel *c);

/* Closes it, and tells nobody. [-0, +0, -] */
void net_channel_shut(lua_State *L, struct net_channel *c);
extern const luaL_Reg net_channel_functions[];

/* receive.c: the descriptor can be read, or lines are left of an attempt that raised.
 * net_ready's halves. */
void net_channel_readable(lua_State *L, void *channel);
void net_channel_go_on(lua_State *L, void *channel);
/* Adds post, take, reread, read_on. [-0, +0, m] */
extern const luaL_Reg net_channel_receive_functions[];

/* send.c: the descriptor can be written to; net_ready's half. The loop's flush. */
void net_channel_writable(lua_State *L, void *channel);
void net_channel_flush(lua_State *L, struct net_flushable *f);
/* Puts in a line that waits for no other but a half-written one; there is room for it in
 * both lists. */
void net_channel_add_urgent(struct net_channel *c, const char *line, size_t len);
/* Has such lines leave now, and what was deferred. [-0, +0, e] */
void net_channel_answer(lua_State *L, struct net_channel *c);
/* Adds send, write, urgent, ...; [-0, +0, m] */
extern const luaL_Reg net_channel_send_functions[];

/* attach.c: adds Channel, the class, which is what a program sees, and channel {open, send,
 * ...}, functions for the Lua half, to the core table on the top. [-0, +0, m] */
void net_channel_open(lua_State *L);

#endif
