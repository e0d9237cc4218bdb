/* SPDX-License-Identifier: MIT
 *
 * reap.h - how it is heard that a child has ended, and with what.
 *
 * Each child is waited for by its own pid, never by waitpid(-1): io.popen's are nobody
 * else's. See reap.c for the ways there are. */
#ifndef NET_REAP_H
#define NET_REAP_H

#include <ev.h>
#include <sys/types.h>

#include "loop/atexit.h"
#include "loop/loop.h"
#include "loop/sigchld.h"

/* One child; part of its owner, who sets 'ended' and 'pidfd' to -1, all else to 0. */
struct net_reap {
  void (*ended)(struct net_reap *r); /* on the loop, and again until net_reap_stop: it has
                                  ended, maybe; dispatches */
  struct net_loop *loop;             /* borrowed */
  pid_t pid;                         /* 0: no child, or its status is there */
  int over;                          /* 'status' is there */
  int status;                        /* as waitpid's, or a negative errno if nobody has it */
  int pidfd;                         /* owned; -1: none */
  struct net_unshared own;           /* by which a child made by fork(2) closes it */
  ev_io io;                          /* of 'pidfd' */
  struct net_sigchld chld;           /* where there is no 'pidfd' */
  ev_child host;                     /* where libev reaps */
  int hosted;                        /* 'host' is active */
};

/* Has 'ended' called when the child 'pid' has ended. Needs no memory. */
void net_reap_start(struct net_reap *r, struct net_loop *loop, pid_t pid);
/* Looks whether it has; from then on r->over. */
int net_reap_look(struct net_reap *r);
/* 'ended' is not called any more. */
void net_reap_stop(struct net_reap *r);
/* Has 'ended' called once more, if no descriptor does. */
void net_reap_again(struct net_reap *r);

#endif
