/* SPDX-License-Identifier: MIT
 *
 * want.h - what a task reads of a socket: a line, a text up to a delimiter, a count of
 * bytes, whatever is there, all.
 *
 * It is said by the arguments of a call, and looked for in what has been read. Neither who
 * waits for it nor what is given for it is known here: see receive.c, answer.h. */
#ifndef NET_TASK_WANT_H
#define NET_TASK_WANT_H

#include <lua.h>

#include "stream/readbuffer.h"
#include "stream/stream.h"

#define NET_WANT_MAX (SIZE_MAX / 2) /* bytes: as many as there are */

/* The frame of a call that reads. */
enum { READ_SOCKET = 1, READ_WHAT, READ_MAX };

struct net_want {
  enum { WANT_LINE, WANT_LINE_WITH_END, WANT_UNTIL, WANT_BYTES, WANT_SOME, WANT_ALL } what;
  uint32_t peeks : 1;          /* takes nothing */
  uint32_t iterates : 1;       /* a step of a loop: raises a failure, gives nil for the end */
  size_t n;                    /* bytes: how many, or the most; SIZE_MAX: more than may be */
  size_t found;                /* bytes of the answer with its delimiter; 0: not there yet */
  struct net_rb_search search; /* of a line, or up to a delimiter */
};

/* What the arguments at READ_WHAT and READ_MAX say. [-0, +0, e] */
void net_want_read(lua_State *L, struct net_want *w);
/* The same of a call whose argument is a delimiter. [-0, +0, e] */
void net_want_until(lua_State *L, struct net_want *w);
/* The most bytes of a line or a piece, at 'idx'. [-0, +0, e] */
size_t net_want_limit(lua_State *L, int idx);
/* Pushes what a wait for it is called, with a %s, and as what the caller has said it, for that
 * place: a word, a count, or the delimiter in the frame of 'from', which waits.
 * [-0, +2, m] */
void net_want_words(lua_State *L, const struct net_want *w, lua_State *from);

enum net_there { THERE_NOT_YET, THERE_WHOLE, THERE_TOO_LONG };

/* Begins to look at the first byte; the delimiter is in the frame. [-0, +0, -] */
void net_want_begin(lua_State *L, struct net_want *w, const struct net_stream *s);
/* Goes on: is it there, in the buffer of the stream at 'idx'? [-0, +0, -] */
enum net_there net_want_look(lua_State *L, int idx, struct net_stream *s, struct net_want *w);
/* Bytes before the end of a line of which 'found' have come with the LF. [-0, +0, -] */
size_t net_want_line(lua_State *L, int idx, const struct net_stream *s, size_t found);
/* Of bytes before which there are none: how many the answer takes, and how many of these it
 * gives; 0: they do not complete it, or this is not for here to say. */
size_t net_want_whole(const struct net_want *w, const char *bytes, size_t n, size_t *gives);

#endif
