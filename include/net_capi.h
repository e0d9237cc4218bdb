/* SPDX-License-Identifier: MIT
 *
 * net_capi.h - net's C functions for another library, and the seam under a socket: how
 * that reads and writes.
 *
 * A stream, a net.Socket, reaches what is below it through a table of functions, its
 * transport: of a descriptor of the system's, of memory, or of another library's layer
 * on top of one of these, such as TLS. This page has that table and its contract, the
 * functions by which a layer is put on and a class of sockets is made (struct net_capi),
 * and how to find them (net_capi_get). It includes nothing of ours, and may be copied
 * into the library that uses it; docs/internals.md shows a transport in twenty lines.
 *
 * All of it is for the thread that runs the loop. Stack effects: [-pops, +pushes, raises];
 * '-' never, 'm' for memory, 'e' anything. 'idx' is an index of the Lua stack. */
#ifndef NET_CAPI_H
#define NET_CAPI_H

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The number of this contract. It changes where something here comes to mean another
 * thing; what is added at the end of struct net_capi leaves it as it is. */
#define NET_CAPI_ABI 1

/* What is asked for, or has come: bits, with libev's values. */
enum { NET_READ = 1, NET_WRITE = 2 };

/* struct net_transport.can. Of the top handle; a layer of another library's has the last
 * of these, or 0: */
enum {
  NET_CAN_SPLICE = 1 << 0,   /* 'state' is a descriptor that splice(2) may move bytes from and to */
  NET_CAN_SENDFILE = 1 << 1, /* and that sendfile(2) may send to */
  NET_CAN_RIGHTS = 1 << 2,   /* descriptors may be sent along */
  NET_CAN_LATE = 1 << 3,     /* what was written counts in writableLength until it is below:
                                 its callbacks and 'drain' are a pending completion */
  NET_CAN_SINGLE = 1 << 9,   /* with LATE: a write goes there when the one before is below */
  /* Of the lowest handle: */
  NET_CAN_ADDRESS = 1 << 4, /* getsockname(2), getpeername(2): IP addresses */
  NET_CAN_NODELAY = 1 << 5,
  NET_CAN_KEEPALIVE = 1 << 6,
  NET_CAN_RESET = 1 << 7, /* a close may be told as a reset */
  NET_CAN_POLL = 1 << 8   /* 'state' is a descriptor for the poller to watch */
};

/* A negative errno of no system's: 'error' has the error value. */
#define NET_OWN_ERROR (-(1 << 20))

struct net_class;
struct net_stream;
struct net_transport;

/* A part of a userdata that owns something of C's. Its finalizer frees that; but amid
 * lua_close Lua calls none for what another finalizer makes, so that its memory would leak,
 * and what points to it would stay. What is kept (struct net_capi.keep) is ended then. */
struct net_kept {
  struct net_kept *next, **at;        /* what points to it; NULL: it is not kept */
  void (*end)(struct net_kept *kept); /* [-] */
};

/* Its finalizer runs, or it owns nothing any more. May be called again. [-] */
static inline void net_kept_drop(struct net_kept *kept) {
  if (kept->at == NULL)
    return;
  *kept->at = kept->next;
  if (kept->next)
    kept->next->at = kept->at;
  kept->at = NULL;
}

/* Has getmetatable(3) give a copy of the metatable on the top, as it is now: a program that
 * took __gc out of the metatable itself would have what is kept collected unheard. [-0, +0, m] */
static inline void net_kept_guard(lua_State *L) {
  int meta = lua_gettop(L);
  if (lua_getfield(L, meta, "__metatable") == LUA_TNIL) {
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, meta)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, meta + 2);
    }
    lua_setfield(L, meta, "__metatable");
  }
  lua_settop(L, meta);
}

/* One layer under a stream. The stream has the top one; a layer keeps the one below in its
 * own state, and calls it by its 'via' as the stream calls the layer. A handle moves when
 * a layer is put on top of it, or another stream takes it: its address is good for one
 * call, and what is kept is 'state'. */
struct net_handle {
  const struct net_transport *via; /* borrowed; static; set before there is a connection */
  void *state;                     /* the transport's; of a descriptor its number */
  struct net_stream *stream;       /* borrowed; whom it serves */
};

/* What moves bytes returns how many, or a negative errno, or NET_OWN_ERROR. Only 'ready'
 * and 'error' may raise or run Lua; all but 'close' find the stream open. An entry that is
 * NULL is that of the layer below; of the lowest what is said at each. */
struct net_transport {
  const char *name;
  unsigned can; /* NET_CAN_* */

