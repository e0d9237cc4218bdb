/* SPDX-License-Identifier: MIT
 *
 * stream.h - the state machine of a duplex stream over one descriptor.
 *
 * What Node spreads over Readable, Writable, Duplex and Socket is one struct here.
 * Reading is arrive.c (what comes), readable.c (flowing, 'data', 'end') and readbuffer.c
 * (the bytes read).
 * Writing is writable.c (write, cork), request.c (sending, callbacks, 'drain'),
 * writequeue.c (the bytes to send) and finish.c ('finish'). For both are handle.c (what
 * is under it, and watched), news.c (what has come), open.c (how it begins), idle.c (its
 * timeout), limit.c (a limit of time), attempt.c (while it connects) and stream.c (how it
 * ends). socket.c shows it to Lua.
 *
 *               connecting ──connected──▶ open ──┬─ 'end' emitted ──▶ R done ─┐
 *     new ─connect─▶ │                           └─ 'finish' emitted ▶ W done ─┤
 *      ▲             └───────── destroy(err) ──────────┐                      │ both
 *      │                                               ▼                      ▼
 *      └──────────── connect again ◀── 'close' ◀── destroyed ◀────────────────┘
 *
 * The machine never sees two descriptors: racing addresses happens in dial.c
 * and lua/net/internal/socket/attempt.lua, and the winner's descriptor is adopted. A stream made
 * from a BoundSocket has none either before it is connected: it is *bound*, with
 * a handle, whose descriptor is that of the dial that connect() will use. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <ev.h>
#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "base/container.h"
#include "events/emitter.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "stream/readbuffer.h"
#include "stream/slots.h"
#include "net_capi.h"
#include "base/sys.h"
#include "stream/transport.h"
#include "stream/writequeue.h"

#define NET_DEFAULT_HWM 65536       /* bytes; both directions */
#define NET_MARK_MAX (SIZE_MAX / 2) /* bytes; what is more is shown as it was given */

/* What outlives a connection: options, and what the user wants. */
struct net_options {
  uint32_t half_open : 1; /* allowHalfOpen */
  uint32_t read_off : 1;  /* option readable = false */
  uint32_t write_off : 1; /* option writable = false */
  uint32_t nodelay : 1;
  uint32_t unref : 1;
  uint32_t at_once : 1;       /* finished with the peer's end as in Node, whoever holds it */
  uint32_t keepalive : 1;     /* its server had keepAlive set */
  uint32_t onread : 1;        /* option onread: chunks go to its callback */
  uint32_t decoding : 1;      /* setEncoding: chunks pass SLOT_DECODER */
  uint32_t encoding : 3;      /* default encoding of writes, enum net_encoding */
  uint32_t read_encoding : 3; /* of unshift; option defaultEncoding alone sets it */
  uint32_t tos : 8;           /* type of service asked for */
  /* readable.c */
  uint32_t flowing_set : 1; /* readableFlowing is not nil */
  uint32_t flowing : 1;
  uint32_t paused : 1;           /* pause() was called last */
  uint32_t readable_listens : 1; /* there is a 'readable' listener */
  uint32_t data_listens : 1;     /* on("data") was called, and the last was not taken off */
  uint32_t was_read : 1;         /* reading has begun once */
};

