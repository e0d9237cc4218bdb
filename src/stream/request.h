/* SPDX-License-Identifier: MIT
 *
 * request.h - what was written, on its way to the kernel: see request.c.
 *
 *     buffered ─begin─▶ request ─send─▶ sent ──▶ callbacks, 'drain'
 *        │                └──────────▶ failed ─▶ callbacks, destroy()
 *        └────────────── submit ─▶ deferred ─flush─▶ sent, or a request after all
 *
 * One request is with the kernel at a time; what is written meanwhile is buffered
 * behind it, and is the next. */
#ifndef NET_REQUEST_H
#define NET_REQUEST_H

#include "stream/stream.h"

/* With NET_EAGER each write is a system call of its own, at once, as in Node: with a
 * build of that tools/parity-random.sh tells which differences come of the waiting. */
#ifdef NET_EAGER
#define NET_DEFER_MAX 1
#else
#define NET_EAGER 0
#define NET_DEFER_MAX 16384 /* bytes; from here on a write is tried at once */
#endif

/* The pieces from the head on are, or again are, a request with the kernel;
 * 'end' is the request's. */
static inline void net_request_begin(struct net_stream *s, uint32_t end, size_t bytes) {
  s->life.writing = 1;
  s->out.req = end;
  s->req.bytes = bytes;
}

/* May 'bytes' more wait for the end of the turn? What is no string may not: a file
 * may change meanwhile, and nothing can send it any more when Lua closes. Nor where a
 * poll has told of something that is still to be read: it may be the peer's reset. */
static inline int net_request_may_defer(const struct net_stream *s, size_t bytes) {
  return s->out.objects == 0 && s->o.loop->depth > 0 && s->watch.wanted & EV_READ &&
         !s->life.unread && s->req.deferred + bytes < NET_DEFER_MAX;
}

/* Does anybody care when the pieces under way are sent? */
static inline int net_request_is_awaited(const struct net_stream *s) {
  return s->out.callbacks > 0 || (s->life.need_drain || s->life.ending);
}

/* The pieces from 'out.req' on, 'bytes' in all, go to the kernel now or with the
 * turn's others; they count as buffered only if it refuses. [-0, +0, m] */
void net_request_submit(lua_State *L, int idx, size_t bytes);
/* Tries to send the request, and what is buffered behind it; from the loop. [-0, +0, e] */
void net_request_send(lua_State *L, int idx);
/* The kernel refused a part of the request, for now or for good. [-0, +0, m] */
void net_request_refused(lua_State *L, int idx, int err);
/* The descriptor takes bytes again. [-0, +0, e] */
void net_request_ready(lua_State *L, int idx);
/* Sends what this turn has written. [-0, +0, m] */
void net_request_flush(lua_State *L, struct net_flushable *f);
/* As net_request_flush, before the turn ends, if anything waits for that. [-0, +0, m] */
void net_request_flush_now(lua_State *L, struct net_stream *s);
/* Has a transport that calls back later taken all of the request, and sent it? Asked before the
 * handle is closed. [-0, +0, -] */
int net_request_has_left(const struct net_stream *s);
/* Such a request of a stream that was destroyed since is over. [-0, +0, e] */
void net_request_left(lua_State *L, int idx);
/* The request that ends at piece 'end' has failed for good with the error on the top,
 * if it is still under way: making the error may run a finalizer, which connects the
 * stream anew. [-1, +0, e] */
void net_request_fail(lua_State *L, int idx, uint32_t end);
/* As net_request_fail, from within a call of the user's: told on the tick. [-1, +0, m] */
void net_request_fail_later(lua_State *L, int idx, uint32_t end);
/* destroy() with something queued: the tick that tells its callbacks. [-0, +0, m] */
void net_request_abandon(lua_State *L, int idx);

#endif