  /* Events came, from the poll or by wake, also ones that the stream does not want.
   * Returns those that it may act on: it will read, or go on with its writes. In the
   * loop's protected call, with the stream at index 1: may call Lua, raise, destroy the
   * stream, and leave on the stack what it likes. Handshakes live here, and what has to be
   * told before the next bytes. If the layer below has it too, that comes first
   * (net_handle_ready), and after its 0 there is nothing to do: it may have destroyed the
   * stream, and so closed this layer. Wherever Lua has run that may be so; see 'handle' of
   * struct net_capi. NULL: all that came. [-0, +?, e] */
  int (*ready)(lua_State *L, struct net_handle *h, int events);
  /* Up to 'size' bytes, which is not 0; 0 at the end, for good, clean or cut: who cares
   * keeps the difference in his state; -EAGAIN: nothing there. If it keeps bytes back, or
   * there may be more below than it asked for, it wakes itself. */
  ssize_t (*read)(struct net_handle *h, void *buf, size_t size);
  /* How many it took, fewer only if it is full; -EAGAIN: none, also before it is open,
   * and then it wakes when it is. 'more': more follows at once. The vector is the
   * callee's to change. */
  ssize_t (*send)(struct net_handle *h, const void *bytes, size_t size);
  ssize_t (*writev)(struct net_handle *h, struct iovec *iov, int count, int more);
  /* Bytes that it took and the layer below has not: a write is done when it is 0, and
   * until then the stream waits for NET_WRITE. Asked with NET_CAN_LATE only. NULL: 0. */
  size_t (*unsent)(const struct net_handle *h);
  /* The end of writing: 0 when it is with who is below; -EAGAIN: it is called again when
   * NET_WRITE is ready. */
  int (*shutdown)(struct net_handle *h);
  /* The stream wants 'events': NET_READ, NET_WRITE, both or 0. Returns what its descriptor
   * is to be watched for, its own wishes included; 0 of what no poll can tell. If what is
   * wanted is there already it wakes itself. Asked when the wish changes, after each
   * 'ready', and when a layer was put on or a stream has taken the handle. NULL: as
   * wanted. */
  int (*poll)(struct net_handle *h, int events);
  /* Pushes the error value behind NET_OWN_ERROR, just after that was said. NULL if nobody
   * says that. [-0, +1, e] */
  void (*error)(lua_State *L, struct net_handle *h);
  /* The handle that it owns, by which the stream finds addresses and options; NULL: this
   * is the lowest. */
  struct net_handle *(*below)(const struct net_handle *h);
  /* Once, by destroy() or lua_close: closes what is below too, and frees the state. 'h' is
   * dead after. */
  void (*close)(struct net_handle *h);
};

/* The entries that may be NULL, of the handle below, for a layer that calls them. */
static inline int net_handle_ready(lua_State *L, struct net_handle *h, int events) {
  while (h->via->ready == NULL && h->via->below)
    h = h->via->below(h);
  return h->via->ready ? h->via->ready(L, h, events) : events;
}
static inline int net_handle_poll(struct net_handle *h, int events) {
  while (h->via->poll == NULL && h->via->below)
    h = h->via->below(h);
  return h->via->poll ? h->via->poll(h, events) : events;
}
static inline size_t net_handle_unsent(const struct net_handle *h) {
  while (h->via->unsent == NULL && h->via->below)
    h = h->via->below(h);
  return h->via->unsent ? h->via->unsent(h) : 0;
}

/* Parents of a class. */
enum { NET_SOCKET = 1, NET_SERVER };

/* The table. What is added later is added at the end: net_capi_has tells whether it is
 * there. */
struct net_capi {
  uint32_t abi;        /* NET_CAPI_ABI */
  uint32_t size;       /* bytes of this table */
  const char *version; /* net.version */

