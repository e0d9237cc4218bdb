/* SPDX-License-Identifier: MIT
 *
 * pump.h - a pipe() between two sockets, as long as nobody looks at the data.
 *
 * lua/net/internal/socket/pipe.lua listens to the source's 'data', hidden, and names the
 * destination. While that is the only listener, and neither side has anything in
 * the way, what is read is sent at once and Lua never sees it; all else about a
 * pipe, its events and who waits for whom, stays in pipe.lua. */
#ifndef NET_PUMP_H
#define NET_PUMP_H

#include <lua.h>
#include <stddef.h>

#include "loop/loop.h"

struct net_stream;

/* Its address, a light userdata in core.stream.written, stands for a chunk that the
 * destination has already, and whose write() answered false. */
extern const char net_pump_written;

/* The listeners of the stream's 'data' have changed: may it be pumped? Sets
 * 's->pump'. [-0, +0, m] */
void net_pump_review(lua_State *L, int idx);
/* May what arrives on 's', which has a 'pump', go straight there now? [-0, +0, m] */
int net_pump_ready(lua_State *L, const struct net_stream *s);
/* Reads once, as net_stream_read; only net_pump_pass knows where the bytes are. */
ssize_t net_pump_read(struct net_stream *s);
/* Sends the 'n' bytes that net_pump_read has read from the stream; what the
 * kernel refuses joins the destination's queue, and if that is long pipe.lua's
 * listener is called, with the address of net_pump_written. [-0, +0, e] */
void net_pump_pass(lua_State *L, struct net_stream *s, size_t n);
/* The stream is not pumped in bulk any more. */
void net_pump_leave(struct net_stream *s);

#endif