/* What is of one connection: zeroed when the stream starts over. */
struct net_life {
  /* open.c, handle.c; stream.c ends it */
  uint32_t handle : 1; /* there is a connection, or an attempt to get one */
  /* attempt.h */
  uint32_t connecting : 1;
  /* stream.c */
  uint32_t destroyed : 1;
  uint32_t reset : 1;         /* the close is to send RST */
  uint32_t cuts : 1;          /* the close cuts off an attempt, or the FIN */
  uint32_t error_told : 1;    /* 'error' was emitted */
  uint32_t close_emitted : 1; /* or the tick after destroy() has passed; see mute_tick */
  uint32_t errored : 1;       /* destroy() had an error, or a write has failed (request.c) */
  /* news.c */
  uint32_t unread : 1; /* a poll has told of it, and its turn to be read is to come */
  /* layer.c; stream.c ends it */
  uint32_t taken : 1; /* SLOT_TO has its handle, and is destroyed with it */
  uint32_t took : 1;  /* it has that of SLOT_FROM */
  /* give.c; open.c ends it */
  uint32_t given : 1; /* its descriptor is another process's, or about to be */
  /* readable.c */
  uint32_t need_readable : 1;
  uint32_t emitted_readable : 1;
  uint32_t resume_scheduled : 1;
  uint32_t read_wanted : 1; /* the handle is, or once open will be, read */
  uint32_t data_emitted : 1;
  uint32_t eof : 1;     /* the peer's FIN was read */
  uint32_t end_due : 1; /* 'end' is on the tick */
  uint32_t end_emitted : 1;
  uint32_t gap : 1;             /* bytes were read and lost, for want of memory */
  uint32_t write_after_fin : 1; /* peer ended, no half-open: writes give EPIPE */
  /* request.c */
  uint32_t writing : 1;  /* a request is with the kernel, or waits for connect */
  uint32_t deferred : 1; /* this turn's writes wait for the flush */
  uint32_t need_drain : 1;
  uint32_t calls_back : 1; /* the newest piece has a callback */
  /* finish.c */
  uint32_t ending : 1; /* finish() was called */
  uint32_t final_called : 1;
  uint32_t shutting : 1; /* the FIN waits for the transport */
  uint32_t prefinished : 1;
  uint32_t finished : 1;
  uint32_t finish_overdue : 1; /* 'finish' was due when connect() revived the stream */
};

/* What is waited for, and by whom. NET_READ and NET_WRITE where there are two bits. */
struct net_watch {
  /* handle.c */
  uint32_t open : 1;       /* connected, and not destroyed: 'handle' can be used */
  uint32_t wanted : 2;     /* what somebody waits for */
  uint32_t watched : 2;    /* what 'io' is set to */
  uint32_t wakes : 1;      /* it has joined the loop's wakes */
  uint32_t late : 1;       /* NET_CAN_LATE of 'handle' */
  uint32_t hears : 1;      /* one of its layers has 'ready' */
  uint32_t holds_loop : 1; /* counted by net_loop_ref */
  /* news.c; handle.c forgets them with the handle */
  uint32_t came : 2;    /* what 'ready' of the transport is to be told */
  uint32_t woken : 2;   /* it is among the loop's wakes, with this */
  uint32_t refused : 1; /* the system would not watch: it is about to fail */
  /* stream.c */
  uint32_t closing : 8; /* close events under way: a count */
  uint32_t unlinks : 1; /* the close removes the file of SLOT_BOUND (open.c) */
  /* idle.c */
  uint32_t idle_runs : 1; /* the timer of 'idle' does */
  /* limit.c */
  uint32_t limited : 1; /* the timer of SLOT_LIMIT runs */
  /* peer.c */
  uint32_t peer_family : 2; /* of what 'accepted' has of the peer: */
  /* pump.c */
  uint32_t pump_bulk : 1;   /* counted in the loop's 'bulk' */
  uint32_t pump_credit : 4; /* large reads, less small ones */
};

/* What accept.c knew. */
struct net_accepted {
  uint32_t peer_ip; /* who connected, as accept(2) told; see net_watch.peer_family */
  uint16_t peer_port;
  uint16_t keepalive_delay; /* s; its server's keepAliveInitialDelay, if not more */
};

/* How much of it counts: writable.c's and request.c's. */
struct net_request {
  size_t hwm;        /* bytes; write() returns false from here on */
  size_t len;        /* writableLength, bytes: what counts as buffered */
  size_t bytes;      /* of the request with the kernel */
  uint32_t deferred; /* bytes that wait for the flush */
  uint32_t corked;   /* nesting depth */
};

/* What happens to a stream, for those who wait for it without listeners: bits. */
enum {
  NET_NEWS_ARRIVED = 1 << 0,  /* more is buffered */
  NET_NEWS_ENDED = 1 << 1,    /* nothing more will be */
  NET_NEWS_DRAINED = 1 << 2,  /* nothing is buffered for sending */
  NET_NEWS_SENT = 1 << 3,     /* a request has reached the transport */
  NET_NEWS_FINISHED = 1 << 4, /* so has the end */
  NET_NEWS_IDLE = 1 << 5,     /* the idle timeout is over */
  NET_NEWS_DESTROYED = 1 << 6
};

