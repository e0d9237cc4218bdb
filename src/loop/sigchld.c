/* SPDX-License-Identifier: MIT
 *
 * sigchld.c - SIGCHLD, without libev's way of hearing it. See sigchld.h.
 *
 * The signal, its handler and the list of who listens are the process's, as libev's
 * default loop is. The handler is there only while somebody listens; if another one has
 * been put in its place meanwhile, that one stays. signalfd(2) was refused: it needs the
 * signal blocked, and children would inherit that. */
#include "loop/sigchld.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stddef.h>

#include "loop/loop.h"

static struct sigaction before;       /* what the signal did before our handler */
static struct ev_loop *heard_by;      /* borrowed; set while the handler is there */
static struct net_sigchld *listeners; /* the newest first */
static ev_async wake;

static void on_signal(int signum, siginfo_t *info, void *context) {
  int err = errno;
  ev_async_send(heard_by, &wake);
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(signum, info, context);
  else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    before.sa_handler(signum);
  errno = err;
}

/* Those who listen may change in each call: they are asked anew who has not been called. */
static void on_wake(struct ev_loop *ev, ev_async *w, int revents) {
  (void)ev, (void)w, (void)revents;
  struct net_sigchld *next;
  for (struct net_sigchld *each = listeners; each; each = each->next)
    each->active = 2;
  do {
    for (next = listeners; next && next->active != 2;)
      next = next->next;
    if (next) {
      next->active = 1;
      next->caught(next);
    }
  } while (next);
}

static void handler_start(struct ev_loop *ev) {
  struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
  sigemptyset(&ours.sa_mask);
  ours.sa_sigaction = on_signal;
  ev_async_init(&wake, on_wake);
  ev_set_priority(&wake, EV_MINPRI); /* behind all descriptors */
  ev_async_start(ev, &wake);
  ev_unref(ev);
  heard_by = ev;
  sigaction(SIGCHLD, NULL, &before); /* first: the handler reads it */
  sigaction(SIGCHLD, &ours, NULL);
}

static void handler_stop(struct ev_loop *ev) {
  struct sigaction now;
  sigaction(SIGCHLD, NULL, &now);
  if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_signal)
    return; /* somebody's who may call ours */
  sigaction(SIGCHLD, &before, NULL);
  ev_ref(ev);
  ev_async_stop(ev, &wake);
  heard_by = NULL;
}

void net_sigchld_start(struct net_loop *loop, struct net_sigchld *w) {
  if (w->active || loop->ev == NULL)
    return;
  if (heard_by == NULL)
    handler_start(loop->ev);
  w->next = listeners;
  w->active = 1;
  listeners = w;
}

void net_sigchld_stop(struct net_loop *loop, struct net_sigchld *w) {
  if (!w->active)
    return;
  struct net_sigchld **at = &listeners;
  while (*at != w)
    at = &(*at)->next;
  *at = w->next;
  w->active = 0;
  if (listeners == NULL && loop->ev)
    handler_stop(loop->ev);
}

void net_sigchld_again(struct net_loop *loop) { ev_async_send(loop->ev, &wake); }

/* Makes it one that keeps what children end with; returns whether it was none. */
static int heed(struct sigaction *action) {
  int ignored = !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
  int lost = ignored || action->sa_flags & SA_NOCLDWAIT;
  if (ignored)
    action->sa_handler = SIG_DFL;
  action->sa_flags &= ~SA_NOCLDWAIT;
  return lost;
}

void net_sigchld_heed(void) {
  struct sigaction now;
  sigaction(SIGCHLD, NULL, &now);
  if (heed(&now))
    sigaction(SIGCHLD, &now, NULL);
  (void)heed(&before); /* which will be given back */
}

/* --- libev's own ----------------------------------------------------------------- */

static struct sigaction kept;

void net_sigchld_keep(void) { sigaction(SIGCHLD, NULL, &kept); }

void net_sigchld_give_back(void) { sigaction(SIGCHLD, &kept, NULL); }
