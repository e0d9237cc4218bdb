/* SPDX-License-Identifier: MIT
 *
 * server.h - net.Server: a listening descriptor, and the connections it counts.
 *
 *     idle ──listen──▶ listening ──close──▶ draining ──last one gone──▶ idle
 *      ▲                                                  ('close' ticks)
 *      └──────── a failed listen leaves it as it was
 *
 * While it listens it accepts, or pauses because the system has run out of
 * descriptors. One that is remote listens without a descriptor: another process
 * accepts, and what it sends is handed to net_accept_deliver. It is anchored
 * exactly while it listens or has connections; a socket reaches its server
 * through its user value VAL_SERVER, and a 'close' under way is held by the tick.
 *
 * server.c has the object (life, fields, methods), accept.c how a connection comes, proxy.c
 * what a proxy says of it first, incoming.c how it becomes a socket, listen.c the ways to a
 * listening descriptor, or to do without one, connections.c the list of those that are open. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <ev.h>
#include <limits.h>
#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/object.h"
#include "base/proxyheader.h"
#include "stream/stream.h"
#include "base/sys.h"
#include "loop/timers.h"

/* User values of a server, behind the object's. */
enum {
  VAL_PATH = VAL_OWN, /* string: the Unix path that was tried last */
  VAL_SHARED,         /* the socket at whose BoundSocket's path it listens */
  VAL_REMOTE,         /* string: the bytes of a remote one's struct net_addr; of one with
                     'raw' what that likes */
  SERVER_UVS = VAL_REMOTE,
};

/* struct net_server.flags. */
enum {
  SERVER_HALF_OPEN = 1 << 0, /* what the options say, for what is accepted */
  SERVER_PAUSE = 1 << 1,
  SERVER_NODELAY = 1 << 2,
  SERVER_KEEPALIVE = 1 << 3,
  SERVER_BLOCKS = 1 << 4,  /* blockList is set */
  SERVER_BAD_HWM = 1 << 5, /* highWaterMark is none */
  SERVER_PIPE = 1 << 6,    /* the descriptor is a Unix socket */
  SERVER_UNREF = 1 << 8,
  SERVER_HOLDS = 1 << 9,     /* counted by net_loop_ref */
  SERVER_TOLD = 1 << 10,     /* Lua has heard of the shortage there is */
  SERVER_DEAD = 1 << 11,     /* finalised: never to listen again */
  SERVER_REMOTE = 1 << 12,   /* listens without a descriptor */
  SERVER_HELD = 1 << 13,     /* accepts when it is told to */
  SERVER_DRAINING = 1 << 14, /* drain() was called, and listen() not since */
  SERVER_CLOSED = 1 << 15,   /* 'close' was emitted, and close() not called since */
  SERVER_LEFT = 1 << 16      /* that connections have gone is told on a tick (accepted.c) */
};

struct net_server {
  struct net_object o;
  struct net_owner owner;     /* of what it has accepted: accept.c */
  ev_io io;                   /* active while listening, but for a pause */
  struct net_timer retry;     /* runs during a pause */
  int fd;                     /* owned; -1 while not listening */
  struct net_file_id file;    /* owned; at VAL_PATH, removed by close; none: 'inode' is 0 */
  uint32_t flags;             /* SERVER_* */
  uint32_t connections;       /* accepted and not destroyed yet */
  uint32_t elsewhere;         /* others that count for it, and have not said that they are done */
  uint32_t pause;             /* ms, the last pause; 0: the last accept worked */
  uint32_t header_ms;         /* for the header of the PROXY protocol; 0: none is to come */
  int keepalive_delay;        /* s; 0: the system's */
  size_t hwm;                 /* bytes; both directions of what is accepted */
  lua_Number max_connections; /* HUGE_VAL: no limit */
  const struct net_class *makes;                          /* borrowed; what it accepts */
  void (*accepted)(lua_State *L, int server, int socket); /* instead of 'connection', or
                              NULL; [-0, +?, e] */
  void (*raw)(lua_State *L, int server, int *fd);         /* instead of all that becomes of a
                              connection, or NULL; who takes '*fd' over leaves -1; [-0, +?, e] */
};

extern const struct net_class net_server_class;

/* Does it listen, with a descriptor or without? */
static inline int net_server_listens(const struct net_server *s) {
  return s->fd >= 0 || s->flags & SERVER_REMOTE;
}

/* --- server.c ---------------------------------------------------------------- */

/* The server at 'idx', else ERR_INVALID_THIS. [-0, +0, e] */
struct net_server *net_server_check(lua_State *L, int idx);
/* Takes over 'fd', which listens; 'flags' may be SERVER_PIPE. The
 * server is anchored already. */