/* Tasks (src/task), of which the first makes one: kept by SLOT_TASKS, reached by the 'data'
 * of the watcher. Whom they are about runs later: only 'name_reader' calls Lua. */
struct net_waiters {
  const struct net_waiters_class *via;
  int reads;  /* somebody waits for bytes, who hears of them by 'news' alone */
  int in_use; /* an 'error' that nobody listens to is told by the next call */
};
struct net_waiters_class {
  void (*news)(lua_State *L, int idx, struct net_stream *s, int news); /* [-0, +0, -] */
  /* While somebody reads and nothing is buffered: gives him what he waits for, if these
   * bytes complete it, and returns how many they were; 0: none. [-0, +0, m] */
  size_t (*arrived)(lua_State *L, struct net_stream *s, const char *bytes, size_t n);
  /* The peer has ended, and Node would call finish() now: is it for somebody else to? */
  int (*keeps_open)(struct net_stream *s);
  /* What nobody reads is to be thrown away: is it for somebody else to, later? */
  int (*empties)(struct net_stream *s);
  /* Pushes the name of who reads, while somebody does. [-0, +1, e] */
  void (*name_reader)(lua_State *L, const struct net_stream *s);
};

/* Who counts a stream among its own; embedded in a server. */
struct net_owner {
  void (*gone)(lua_State *L, struct net_owner *owner); /* once, in destroy(); [-0, +0, m] */
};

struct net_stream {
  struct net_object o;
  struct net_handle handle;       /* the top one; what it holds is owned while 'open' */
  ev_io io;                       /* active only while 'open' */
  struct net_flushable flushable; /* in the loop's dirty list while 'deferred' */
  struct net_watch watch;
  struct net_options opt;
  struct net_life life;
  struct net_accepted accepted;
  struct net_readbuffer in;
  struct net_writequeue out;
  struct net_request req;
  uint64_t bytes_read, bytes_written; /* since the connection began */
  struct net_owner *owner;  /* borrowed until destroy; NULL: nobody, it was not accepted */
  struct net_stream *pump;  /* SLOT_PUMP: all that flows goes there; NULL: to Lua */
  struct stream_idle *idle; /* borrowed from SLOT_IDLE; NULL: no idle timeout */
  uint64_t active;          /* ms; the last activity, if there is an idle timeout */
};

/* Six user values and the head of Lua's: one more would not fit 416 bytes of malloc's. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct net_stream) <= 288, "a stream has grown");

/* What the options readable and writable = false make of a side: it has ended before it
 * began. */
static inline void net_stream_never_reads(struct net_stream *s) {
  s->opt.read_off = s->life.eof = s->life.end_emitted = 1;
}
static inline void net_stream_never_writes(struct net_stream *s) {
  s->opt.write_off = s->life.ending = s->life.finished = 1;
}

/* Who waits for it without listeners; NULL: nobody ever has. A pointer more would cost each
 * stream 16 bytes, and the watcher is found by where it is. */
static inline struct net_waiters *net_stream_waiters(const struct net_stream *s) {
  return s->io.data;
}
static inline void net_stream_news(lua_State *L, int idx, struct net_stream *s, int news) {
  if (s->io.data)
    net_stream_waiters(s)->via->news(L, idx, s, news);
}

/* net.Socket; its methods and fields are socket.c's to add. */
extern const struct net_class net_stream_class;

/* The stream at 'idx', where it is known to be one. */
static inline struct net_stream *net_stream_at(lua_State *L, int idx) {
  return lua_touserdata(L, idx);
}
/* The stream that a step was queued for. */
static inline struct net_stream *net_step_stream(const struct net_step *step) {
  return net_container_of(step->o, struct net_stream, o);
}

/* --- handle.c ----------------------------------------------------------------- */

/* The descriptor at the bottom; -1 while there is none. */
int net_stream_fd(const struct net_stream *s);
/* Can what is at the bottom, or will be once it is connected, do this? NET_CAN_* */
int net_stream_can(const struct net_stream *s, unsigned can);
/* One read into the loop's buffer, of at most 'size' bytes, as net_sys_read; notes
 * whether there may be more. */
