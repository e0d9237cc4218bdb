/* SPDX-License-Identifier: MIT
 *
 * answer.h - what a task is given for what it wants to read of a socket.
 *
 * All or nothing: bytes leave the buffer of the stream when the answer is whole. Complete
 * answers that have arrived are given first; then the end, as nil, EOF and the rest, or the
 * stream's failure in the same form. Called in the frame of the call that reads, by its
 * task. */
#ifndef NET_TASK_ANSWER_H
#define NET_TASK_ANSWER_H

#include "task/want.h"

/* Does nothing more come? */
static inline int net_answer_at_end(const struct net_stream *s) {
  return s->life.eof || s->life.errored || s->life.destroyed || s->opt.read_off;
}
/* Pushes the answer, if there is one by now; returns how many values, 0: none. [-0, +n, e] */
int net_answer(lua_State *L, struct net_stream *s, struct net_want *w);
/* Gives an answer that the first chunk has whole, as most often, and is pushed without a
 * search that goes on; returns how many values, 0: look closer. [-0, +(0|1), e] */
int net_answer_from_head(lua_State *L, struct net_stream *s, const struct net_want *w);
/* What a step of a loop gives: 'n' values are nil, an error and what is left over, or an
 * answer alone. The end ends the loop, behind a last line that lacks its own; a failure is
 * raised. Other calls give the values as they are. [-n, +n, e] */
int net_answer_step(lua_State *L, const struct net_want *w, int n);
/* Makes the error of the end, EOF in the table on the top. [-0, +0, m] */
void net_answer_open(lua_State *L);

#endif