void net_server_start(struct net_server *s, int fd, unsigned flags);
/* Listens without one from now on; 'flags' and the rest as above. */
void net_server_start_remote(struct net_server *s, unsigned flags);
/* Removes the file of the server at 'idx', if it has one, and it is still there: before
 * its descriptor is closed. [-0, +0, -] */
void net_server_remove_file(lua_State *L, int idx, struct net_server *s);
/* Closes what listens, if anything, and removes its file. [-0, +0, -] */
void net_server_close(lua_State *L, int idx, struct net_server *s);
/* The file stays when the server closes: others listen there too. */
void net_server_keep_file(struct net_server *s);
/* Queues 'close' for the server at 'idx', and lets go of it, if it neither
 * listens nor has connections, here or elsewhere. [-0, +0, m] */
void net_server_drained(lua_State *L, int idx, struct net_server *s);
/* Pushes a server that does not listen, and whose watcher, timer and owner are
 * accept.c's to set, of net_server_class or one derived from it. [-0, +1, e] */
struct net_server *net_server_new(lua_State *L, const struct net_class *cls);
/* Adds Server, the class, and server, what lua/net/internal/server/server.lua is built on, to
 * the core table on the top. [-0, +0, m] */
void net_server_open(lua_State *L);

/* --- incoming.c --------------------------------------------------------------- */

/* One connection on its way to its socket. */
struct net_incoming {
  struct net_server *server; /* held by the stack of who made this */
  struct net_addr peer;      /* who is connected to us */
  int *fd;                   /* where its owner has it; -1 when a socket has it, or nobody */
  int err;                   /* what accept(2) said, or another call */
  const char *call;          /* its name */
  const struct net_proxyheader *header; /* what a proxy has said; NULL: nothing was to come */
  int bytes;                            /* where on the stack the header is, as a string */
  void (*settle)(lua_State *L, struct net_incoming *in); /* called when the socket has it, and
                              counts; NULL: nobody has counted it before; [-0, +0, -] */
};

/* Is it one too many, which is told, or of somebody whom the server at 'server' blocks?
 * [-0, +0, e] */
int net_incoming_refused(lua_State *L, int server, struct net_incoming *in);
/* Does the server at 'server' block the client of whom a proxy has told? [-0, +0, e] */
int net_incoming_blocked(lua_State *L, int server, const struct net_server *s,
                         const struct net_addr *client);
/* Makes the socket, starts reading, and tells. [-0, +?, e] */
void net_incoming_tell(lua_State *L, int server, struct net_incoming *in);

/* --- proxy.c ------------------------------------------------------------------ */

/* Waits for the header of the PROXY protocol with which the connection begins, and counts it
 * meanwhile. [-0, +?, e] */
void net_proxy_await(lua_State *L, int server, struct net_incoming *in);
/* Adds the field proxyProtocol to the class Server of the core table on the top, and
 * cut_pending to its table 'server'. [-0, +0, m] */
void net_proxy_open(lua_State *L);

/* --- accept.c ---------------------------------------------------------------- */

/* Pushes a new server, of net_server_class or one derived from it. [-0, +1, e] */
void net_accept_new(lua_State *L, const struct net_class *cls);
/* A connection that it has counted has gone: 'gone' of each server's owner, unless somebody else
 * calls it from there. There is room for one tick. [-0, +0, m] */
void net_accept_gone(lua_State *L, struct net_owner *owner);
/* A connection that another process has accepted for the remote server at 'idx': as if it
 * had accepted it itself. Who takes '*fd' over, a socket or whoever closes it, leaves -1;
 * else it stays the caller's. A listener's error comes out. [-0, +0, e] */
void net_accept_deliver(lua_State *L, int idx, int *fd);
/* Accepts no more until it is called again with 0: what waits stays with the kernel. */
void net_accept_hold(struct net_server *s, int hold);
/* Adds new and on_starved to the table 'server' of the core table on the top.
 * [-0, +0, m] */
void net_accept_open(lua_State *L);

/* --- listen.c ---------------------------------------------------------------- */

/* In the place of a backlog, of what listens: it keeps its own. */
#define NET_LISTENS_ALREADY INT_MIN
/* Has the server at 1 listen on '*fd', a bound socket, which it takes over or closes,
 * leaving -1; where that raises it stays the caller's. What is at 'path', a string or nil,
 * is its address where it is no IP socket; that file is not its own. Returns what a
 * function of listen.c does. [-0, +(1|3), e] */
int net_listen_take(lua_State *L, int *fd, int backlog, int path);
/* Adds listen_tcp, listen_unix, listen_fd, listen_bound, listen_shared, listen_remote,
 * has_handle to the same table. [-0, +0, m] */
void net_listen_open(lua_State *L);

/* --- connections.c ----------------------------------------------------------- */

/* Adds sockets and set_draining to the same table. [-0, +0, m] */
void net_connections_open(lua_State *L);

#endif