static inline ssize_t net_stream_read(struct net_stream *s, size_t size) {
  struct net_loop *loop = s->o.loop;
  ssize_t n = s->handle.via->read(&s->handle, loop->rbuf, size);
  loop->rounds = n == (ssize_t)size ? NET_READS_PER_TURN : 0;
  return n;
}
/* What is waited for: NET_READ, NET_WRITE, both or 0. */
void net_stream_poll(struct net_stream *s, int events);
/* The transport may have other wishes than before, or nothing that a poll could tell. */
void net_stream_watch(struct net_stream *s);
/* ref() and unref(), also before there is a handle. */
void net_stream_hold_loop(struct net_stream *s, int hold);
/* All of opening that may raise, for who does more than this, and the way back: the
 * stream at 'idx' is anchored, and with 'wakes' a layer may wake it. [-0, +0, m] */
void net_stream_prepare(lua_State *L, int idx, int wakes);
void net_stream_unprepare(lua_State *L, int idx);
/* There is nothing under it; it is taken for a TCP socket that is not connected. */
void net_stream_no_handle(struct net_stream *s);
/* What is connected is under it: it is open. */
void net_stream_set_handle(struct net_stream *s, const struct net_transport *via, void *state);
/* Puts a layer on top of what an open stream has, which moves to '*below'. It is prepared
 * to be woken, and not pumped. */
void net_stream_put_on(struct net_stream *s, const struct net_transport *via, void *state,
                       struct net_handle *below);
/* All that is under 'from', which is open and not pumped, is under 'to' from here on,
 * which is prepared to be woken. Returns of what no poll will tell again: it is to be
 * woken. */
int net_stream_move(struct net_stream *to, struct net_stream *from);
/* Takes the descriptor, which is all that is under an open stream, away from it; it is not
 * pumped. Returns that. */
int net_stream_part(struct net_stream *s);
/* Closes what is under an open stream, which is not pumped. */
void net_stream_close_handle(struct net_stream *s);

/* --- news.c ------------------------------------------------------------------- */

/* Has the loop flush streams, and tell those that are woken. */
void net_stream_serve(struct net_loop *loop);
/* Makes the watcher of a new stream. */
void net_news_init(struct net_stream *s);
/* The transport has news that no poll tells: pending completions, soon. It has joined the
 * loop's wakes. */
void net_stream_wake(struct net_handle *h, int events);

/* --- open.c ------------------------------------------------------------------- */

/* Pushes a new stream without a descriptor, of net_stream_class or one derived from it.
 * [-0, +1, e] */
struct net_stream *net_stream_new(lua_State *L, struct net_loop *loop, const struct net_class *cls);
/* A high-water mark, of the integral number at 'idx', cut. [-0, +0, -] */
size_t net_stream_mark(lua_State *L, int idx);
/* Sets the one that 'key' names, a SLOT_*_MARK, to the number on the top. [-1, +0, m] */
void net_stream_set_mark(lua_State *L, int idx, int key);
/* Anchors the stream at absolute 'idx' and gives it what is connected, which stays the
 * caller's if this raises: a descriptor, or the state of another transport. Nothing is
 * read yet. [-0, +0, m] */
void net_stream_open(lua_State *L, int idx, const struct net_transport *via, void *state);
void net_stream_open_fd(lua_State *L, int idx, int fd, enum net_fd_kind kind);
/* Takes the BoundSocket at 'from', or raises if that is gone: the stream is bound,
 * and not anchored. [-0, +0, e] */
void net_stream_bind(lua_State *L, int idx, int from);
/* connect() was called: there is a handle now; a closed stream starts over. */
void net_stream_connecting(lua_State *L, int idx, enum net_fd_kind kind); /* [-0, +0, m] */
/* The connection stands: 'connect', 'ready', reading. [-0, +0, e] */
void net_stream_connected(lua_State *L, int idx, int fd, enum net_fd_kind kind);
/* Starts reading, unless it is paused or has no readable side. [-0, +0, e] */
void net_stream_begin(lua_State *L, int idx);

/* --- idle.c ------------------------------------------------------------------- */

