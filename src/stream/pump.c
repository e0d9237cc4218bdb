/* SPDX-License-Identifier: MIT
 *
 * pump.c - a pipe() between two sockets, as long as nobody looks at the data.
 *
 * To whoever looks at the sockets it is as if the chunk had been emitted and
 * written: the same counters, idle timeouts, queue and events. What a descriptor
 * gave belongs to the destination from then on, so there is nothing to take back
 * when somebody begins to listen, unpipes or pauses: the next chunk just goes
 * another way.
 *
 * Two ways lead to the destination. Small chunks are copied through the loop's
 * buffer: recv, send. Large ones are moved by splice(2), through a kernel pipe,
 * which was measured to win from 8 to 16 KiB on and to lose below. So a stream is
 * moved in bulk after a few full reads, and no longer after as many small ones.
 *
 * All streams share one kernel pipe, since it is empty again at the end of each
 * chunk; it lives while any of them is in bulk. Where the destination's kernel
 * buffer is full, the pipe with what is left in it joins its write queue, and the
 * next chunk gets a new one. The alternatives: a pipe for each
 * direction of each pair costs two descriptors and up to 256 KiB of kernel memory
 * for pairs that are idle; reading what is left back into a string costs the copy
 * just where there is most to copy. */
#include "stream/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"
#include "base/error.h"
#include "stream/piece.h"
#include "stream/stream.h"
#include "stream/writequeue.h"

const char net_pump_written = 0;

enum {
  BULK_FROM = 4,      /* large reads before splice is worth while */
  BULK_MOST = 8,      /* of which so many are remembered */
  SMALL = 16384,      /* bytes; less is quicker copied */
  PIPE_SIZE = 1 << 18 /* bytes; in pages, of which each packet may take one */
};

/* What a destination refused of a chunk, waiting in its write queue. Between the
 * attempt to send and the queue nothing may be allocated of Lua: the collector would
 * run finalizers, and one might write amid the chunk. So one is always ready, in the
 * registry, and bytes that were copied are in memory of C's. */
struct rest {
  struct net_piece piece;
  struct net_pipe pipe; /* owned; or */
  char *bytes;          /* owned, malloc'd, 'len' of them; NULL: in 'pipe' */
};

static const char spare_key; /* registry: a rest that is not in use, or false */

/* --- the piece ----------------------------------------------------------------- */

static int rest_send(struct net_piece *p, struct net_handle *to, struct net_loop *loop, size_t off,
                     size_t *n) {
  struct rest *rest = (struct rest *)p;
  size_t left = p->len - off;
  ssize_t put;
  (void)loop;
  if (rest->bytes)
    put = to->via->send(to, rest->bytes + off, left);
  else
    put = net_sys_splice_out(rest->pipe.reading, net_transport_fd(to), left);
  if (put < 0)
    return (int)put;
  *n = (size_t)put;
  rest->pipe.held -= rest->bytes ? 0 : *n;
  return *n < left ? -EAGAIN : 0;
}

/* An empty pipe serves the next chunk, if there is likely to be one. */
static void rest_close(struct net_piece *p, struct net_loop *loop) {
  struct rest *rest = (struct rest *)p;
  free(rest->bytes);
  rest->bytes = NULL;
  if (loop == NULL || rest->pipe.held > 0 || loop->pumps.bulk == 0 || loop->pumps.pipe.writing >= 0)
    net_sys_pipe_close(&rest->pipe);
  else
    loop->pumps.pipe = rest->pipe;
}

static const struct net_piece_class rest_class = { rest_send, rest_close };

/* Has a rest ready for when it is needed. [-0, +0, m] */
static void provide_spare(lua_State *L, struct net_loop *loop) {
  if (loop->pumps.spare)
    return;
  struct rest *rest = net_piece_new(L, &rest_class, sizeof *rest);
  rest->pipe = NET_NO_PIPE;
  lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_key);
  loop->pumps.spare = 1;
}

