/* SPDX-License-Identifier: MIT
 *
 * layer.h - what is under an open stream changes: another layer is put on top of it, or
 * all of it goes to another stream. For capi.c, whose contract is in net_capi.h. */
#ifndef NET_LAYER_H
#define NET_LAYER_H

#include "stream/stream.h"

/* Puts a layer on the stream at absolute 'idx'; raises with nothing done where it is not
 * open, or what was written is still in the way. [-0, +0, e] */
void net_layer_install(lua_State *L, int idx, const struct net_transport *via, void *state,
                       struct net_handle *below);
/* The stream at absolute 'to' gets what is under that at 'from'. 0, and pushes the bytes
 * that 'from' had read; -EAGAIN, -EISCONN or -EBADF, with nothing done. [-0, +(1|0), e] */
int net_layer_take(lua_State *L, int to, int from);

#endif
