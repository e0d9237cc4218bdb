/* SPDX-License-Identifier: MIT
 *
 * socket.h - a socket in tasks' hands: who waits for it, and for what.
 *
 * What the stream keeps of it is struct net_waiters, made at the first call of a method
 * for tasks. One task reads at a time; any number may wait until what was written is
 * sent. All of them are woken by the news of the stream, and look again when they run: so
 * a wait that is given up has nothing to undo, and all bytes are still in the buffer. */
#ifndef NET_TASK_SOCKET_H
#define NET_TASK_SOCKET_H

#include "stream/stream.h"
#include "task/task.h"
#include "task/want.h"

struct net_task_socket {
  struct net_waiters waiters;
  struct net_stream *stream; /* borrowed: it keeps this */
  struct net_task *reader;   /* borrowed, while it waits for bytes; else NULL */
  struct net_want want;      /* what for */
  size_t mark;               /* bytes: the stream's own, while a reader needs a higher one;
                            SIZE_MAX: none does */
  struct net_link writers;   /* tasks that wait for what was written */
  struct net_task *holder;   /* borrowed: who has it in hands, until it has ended; else NULL */
  struct net_link held;      /* among those of the holder */
  uint32_t given : 2;        /* the answer is on the reader's thread; 1 and what it lacks of a
                            line's end */
  uint32_t timed : 1;        /* the idle timeout has woken the reader */
  uint32_t end_due : 1;      /* the peer has ended, and finish() waits for the holder's end */
  uint32_t empty_due : 1;    /* what is unread is thrown away then */
};

/* That of the stream at absolute 'idx', made when missing; the task has it in hands from
 * here on if 'reads', or nobody has. [-0, +0, m] */
struct net_task_socket *net_task_socket(lua_State *L, int idx, struct net_task *t, int reads);
/* What the task in the waiting frame's socket is. */
static inline struct net_task_socket *net_task_socket_of(const struct net_stream *s) {
  return (struct net_task_socket *)net_stream_waiters(s);
}
/* What receive.c does for readers: 'look' tells whether what one waits for is there by now, and
 * it is to be woken; 'arrived' is the class's. Set when the room is opened. */
void net_task_socket_reads(int (*look)(lua_State *L, int idx, struct net_task_socket *ts),
                           size_t (*arrived)(lua_State *L, struct net_stream *s, const char *bytes,
                                             size_t n));
/* Notes the error on the top as the last that a method has given of the socket at 1: a
 * handler that raises it tells of the socket's end, not of a mistake. [-0, +0, m] */
void net_task_socket_note(lua_State *L);
/* Pushes nil and the error of a wait that the idle timeout has ended, of the socket at 1;
 * returns 2. [-0, +2, e] */
int net_task_timed_out(lua_State *L);

/* Sets what the scheduler asks, and adds hold, last_error to the table on the top.
 * [-0, +0, m] */
void net_task_socket_open(lua_State *L, struct net_loop *loop);
void net_receive_open(lua_State *L); /* adds to the table of Socket's methods; [-0, +0, m] */
void net_send_open(lua_State *L);    /* [-0, +0, m] */

#endif