/* Something happened on the stream: the idle timeout, if any, starts anew. */
void net_stream_restart_idle(struct net_stream *s);
static inline void net_stream_touch(struct net_stream *s) {
  if (s->idle)
    net_stream_restart_idle(s);
}
/* Idle timeout in ms; 0: none. [-0, +0, m] */
void net_stream_set_timeout(lua_State *L, int idx, uint64_t ms);
/* The timer stops, the timeout stays. */
void net_stream_stop_idle(struct net_stream *s);
/* Lets go of the stream if nothing can call it any more. [-0, +0, -] */
void net_stream_release(lua_State *L, struct net_stream *s);

/* --- limit.c ------------------------------------------------------------------ */

/* Has the function on the top called with the stream in 'ms', which is not 0, and every 'ms'
 * from there on, until the stream is destroyed, in whichever way, or net_stream_unlimit.
 * Holds the loop. One that is destroyed has none. [-1, +0, m] */
void net_stream_limit(lua_State *L, int idx, uint64_t ms);
void net_stream_unlimit(lua_State *L, int idx); /* [-0, +0, -] */

/* --- stream.c ----------------------------------------------------------------- */

/* destroy(err), err at the top or nil; no-op the second time. [-1, +0, e] */
void net_stream_destroy(lua_State *L, int idx);
/* Pushes the error behind what the transport has just said. [-0, +1, e] */
void net_stream_push_error(lua_State *L, struct net_stream *s, int err, const char *syscall);
/* destroy() with it. [-0, +0, e] */
void net_stream_fail(lua_State *L, int idx, int err, const char *syscall);
/* Calls and clears the function private[name], if Lua left one. [-0, +0, e] */
void net_stream_hook(lua_State *L, int idx, const char *name);
/* Whoever counts the stream at 'idx' stops, at once: raises, if at all, before that.
 * [-0, +0, m] */
void net_stream_discount(lua_State *L, int idx);
/* Calls the hook of a stream that is given away, once nothing of it is unsent. [-0, +0, e] */
static inline void net_stream_sent(lua_State *L, int idx, const struct net_stream *s);

/* --- what its flags say --------------------------------------------------------- */

/* Around the call of a listener that is told what was read, straight under a dispatch:
 * if memory runs out, it may not have begun, and the bytes count as lost; after any
 * other error they do not. */
static inline void net_stream_tell(struct net_stream *s) {
  s->life.gap = 0;
  s->o.unheard = 1;
  s->o.loop->telling = &s->o;
}
static inline void net_stream_told(struct net_stream *s) {
  s->o.unheard = 0;
  s->o.loop->telling = NULL;
}
/* Has it lost bytes? It fails before it tells any more, then. */
static inline int net_stream_has_lost(const struct net_stream *s) {
  return s->life.gap || s->o.unheard;
}

/* Has destroy() or a write failed, and was it told why? */
static inline int net_stream_is_errored(const struct net_stream *s) { return s->life.errored; }

/* Is something still to be sent of what was written: bytes, a part of them, the FIN; or has
 * that failed, and is about to be told? */
static inline int net_stream_is_unsent(const struct net_stream *s) {
  int fin = s->life.ending && !(s->life.prefinished || s->life.finished);
  return s->life.writing || s->life.deferred || s->life.errored || fin ||
         s->out.head != s->out.tail;
}

static inline void net_stream_sent(lua_State *L, int idx, const struct net_stream *s) {
  if (s->life.given && s->watch.open && !net_stream_is_unsent(s))
    net_stream_hook(L, idx, "on_sent");
}

/* There is a handle, which is neither connected nor connecting, nor another's by now. */
static inline int net_stream_is_bound(const struct net_stream *s) {
  return s->life.handle && !s->watch.open && !s->life.taken && !s->life.connecting;
}

/* --- readable.c ------------------------------------------------------------- */

/* For who is about to take 'n' bytes out of the buffer by himself, or to wait for more: what
 * is to come is read on, and 'end' is due when that was all. [-0, +0, e] */
void net_readable_taken(lua_State *L, int idx, size_t n);
/* Nothing flows, nor is it paused: as before the first listener. */
void net_readable_hand_over(struct net_stream *s);
#define NET_READ_MAX (1 << 30) /* bytes; the most that read(n) may ask for above the mark */
#define NET_READ_ANY LUA_MININTEGER

