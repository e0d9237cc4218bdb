/* SPDX-License-Identifier: MIT
 *
 * flow.h - bytes between a connection and what is below it. */
#ifndef NET_TLS_FLOW_H
#define NET_TLS_FLOW_H

#include "tls/connection/connection.h"

/* Begins a call of OpenSSL's: the SSL has the scratch buffers, the error queue is empty.
 * 0, or -ENOMEM, and then there is nothing to leave. What waits to be sent, if below has
 * not refused it yet, is in front of what comes. */
int net_tls_enter(struct net_tls *t);
/* Amid it: what is to be sent waits on the heap, and there is room for more. 0: no memory. */
int net_tls_make_room(struct net_tls *t);
/* Ends it: what is left of the window is kept. What is to be sent goes below, or with
 * 'hold' waits for the next call. */
void net_tls_leave(struct net_tls *t, int hold);
/* Reads ciphertext below into the window, which is empty. How many bytes; 0 the end;
 * negative as a transport's read. */
ssize_t net_tls_fill(struct net_tls *t, size_t size);
/* Ends it where the layer was closed meanwhile, by a call of Lua's amid OpenSSL's: frees what
 * is left of the connection. */
void net_tls_abandon(struct net_tls *t);
/* Sends what waits; 'more': more follows at once, or the end. Its failure is in
 * 'unsendable'. */
void net_tls_flush(struct net_tls *t, int more);
/* Is there something for 'read' to tell that no poll tells? */
int net_tls_is_here(const struct net_tls *t);
/* Notes what OpenSSL says of a call that has failed for good. */
void net_tls_fail(struct net_tls *t);
/* Has the other side ended by close_notify, where SSL_get_error says that? OpenSSL 3.5's answer
 * is wrong in TLS 1.3 where a warning came before, as Java sends one: an error of which it says
 * nothing. */
int net_tls_has_ended(const struct net_tls *t, int why);
/* The same as net_tls_fail where it was to give plain bytes: that it wants more is no failure,
 * and the other side may have ended. */
void net_tls_stop(struct net_tls *t);

#endif
