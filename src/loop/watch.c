/* SPDX-License-Identifier: MIT
 *
 * watch.c - libev's default loop as we take it, and watchers of descriptors. See watch.h.
 *
 * A poll that follows the start of a watcher does not wait (turn.c): libev would wait for
 * a minute before it tells that the watcher was refused. errno is all that says why; it
 * is 0 when libev begins, and what libev mends by itself is not taken for the reason. A
 * second epoll instance, to ask the kernel again, was refused: it may have other limits,
 * and is one more descriptor where they may be short. */
#include "loop/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/sigchld.h"

static void on_async(struct ev_loop *ev, ev_async *w, int revents) {
  (void)ev, (void)w, (void)revents;
}

/* --- the default loop -------------------------------------------------------- */

static int made; /* by us, and not by a host */

/* One turn of a loop that nothing else is in. */
struct trial {
  ev_prepare prepare;
  ev_check check; /* first after the poll */
  ev_idle idle;   /* the poll does not wait */
  ev_async async; /* has libev make what it wakes the poll with */
  int turns;
  int err; /* errno after the poll */
};

static void on_trial_prepare(struct ev_loop *ev, ev_prepare *w, int revents) {
  struct trial *t = w->data;
  (void)revents;
  errno = 0;
  if (++t->turns > 1)
    ev_break(ev, EVBREAK_ALL);
}

static void on_trial_check(struct ev_loop *ev, ev_check *w, int revents) {
  struct trial *t = w->data;
  (void)ev, (void)revents;
  if (t->turns == 1)
    t->err = errno;
}

static void on_trial_idle(struct ev_loop *ev, ev_idle *w, int revents) {
  (void)ev, (void)w, (void)revents;
}

static void trial_start(struct ev_loop *ev, struct trial *t) {
  ev_prepare_init(&t->prepare, on_trial_prepare);
  ev_check_init(&t->check, on_trial_check);
  ev_idle_init(&t->idle, on_trial_idle);
  ev_async_init(&t->async, on_async);
  ev_set_priority(&t->check, EV_MAXPRI);
  t->prepare.data = t->check.data = t;
  ev_prepare_start(ev, &t->prepare);
  ev_check_start(ev, &t->check);
  ev_idle_start(ev, &t->idle);
  ev_async_start(ev, &t->async);
}

static void trial_stop(struct ev_loop *ev, struct trial *t) {
  ev_prepare_stop(ev, &t->prepare);
  ev_check_stop(ev, &t->check);
  ev_idle_stop(ev, &t->idle);
  ev_async_stop(ev, &t->async);
}

/* Signals and threads wake the poll by a descriptor of libev's own, which is put into
 * the poller with the first poll. If the system refuses that, libev is silent, and from
 * then on takes its loop for less held than it is: this loop, held by nothing, has a
 * second turn. 0, or -errno. */
static int try_loop(struct ev_loop *ev) {
  struct trial t = { .turns = 0 };
  trial_start(ev, &t);
  for (int i = 0; i < 4; i++)
    ev_unref(ev); /* of its four watchers */
  ev_run(ev, 0);
  int refused = t.turns > 1;
  for (int i = 0; i < 4 + refused; i++)
    ev_ref(ev);
  trial_stop(ev, &t);
  return refused ? t.err ? -t.err : -ENOMEM : 0;
}

/* A program may be started without standard streams. The first descriptors that it opens
 * would be those, and get what it prints, or be what its children inherit: as in Node it
 * has /dev/null there. */
static void hold_standard_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      (void)open("/dev/null", O_RDWR); /* takes the lowest that is free */
}

/* libev's default loop takes SIGCHLD and reaps every child there is, so that
 * io.popen's close() would find none. A loop that we make leaves the signal as
 * it was; one that somebody had made before us is theirs to say. */
struct ev_loop *net_watch_loop(int *err) {
  *err = 0;
  if (ev_default_loop_uc_() != NULL)
    return ev_default_loop(EVFLAG_AUTO);
  hold_standard_streams();
  net_sigchld_keep();
  struct ev_loop *ev = ev_default_loop(EVFLAG_AUTO);
  net_sigchld_give_back();
  made = 1;
  if (ev == NULL)
    return NULL;
  *err = try_loop(ev);
  if (*err < 0)
    *err = try_loop(ev); /* the second trial makes the descriptor anew */
  return *err < 0 ? NULL : ev;
}

int net_watch_reaps(void) { return !made; }

/* --- watchers ------------------------------------------------------------------ */

void net_io_start(struct net_loop *loop, ev_io *w) {
  if (ev_is_active(w) || loop->ev == NULL)
    return;
  ev_io_start(loop->ev, w);
  ev_unref(loop->ev);
  loop->started = 1;
}

void net_io_stop(struct net_loop *loop, ev_io *w) {
  if (ev_is_pending(w) && ev_clear_pending(loop->ev, w) & EV_ERROR)
    ev_ref(loop->ev); /* refused, and not told yet */
  if (!ev_is_active(w))
    return;
  ev_ref(loop->ev);
  ev_io_stop(loop->ev, w);
}

/* Has libev make its own descriptor anew, if that was refused as well. */
static void revive(struct ev_loop *ev) {
  ev_async async;
  ev_async_init(&async, on_async);
  ev_async_start(ev, &async);
  ev_async_stop(ev, &async);
}

int net_watch_refused(struct net_loop *loop, ev_io *w) {
  loop->miscounted = loop->started = 1;
  revive(loop->ev);
  ev_ref(loop->ev); /* libev has stopped it, as if it were counted */
  if (!ev_is_active(w))
    ev_io_set(w, w->fd, w->events & (EV_READ | EV_WRITE)); /* or a start would do nothing */
  return fcntl(w->fd, F_GETFD) < 0 ? -errno : loop->refusal;
}

const char *net_io_call(const struct net_loop *loop) {
  switch (ev_backend(loop->ev)) {
    case EVBACKEND_EPOLL: return "epoll_ctl";
    case EVBACKEND_KQUEUE: return "kevent";
    case EVBACKEND_SELECT: return "select";
    default: return "poll";
  }
}

void net_watch_after(struct net_loop *loop) {
  switch (errno) {
    case 0:
    case ENOENT:
    case EEXIST:
    case EPERM:
    case EINTR:
    case EAGAIN:
      loop->refusal = -ENOMEM; /* libev has gone on after these */
      break;
    default:
      loop->refusal = -errno;
      if (loop->forked) { /* maybe its own descriptor, of which nobody is told */
        loop->miscounted = 1;
        revive(loop->ev);
      }
  }
  loop->forked = 0;
}