  /* Makes a class of sockets (NET_SOCKET) or servers (NET_SERVER): net.isSocket or
   * net.isServer is true of its objects, and every method takes them. What its own tables
   * lack is looked up in its parent's. Pushes {metatable =, methods =, getters =,
   * setters =}, to which functions are added. It lives as long as the state.
   * [-0, +1, e] */
  struct net_class *(*class_new)(lua_State *L, const char *name, int parent);
  /* Pushes an object of it: a socket without a connection, or a server that does not
   * listen. NULL: a plain Socket. [-0, +1, e] */
  void (*object_new)(lua_State *L, const struct net_class *cls);
  /* The socket at 'idx', NULL if it is none of that class; class NULL: any socket.
   * [-0, +0, -] */
  struct net_stream *(*stream_test)(lua_State *L, int idx, const struct net_class *cls);
  /* Its top handle, good until Lua runs or a layer is put on; NULL unless it is open. So
   * a layer finds out whether it is still there: handle(s), and its state the layer's. */
  struct net_handle *(*handle)(struct net_stream *s);
  /* All that is under the socket 'from', its watcher and who counts it go to 'to', which
   * is new, or one that waits as connecting and is not any more (that 'connect' comes is
   * for the caller), or one from which 'from' had it. Pushes the bytes that 'from' had
   * read and nobody has consumed. From then on 'from' hears nothing, and is not open: its
   * flow and its cork end; what was written to it goes first, and it still knows its peer.
   * Destroying one destroys both: an error of 'from' is also that of 'to', and 'from'
   * closes first. bytesRead and bytesWritten stay with 'from'; see 'count'. Returns 0; or,
   * with nothing done or pushed, -EAGAIN: 'from' is connecting, or has bytes that the kernel
   * has refused (ask again when write("") calls back), -EISCONN: 'to' has a connection, or
   * makes one, of its own, or -EBADF: 'from' is not open or has ended, or 'to' is none of
   * those. [-0, +(1|0), e] */
  int (*take)(lua_State *L, int to, int from);
  /* Puts a layer on the socket at 'idx', which is open and has no bytes that the kernel
   * has refused: its present handle moves to '*below', which is the layer's from here on;
   * what was written goes below first. Not amid another entry of a transport than
   * 'ready'. Raises before anything has moved. [-0, +0, e] */
  void (*install)(lua_State *L, int idx, const struct net_transport *via, void *state,
                  struct net_handle *below);
  /* There is news that no poll will tell: 'ready' of the stream of a handle, and its two
   * halves, run soon, as if polled; with the turn's pending completions, once for all
   * wakes before that. Holds the loop until then. May be called amid any entry. [-] */
  void (*wake)(struct net_handle *h, int events);
  /* Emits the event of the object at 'idx', with 'nargs' arguments on the top. An error
   * that comes out of a listener, or of 'error' without one, goes where uncaught ones go.
   * Returns whether there was a listener. [-nargs, +0, e] */
  int (*emit)(lua_State *L, int idx, const char *event, int nargs);
  /* socket:destroy(err), with the error, or nil, on the top. [-1, +0, e] */
  void (*destroy)(lua_State *L, int idx);
  /* Push error values as net's own: of a code that net.internal.errors knows, made of the
   * 'nargs' values on the top, or of a negative errno: `read ECONNRESET`. [-nargs, +1, e] */
  void (*error_code)(lua_State *L, const char *code, int nargs);
  void (*error_sys)(lua_State *L, int err, const char *syscall);
  /* So much has passed on behalf of a socket whose handle was taken: its bytesRead and
   * bytesWritten grow, and its idle timeout starts anew. [-] */
  void (*count)(struct net_stream *s, uint64_t in, uint64_t out);
  /* The server at 'idx' accepts sockets of that class, NULL: plain ones, and calls this
   * instead of emitting 'connection', which is then for 'accepted' to do; the connection
   * is open, counted, and read unless pauseOnConnect says otherwise. 'accepted' NULL: it
   * emits. [-0, +0, e] */
  void (*over)(lua_State *L, int idx, const struct net_class *cls,
               void (*accepted)(lua_State *L, int server, int socket));
  /* Has the event of the object at 'idx' a listener? [-0, +0, -] */
  int (*listens)(lua_State *L, int idx, const char *event);
  /* The number of the turn of the loop, for budgets. [-] */
  uint32_t (*turn)(const struct net_stream *s);
  /* Sends what this turn has written, for an atexit(3) function that has to come behind
   * another library's. [-] */
  void (*exit_flush)(void);
  /* Has 'end' called for what 'kept' is a part of, when the Lua state has ended and neither
   * net_kept_drop was called nor its finalizer, which is to call that; the sockets are closed
   * by then. To be called when the userdata has its metatable, which plain Lua
   * must not come by (net_kept_guard), and owns nothing yet. Raises where the state has
   * ended. [-0, +0, e] */
  void (*keep)(lua_State *L, struct net_kept *kept, void (*end)(struct net_kept *kept));
};

/* Has the net that is loaded this function of struct net_capi? */
#define net_capi_has(capi, function)                                                               \
  ((capi)->size >= offsetof(struct net_capi, function) + sizeof(capi)->function &&                 \
   (capi)->function != NULL)

/* The table of the net that is loaded. Raises where that has another ABI than this page, or
 * is so old that it lacks functions that are here. [-0, +0, e] */
static inline const struct net_capi *net_capi_get(lua_State *L) {
  const struct net_capi *capi;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "net.core");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "capi");
  capi = (const struct net_capi *)lua_touserdata(L, -1);
  lua_pop(L, 2);
  if (capi == NULL) {
    luaL_error(L, "net has no net.core.capi; ABI %d of net_capi.h is wanted", NET_CAPI_ABI);
    return NULL; /* it does not come back, which a checker cannot know */
  }
  if (capi->abi != NET_CAPI_ABI)
    luaL_error(L, "built with ABI %d of net_capi.h, but net %s has ABI %d", NET_CAPI_ABI,
               capi->version, (int)capi->abi);
  if (capi->size < sizeof *capi)
    luaL_error(L, "built with the net_capi.h of a later version than net %s", capi->version);
  return capi;
}

#endif
