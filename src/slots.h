/* SPDX-License-Identifier: MIT
 *
 * slots.h - what a stream keeps in Lua: its user values, and a table of what few streams
 * have, so that the others need no room for it. */
#ifndef NET_SLOTS_H
#define NET_SLOTS_H

#include "object.h"

/* User values of a stream, behind the object's. */
enum {
  UV_WQ = UV_OWN,   /* table: the write queue's pieces and callbacks */
  UV_RARE,          /* table of RARE_*, made when first needed */
  UV_SERVER,        /* the server that accepted it */
  STREAM_UVS = UV_SERVER
};

/* What few streams have, by key in the UV_RARE table. */
enum {
  RARE_ERRORED = 1, /* the error given to destroy */
  RARE_RBUF,        /* table: chunks read and not consumed */
  RARE_ENDCBS,      /* table: callbacks of finish() */
  RARE_DECODER,     /* userdata: struct net_decoder */
  RARE_ENCODING,    /* field 'readableEncoding', if the constructor was given it */
  RARE_ONREAD,      /* function: option onread's callback */
  RARE_ONREAD_BUF,  /* integer or function: its size */
  RARE_REMOTE,      /* table: the peer's address, once it was read */
  RARE_PEER,        /* string: what accept(2) told, a sockaddr, of an address that is IPv6 */
  RARE_LOCAL,       /* table: our own, once it was read */
  RARE_DIAL,        /* userdata: the attempt under way */
  RARE_IDLE,        /* userdata: struct stream_idle, the idle timeout */
  RARE_READ_MARK,   /* field 'readableHighWaterMark', above NET_MARK_MAX */
  RARE_WRITE_MARK,  /* the same for writing */
  RARE_TIMEOUT,     /* field 'timeout': what setTimeout was given last */
  RARE_BOUND,       /* the BoundSocket that it was made from: its path is shown for good */
  RARE_PUMP,        /* the stream in 'pump' */
  RARE_PRIVATE,     /* table: what lua/net keeps with the socket; see socket.lua */
  RARE_TO,          /* the stream that has taken its handle */
  RARE_FROM         /* the stream whose handle it has taken */
};

/* The RARE table: pushes value [key] or nil; sets the value on the top. */
int net_rare_get(lua_State *L, int idx, int key);  /* type; [-0, +1, -] */
void net_rare_set(lua_State *L, int idx, int key); /* [-1, +0, m] */

#endif