/* Pushes the spare with the 'n' bytes that were read, of which 'put' are sent. NULL if
 * there is no memory. [-0, +1, -] */
static struct rest *push_spare(lua_State *L, struct net_loop *loop, size_t put, size_t n) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &spare_key);
  struct rest *rest = lua_touserdata(L, -1);
  if (loop->pumps.pipe.held > 0) {
    rest->pipe = loop->pumps.pipe;
    loop->pumps.pipe = NET_NO_PIPE;
  } else {
    rest->bytes = malloc(n);
    if (rest->bytes == NULL)
      return NULL;
    memcpy(rest->bytes + put, loop->rbuf + put, n - put);
  }
  rest->piece.cls = &rest_class; /* lua_close may have run its __gc, and a finalizer be here */
  rest->piece.len = n;
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &spare_key);
  loop->pumps.spare = 0;
  return rest;
}

/* --- in bulk, or not -------------------------------------------------------------- */

void net_pump_leave(struct net_stream *s) {
  s->watch.pump_credit = 0;
  if (!s->watch.pump_bulk)
    return;
  s->watch.pump_bulk = 0;
  if (--s->o.loop->pumps.bulk == 0)
    net_sys_pipe_close(&s->o.loop->pumps.pipe);
}

/* Another chunk of 'n' bytes has passed. */
static void note_size(struct net_stream *s, size_t n) {
  if (n >= NET_READ_SIZE && s->watch.pump_credit < BULK_MOST)
    s->watch.pump_credit++;
  else if (n < SMALL && s->watch.pump_credit > 0 && --s->watch.pump_credit == 0)
    net_pump_leave(s);
  if (s->watch.pump_credit >= BULK_FROM && !s->watch.pump_bulk) {
    s->watch.pump_bulk = 1;
    s->o.loop->pumps.bulk++;
  }
}

/* Is there a kernel pipe? Makes one if not. */
static int has_pipe(struct net_loop *loop) {
  return loop->pumps.pipe.writing >= 0 || net_sys_pipe(PIPE_SIZE, &loop->pumps.pipe) == 0;
}

/* --- pumping ---------------------------------------------------------------------- */

void net_pump_review(lua_State *L, int idx) {
  struct net_stream *s = net_stream_at(L, idx), *to = NULL;
  int top = lua_gettop(L);
  if (s->o.data_slot && !s->pump)
    return; /* a plain function listens */
  net_emitter_only(L, idx, ON_DATA);
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_getfield(L, -1, "pump");
    to = net_object_test(L, -1, &net_stream_class);
  }
  if (to == NULL)
    lua_pushnil(L);
  if (to || s->pump)
    net_rare_set(L, idx, SLOT_PUMP); /* so the pointer is good as long as it is there */
  s->pump = to;
  if (to == NULL)
    net_pump_leave(s);
  lua_settop(L, top);
}

/* Makes room for what the kernel may refuse. [-0, +0, m] */
static void provide_room(lua_State *L, struct net_stream *to) {
  if (!to->out.made) {
    net_push(L, &to->o);
    net_wq_prepare(L, lua_gettop(L), &to->out);
    lua_pop(L, 1);
  }
  provide_spare(L, to->o.loop);
}

/* Is there nothing in the way of the bytes on either side? */
static int is_clear(const struct net_stream *s) {
  return s->pump && s->opt.flowing && s->in.len == 0 && !s->opt.decoding && !s->opt.onread &&
         net_writable_idle(s->pump);
}

/* Does write() of 'to', which is open, do what ours does: bytes as they are, by our
 * method? [-0, +0, m] */
static int writes_plainly(lua_State *L, const struct net_stream *to) {
  if (to->opt.encoding != NET_ENC_UTF8)
    return 0;
  if (!to->o.has_fields && to->o.cls == &net_stream_class)
    return 1;
  int top = lua_gettop(L);
  net_push(L, &to->o);
  if (net_class_overrides(L, top + 1, &net_stream_class, "write")) {
    lua_settop(L, top);
    return 0;
  }
  if (!to->o.has_fields) {
    lua_settop(L, top);
    return 1;
  }
  lua_getiuservalue(L, -1, VAL_FIELDS);
  int own = lua_getfield(L, -1, "write") != LUA_TNIL;
  lua_settop(L, top);
  return !own;
}

