/* SPDX-License-Identifier: MIT
 *
 * slots.h - what a stream keeps in Lua: its user values, and a table of what few streams
 * have, so that the others need no room for it. */
#ifndef NET_SLOTS_H
#define NET_SLOTS_H

#include "loop/object.h"

/* User values of a stream, behind the object's. */
enum {
  VAL_WQ = VAL_OWN, /* table: the write queue's pieces and callbacks */
  VAL_RARE,         /* table of SLOT_*, made when first needed */
  VAL_SERVER,       /* the server that accepted it */
  STREAM_UVS = VAL_SERVER,
};

/* What few streams have, by key in the VAL_RARE table. */
enum {
  SLOT_ERRORED = 1, /* the error given to destroy */
  SLOT_RBUF,        /* table: chunks read and not consumed */
  SLOT_ENDCBS,      /* table: callbacks of finish() */
  SLOT_DECODER,     /* userdata: struct net_decoder */
  SLOT_ENCODING,    /* field 'readableEncoding', if the constructor was given it */
  SLOT_ONREAD,      /* function: option onread's callback */
  SLOT_ONREAD_BUF,  /* integer or function: its size */
  SLOT_ONREAD_SIZE, /* integer: what that function said, of a read that is to come */
  SLOT_REMOTE,      /* table: the peer's address, once it was read */
  SLOT_PEER,        /* string: what accept(2) told, a sockaddr, of an address that is IPv6, or of
                       a proxy that has told of another one */
  SLOT_LOCAL,       /* table: our own, once it was read */
  SLOT_DIAL,        /* userdata: the dial of an attempt, or to come (attempt.c) */
  SLOT_IDLE,        /* userdata: struct stream_idle, the idle timeout */
  SLOT_READ_MARK,   /* field 'readableHighWaterMark', above NET_MARK_MAX */
  SLOT_WRITE_MARK,  /* field 'writableHighWaterMark', likewise */
  SLOT_TIMEOUT,     /* field 'timeout': what setTimeout was given last */
  SLOT_BOUND,       /* the BoundSocket that it was made from: its path is shown for good */
  SLOT_PUMP,        /* the stream in 'pump' */
  SLOT_PRIVATE,     /* table: what lua/net keeps with the socket; see socket.lua */
  SLOT_TO,          /* the stream that has taken its handle, also when both are closed */
  SLOT_FROM,        /* the stream whose handle it has taken */
  SLOT_TASKS,       /* userdata: struct net_waiters */
  SLOT_LIMIT,       /* userdata: the Timeout of net_stream_limit, while it runs */
  SLOT_PROXY        /* string: the header of the PROXY protocol that it began with */
};

/* The RARE table: pushes value [key] or nil; sets the value on the top. */
int net_rare_get(lua_State *L, int idx, int key);  /* type; [-0, +1, -] */
void net_rare_set(lua_State *L, int idx, int key); /* [-1, +0, m] */

#endif
