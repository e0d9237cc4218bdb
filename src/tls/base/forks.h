/* SPDX-License-Identifier: MIT
 *
 * forks.h - of which process a connection is: a child made by fork(2) has a copy of each. */
#ifndef NET_TLS_FORKS_H
#define NET_TLS_FORKS_H

/* Begins to count; an errno, or 0. Once is enough. */
int net_tls_forks_watch(void);
/* How many forks lie between the process that began and this one. */
unsigned net_tls_forks(void);

#endif
