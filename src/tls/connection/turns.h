/* SPDX-License-Identifier: MIT
 *
 * turns.h - whose handshake goes on next, and how long those of a turn may take. */
#ifndef NET_TLS_TURNS_H
#define NET_TLS_TURNS_H

#include "tls/connection/connection.h"

/* The connection wants to go on: it is told by 'ready' when its time has come. */
void net_tls_turns_join(struct net_tls *t);
/* May it, now? If so it has left the queue, and net_tls_turns_spent is to follow. */
int net_tls_turns_may(struct net_tls *t);
/* What that has cost, in nanoseconds. */
void net_tls_turns_spent(struct net_tls *t, long cost);
/* It is closed. */
void net_tls_turns_leave(struct net_tls *t);

#endif
