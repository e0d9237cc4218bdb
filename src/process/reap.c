/* SPDX-License-Identifier: MIT
 *
 * reap.c - how it is heard that a child has ended. See reap.h.
 *
 * The best way is pidfd_open(2): a descriptor of the process, which polls readable from
 * its end on. Where the system has none or gives none (Linux before 5.3, seccomp, too many
 * descriptors), SIGCHLD says that some child has changed, and each that is watched so is
 * asked. Where a host has made libev's loop, libev answers the signal with waitpid(-1),
 * and has the status before us: an ev_child tells it. */
#include "process/reap.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"
#include "base/sys.h"
#include "loop/dispatch.h"
#include "loop/watch.h"

static void close_pidfd(struct net_reap *r) {
  net_atexit_share(&r->own);
  net_sys_close(r->pidfd);
  r->pidfd = -1;
}

static void on_pidfd(struct ev_loop *ev, ev_io *w, int revents) {
  struct net_reap *r = net_container_of(w, struct net_reap, io);
  int err = net_io_refused(r->loop, w, revents);
  (void)ev;
  if (r->pidfd < 0)
    return; /* in a child of fork(2), before the turn's first look at that */
  if (err < 0) {
    close_pidfd(r);
    net_sigchld_start(r->loop, &r->chld);
  }
  r->ended(r);
}

/* Like all signals it comes behind the turn's descriptors, and when those have run. */
static void on_chld(struct net_sigchld *w) {
  struct net_reap *r = net_container_of(w, struct net_reap, chld);
  struct net_loop *loop = r->loop;
  r->ended(r);
  net_ready_run(loop);
}

/* libev has had its status: that of a child which was stopped, or goes on, is none. */
static void on_host(struct ev_loop *ev, ev_child *w, int revents) {
  struct net_reap *r = net_container_of(w, struct net_reap, host);
  (void)ev, (void)revents;
  if (r->over || !(WIFEXITED(w->rstatus) || WIFSIGNALED(w->rstatus)))
    return;
  r->status = w->rstatus;
  r->over = 1;
  r->pid = 0;
  r->ended(r);
}

static void host_start(struct net_reap *r) {
  ev_child_init(&r->host, on_host, r->pid, 0);
  ev_child_start(r->loop->ev, &r->host);
  ev_unref(r->loop->ev);
  r->hosted = 1;
}

static void host_stop(struct net_reap *r) {
  if (!r->hosted)
    return;
  ev_ref(r->loop->ev);
  ev_child_stop(r->loop->ev, &r->host);
  r->hosted = 0;
}

void net_reap_start(struct net_reap *r, struct net_loop *loop, pid_t pid) {
  r->loop = loop;
  r->pid = pid;
  r->chld.caught = on_chld;
  if (net_watch_reaps())
    host_start(r);
  if (net_sys_pidfd(pid, &r->pidfd) == 0) {
    net_atexit_unshare(&r->own, &r->pidfd);
    ev_io_init(&r->io, on_pidfd, r->pidfd, EV_READ);
    net_io_start(loop, &r->io);
  } else {
    net_sigchld_start(loop, &r->chld);
    net_sigchld_again(loop); /* it may have ended before */
  }
}

int net_reap_look(struct net_reap *r) {
  int status;
  if (r->over || r->pid == 0)
    return r->over;
  pid_t pid;
  do
    pid = waitpid(r->pid, &status, WNOHANG);
  while (pid < 0 && errno == EINTR);
  if (pid == 0)
    return 0;
  r->status = pid < 0 ? -errno : status;
  r->over = 1;
  r->pid = 0;
  return 1;
}

void net_reap_stop(struct net_reap *r) {
  if (r->loop == NULL)
    return;
  net_sigchld_stop(r->loop, &r->chld);
  host_stop(r);
  if (ev_is_active(&r->io))
    net_io_stop(r->loop, &r->io);
  if (r->pidfd >= 0)
    close_pidfd(r);
}

void net_reap_again(struct net_reap *r) {
  if (r->pidfd < 0 && r->chld.active)
    net_sigchld_again(r->loop);
}