/* read(n): NET_READ_ANY for none, and at most NET_READ_MAX above the mark. Pushes a chunk
 * or nil. [-0, +1, e] */
void net_readable_read(lua_State *L, int idx, lua_Integer n);
void net_readable_resume(lua_State *L, int idx); /* [-0, +0, e] */
void net_readable_pause(lua_State *L, int idx);  /* [-0, +0, e] */
/* As in Node the descriptor is read from the tick on, if it was not yet, as with
 * pauseOnConnect. [-0, +0, m] */
void net_readable_read_more(lua_State *L, int idx);
/* Is it read, or will it be once it is open? */
int net_readable_is_read(const struct net_stream *s);
/* 'readable' is said on the tick, once for all that comes before it. [-0, +0, m] */
void net_readable_announce(lua_State *L, int idx, struct net_stream *s);
/* 'readable' is emitted, if there is something to say, and it flows on. [-0, +0, e] */
void net_readable_emit(lua_State *L, int idx, struct net_stream *s);
/* Is there room for more, and is more to come? */
int net_readable_wants(const struct net_stream *s);
void net_readable_listened(lua_State *L, int idx, int event, int prepended);
/* Raises ERR_SOCKET_BUSY while a task waits for what arrives. [-0, +0, e] */
void net_readable_check_free(lua_State *L, const struct net_stream *s);
void net_readable_listening(lua_State *L, int idx, int event); /* [-0, +0, e] */
void net_readable_unlistened(lua_State *L, int idx, int event, int one_of_all);
/* pause() was called last, or it does not flow. */
int net_readable_paused(const struct net_stream *s);
/* Is the readable side done, or was never there? */
int net_readable_done(const struct net_stream *s);

/* --- writable.c ------------------------------------------------------------- */

/* write(chunk, callback or nil), both on the top; pushes the result. [-2, +1, e] */
void net_writable_write(lua_State *L, int idx);
/* As net_writable_write in the usual case, a small chunk without a callback that may wait for
 * the end of the turn: queues the chunk on the top, or returns 0 where it has to go
 * the long way. [-0, +0, m] */
int net_writable_write_small(lua_State *L, int idx, struct net_stream *s);
/* The chunk of finish(), at 'chunk', its callback at 'cb'; returns 0 if it was refused.
 * [-0, +0, e] */
int net_writable_last(lua_State *L, int idx, int chunk, int cb);
void net_writable_uncork(lua_State *L, int idx); /* [-0, +0, e] */
/* How much was queued before strings without callbacks that are written while it is corked,
 * so that they may be taken back before it is uncorked. */
struct net_writable_mark {
  uint32_t tail;
  size_t buffered;  /* bytes */
  uint64_t written; /* bytes */
  unsigned need_drain;
};
void net_writable_mark(lua_State *L, int idx, struct net_writable_mark *mark); /* [-0, +0, m] */
void net_writable_unwrite(struct net_stream *s, const struct net_writable_mark *mark);
/* Pushes the error with which write() would be refused now, if it would. [-0, +(1|0), e] */
int net_writable_forbidden(lua_State *L, int idx);
/* Is there nothing between what is written now and the kernel, and may it be
 * queued without allocating? */
int net_writable_idle(const struct net_stream *s);
/* write() of the chunk on the top, on an idle stream, by somebody who tried it
 * already: the kernel took 'put' of its bytes and then answered 'err', which is
 * not 0. Pushes what write() would have. The collector does not run before the chunk
 * is in its place. [-1, +1, e] */
void net_writable_tried(lua_State *L, int idx, size_t put, int err);
/* Forgets all, as the stream starts over: callbacks not called yet are on the
 * tick, and the pieces' numbers go on, so that whoever was amid the old ones sees
 * that they are done with. [-0, +0, e] */
void net_writable_reset(lua_State *L, int idx);
/* Would write() be taken? Node's 'writable'. */
int net_writable_open(const struct net_stream *s);
/* 'finish' emitted, or the side was never there? */
int net_writable_done(const struct net_stream *s);

#endif
