/* SPDX-License-Identifier: MIT
 *
 * callbacks.h - the callbacks of what was written: called, each with its piece's end.
 *
 * When that is due, and what else ends with a request, is request.c's. */
#ifndef NET_STREAM_CALLBACKS_H
#define NET_STREAM_CALLBACKS_H

#include "stream/stream.h"

/* A request is under way, or nothing has failed: so too if a callback has just
 * connected a closed stream anew. */
static inline int net_callbacks_is_going(const struct net_stream *s) {
  return s->life.writing || !(s->life.destroyed || s->life.errored);
}

/* Calls the callbacks of the pieces up to 'end', with the error at absolute
 * index 'err' or nothing (0). An error in one does not stop the rest. [-0, +0, e] */
void net_callbacks_call(lua_State *L, int idx, uint32_t end, int err);
/* Forgets the pieces from the head on, and tells the callback of each the error at
 * 'err': what is behind it still counts as buffered then. Returns how many bytes they
 * had, which count as written until all is told. [-0, +0, e] */
size_t net_callbacks_drop_unsent(lua_State *L, int idx, int err);
/* Has the callbacks of writes called on the tick that have not been. Each is taken
 * when there is room for it: a finalizer, or who tries again as there was no memory,
 * finds the rest. [-0, +0, e] */
void net_callbacks_dismiss(lua_State *L, int idx);
/* Pushes the stream's error, or ERR_STREAM_DESTROYED about 'what'. [-0, +1, e] */
void net_callbacks_push_reason(lua_State *L, int idx, const char *what);

#endif
