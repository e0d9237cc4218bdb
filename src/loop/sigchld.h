/* SPDX-License-Identifier: MIT
 *
 * sigchld.h - SIGCHLD, without libev's way of hearing it.
 *
 * libev's default loop answers SIGCHLD with waitpid(-1), which takes the status of every
 * child there is, also of io.popen's. So nobody here hears it by an ev_signal: a handler
 * of our own wakes the loop, and then calls the one that was there before. */
#ifndef NET_SIGCHLD_H
#define NET_SIGCHLD_H

struct net_loop;

/* One who wants to hear it; part of who that is. All zero: does not listen. */
struct net_sigchld {
  void (*caught)(struct net_sigchld *w); /* on the loop; may stop it, and others */
  struct net_sigchld *next;              /* borrowed */
  int active;
};

/* To be called around the making of libev's default loop, which takes the signal: it is
 * left as it was. */
void net_sigchld_keep(void);
void net_sigchld_give_back(void);

/* From here on until net_sigchld_stop, w->caught is called some time after each SIGCHLD;
 * several that come at once may be one. Needs no memory. */
void net_sigchld_start(struct net_loop *loop, struct net_sigchld *w);
void net_sigchld_stop(struct net_loop *loop, struct net_sigchld *w);
/* Has all who listen called once more. */
void net_sigchld_again(struct net_loop *loop);
/* Where the signal is ignored the system keeps no child's status: it is not, from here on. */
void net_sigchld_heed(void);

#endif