int net_pump_ready(lua_State *L, const struct net_stream *s) {
  if (!s->pump->watch.open)
    return 0;
  provide_room(L, s->pump); /* first, as a finalizer may run and change anything */
  return is_clear(s) && writes_plainly(L, s->pump);
}

/* The stream's next bytes go into the kernel pipe. splice(2) stops at urgent data for
 * good, and says then that there is nothing, or that the stream has ended; recv(2)
 * alone passes it. So only bytes and failures are taken from it. */
static ssize_t read_bulk(struct net_stream *s) {
  struct net_loop *loop = s->o.loop;
  ssize_t got =
    net_sys_splice_in(net_transport_fd(&s->handle), loop->pumps.pipe.writing, PIPE_SIZE);
  if (got > 0)
    loop->pumps.pipe.held = (size_t)got;
  if (got == -ENOTSUP)
    net_pump_leave(s); /* not from such a descriptor */
  loop->rounds = got == PIPE_SIZE ? NET_READS_PER_TURN : 0;
  return got;
}

static int can_splice(const struct net_stream *s) {
  return s->handle.via->can & s->pump->handle.via->can & NET_CAN_SPLICE;
}

ssize_t net_pump_read(struct net_stream *s) {
  struct net_loop *loop = s->o.loop;
  if (loop->pumps.pipe.held > 0)
    net_sys_pipe_close(&loop->pumps.pipe); /* left by an error of memory */
  if (s->watch.pump_bulk && can_splice(s) && has_pipe(loop)) {
    ssize_t got = read_bulk(s);
    if (got != 0 && got != -ENOTSUP && got != -EAGAIN)
      return got;
  }
  return net_stream_read(s, NET_READ_SIZE);
}

/* The kernel took 'put' of 'n' bytes and then answered 'err': they join the queue.
 * Returns what write() would. [-0, +0, m] */
static int queue_rest(lua_State *L, struct net_stream *s, size_t put, size_t n, int err) {
  struct net_stream *to = s->pump;
  struct net_loop *loop = s->o.loop;
  int top = lua_gettop(L);
  net_push(L, &to->o);
  if (push_spare(L, loop, put, n) == NULL)
    net_error_memory(L);
  note_size(s, n); /* before a finalizer may close it */
  net_writable_tried(L, top + 1, put, err);
  int fits = lua_toboolean(L, -1);
  lua_settop(L, top);
  return fits;
}

void net_pump_pass(lua_State *L, struct net_stream *s, size_t n) {
  struct net_stream *to = s->pump;
  struct net_loop *loop = s->o.loop;
  ssize_t sent;
  int in_pipe = loop->pumps.pipe.held > 0;
  if (in_pipe)
    sent = net_sys_splice_out(loop->pumps.pipe.reading, net_transport_fd(&to->handle), n);
  else
    sent = to->handle.via->send(&to->handle, loop->rbuf, n);
  size_t put = sent < 0 ? 0 : (size_t)sent;
  loop->pumps.pipe.held -= in_pipe ? put : 0;
  s->life.data_emitted = 1;
  net_stream_touch(to);
  if (put == n) {
    to->bytes_written += n;
    note_size(s, n);
    s->life.gap = 0;
    return;
  }
  net_push(L, &s->o); /* where it stays even if a finalizer closes it, and runs the loop */
  int idx = lua_gettop(L);
  int fits = queue_rest(L, s, put, n, sent < 0 ? (int)sent : -EAGAIN);
  s->life.gap = 0;
  if (!fits && s->pump == to) { /* else a finalizer was here, and others may listen */
    lua_pushlightuserdata(L, (void *)(uintptr_t)&net_pump_written);
    net_emit(L, idx, ON_DATA, 1);
  }
  lua_settop(L, idx - 1);
}
