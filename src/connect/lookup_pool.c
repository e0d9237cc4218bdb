/* SPDX-License-Identifier: MIT
 *
 * lookup_pool.c - getaddrinfo(3) on a few threads.
 *
 * The C library alone knows what this machine calls a name (hosts, nsswitch,
 * search domains, mDNS), and it blocks; hence threads. At most four, started
 * one by one while there is more to do than idle hands, with all signals
 * blocked, so that a host's handlers run where they always did. A DNS client of
 * our own on the loop was refused: it would find other names than `ping` does.
 *
 * The pool is counted memory. Its owner's share ends with net_lookup_pool_close, a
 * thread's when it returns; one that hangs inside getaddrinfo then comes back
 * to a closed pool, and drops the last share. For that the library is linked
 * never to be unmapped (-z nodelete). A child made by fork(2) has none of the threads:
 * it hires its own, and what they were about is never answered there. */
#include "connect/lookup_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
  struct net_job *first, *last;
};

struct net_lookup_pool {
  pthread_mutex_t lock; /* guards all that is below */
  pthread_cond_t work;  /* signalled for each job, broadcast when closed */
  struct list waiting, done;
  unsigned queued;    /* jobs in 'waiting' */
  unsigned idle;      /* threads that wait for 'work' */
  unsigned threads;   /* running; each has a share */
  int closed;         /* the owner's share has ended */
  struct ev_loop *ev; /* borrowed; used while not closed */
  ev_async wake;      /* the loop's own, but for ev_async_send */
  pid_t pid;          /* the loop's own: the process that the threads are of */
};

/* --- jobs ------------------------------------------------------------------- */

struct net_job *net_job_new(const char *host, size_t len, const struct addrinfo *hints) {
  struct net_job *job = calloc(1, sizeof *job + len + 1);
  if (job == NULL)
    return NULL;
  memcpy(job->host, host, len);
  job->hints = *hints;
  return job;
}

void net_job_free(struct net_job *job) {
  if (job == NULL)
    return;
  if (job->answer)
    freeaddrinfo(job->answer);
  free(job->name);
  free(job);
}

static void list_push(struct list *l, struct net_job *job) {
  job->next = NULL;
  if (l->last)
    l->last->next = job;
  else
    l->first = job;
  l->last = job;
}

static struct net_job *list_shift(struct list *l) {
  struct net_job *job = l->first;
  if (job == NULL)
    return NULL;
  l->first = job->next;
  if (l->first == NULL)
    l->last = NULL;
  return job;
}

/* Takes 'job' out of the middle; 0 if it is not there. */
static int list_remove(struct list *l, struct net_job *job) {
  struct net_job *before = NULL;
  for (struct net_job *j = l->first; j; before = j, j = j->next) {
    if (j != job)
      continue;
    if (before)
      before->next = j->next;
    else
      l->first = j->next;
    if (l->last == j)
      l->last = before;
    return 1;
  }
  return 0;
}

static void list_free(struct list *l) {
  struct net_job *job;
  while ((job = list_shift(l)) != NULL)
    net_job_free(job);
}

/* An EAI_* as libuv numbers it; the first row counts where two have one value. */
static int code_of(int eai, int saved_errno) {
  static const struct {
    int eai, code;
  } codes[] = {
    { EAI_AGAIN, NET_EAI_AGAIN },   { EAI_BADFLAGS, -3002 },        { EAI_FAIL, NET_EAI_FAIL },
    { EAI_FAMILY, -3005 },          { EAI_MEMORY, NET_EAI_MEMORY }, { EAI_NONAME, NET_EAI_NONAME },
    { EAI_SERVICE, -3010 },         { EAI_SOCKTYPE, -3011 },
#ifdef EAI_OVERFLOW
    { EAI_OVERFLOW, -3009 },
#endif
#ifdef EAI_NODATA
    { EAI_NODATA, NET_EAI_NODATA },
#endif
#ifdef EAI_ADDRFAMILY
    { EAI_ADDRFAMILY, -3000 },
#endif
#ifdef EAI_CANCELED
    { EAI_CANCELED, -3003 },
#endif
  };
  if (eai == 0)
    return 0;
  if (eai == EAI_SYSTEM && saved_errno > 0)
    return -saved_errno;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i].eai == eai)
      return codes[i].code;
  return NET_EAI_FAIL; /* which says no more than that */
}

/* From the address that was found to its name. */
static int job_reverse(struct net_job *job) {
  const struct addrinfo *ai = job->answer;
  job->name = malloc(NI_MAXHOST);
  if (job->name == NULL)
    return EAI_MEMORY;
  int eai = getnameinfo(ai->ai_addr, ai->ai_addrlen, job->name, NI_MAXHOST, NULL, 0, NI_NAMEREQD);
  if (eai != 0) {
    free(job->name);
    job->name = NULL;
  }
  return eai;
}

static void job_run(struct net_job *job) {
  errno = 0;
  int eai = getaddrinfo(job->host, NULL, &job->hints, &job->answer);
  if (eai != 0)
    job->answer = NULL;
  else if (job->reverse)
    eai = job_reverse(job);
  job->code = code_of(eai, errno);
}

/* --- threads ------------------------------------------------------------------ */

/* Gives the lock back; frees the pool if the last share has ended. */
static void pool_leave(struct net_lookup_pool *p) {
  int last = p->closed && p->threads == 0;
  pthread_mutex_unlock(&p->lock);
  if (!last)
    return;
  list_free(&p->waiting);
  list_free(&p->done);
  pthread_cond_destroy(&p->work);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

/* The next job, or NULL when it is time to go. With the lock held. */
static struct net_job *pool_next(struct net_lookup_pool *p) {
  while (p->waiting.first == NULL && !p->closed) {
    p->idle++;
    pthread_cond_wait(&p->work, &p->lock);
    p->idle--;
  }
  if (p->closed)
    return NULL;
  p->queued--;
  return list_shift(&p->waiting);
}

static void *pool_thread(void *arg) {
  struct net_lookup_pool *p = arg;
  struct net_job *job;
  pthread_mutex_lock(&p->lock);
  while ((job = pool_next(p)) != NULL) {
    pthread_mutex_unlock(&p->lock);
    job_run(job);
    pthread_mutex_lock(&p->lock);
    list_push(&p->done, job);
    if (!p->closed)
      ev_async_send(p->ev, &p->wake);
  }
  p->threads--;
  pool_leave(p);
  return NULL;
}

/* Starts a thread if there is more to do than idle hands. With the lock held. */
static int pool_hire(struct net_lookup_pool *p) {
  sigset_t all, before;
  pthread_attr_t attr;
  pthread_t id;
  if (p->idle >= p->queued || p->threads >= NET_POOL_THREADS)
    return 0;
  int err = pthread_attr_init(&attr);
  if (err != 0)
    return -err;
  sigfillset(&all);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  err = pthread_create(&id, &attr, pool_thread, p);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  if (err == 0)
    p->threads++;
  return -err;
}

/* --- the loop's side ------------------------------------------------------------ */

/* No threads yet. Returns 0, or an errno. */
static int pool_init(struct net_lookup_pool *p) {
  int err = pthread_mutex_init(&p->lock, NULL);
  if (err != 0)
    return err;
  err = pthread_cond_init(&p->work, NULL);
  if (err != 0) {
    pthread_mutex_destroy(&p->lock);
    return err;
  }
  p->threads = p->idle = 0;
  p->pid = getpid();
  return 0;
}

/* After a fork the lock may be one that a thread of the parent's holds. */
static void pool_lock(struct net_lookup_pool *p) {
  if (p->pid != getpid())
    (void)pool_init(p);
  pthread_mutex_lock(&p->lock);
}

struct net_lookup_pool *net_lookup_pool_new(struct ev_loop *ev,
                                            void (*on_done)(EV_P_ ev_async *, int), void *data) {
  struct net_lookup_pool *p = calloc(1, sizeof *p);
  if (p == NULL)
    return NULL;
  if (pool_init(p) != 0) {
    free(p);
    return NULL;
  }
  p->ev = ev;
  ev_async_init(&p->wake, on_done);
  p->wake.data = data;
  ev_async_start(ev, &p->wake);
  ev_unref(ev);
  return p;
}

void net_lookup_pool_close(struct net_lookup_pool *p) {
  pool_lock(p);
  p->closed = 1;
  pthread_cond_broadcast(&p->work);
  ev_ref(p->ev);
  ev_async_stop(p->ev, &p->wake);
  pool_leave(p);
}

int net_lookup_pool_add(struct net_lookup_pool *p, struct net_job *job) {
  int code = 0;
  pool_lock(p);
  if (p->queued >= NET_POOL_QUEUE) {
    code = NET_EAI_AGAIN;
  } else {
    p->queued++;
    if (pool_hire(p) < 0 && p->threads == 0) {
      p->queued--;
      code = NET_EAI_AGAIN;
    } else {
      list_push(&p->waiting, job);
      pthread_cond_signal(&p->work);
    }
  }
  pthread_mutex_unlock(&p->lock);
  return code;
}

struct net_job *net_lookup_pool_done(struct net_lookup_pool *p) {
  pool_lock(p);
  struct net_job *job = list_shift(&p->done);
  pthread_mutex_unlock(&p->lock);
  return job;
}

void net_lookup_pool_return(struct net_lookup_pool *p, struct net_job *job) {
  pool_lock(p);
  job->next = p->done.first;
  p->done.first = job;
  if (p->done.last == NULL)
    p->done.last = job;
  pthread_mutex_unlock(&p->lock);
}

void net_lookup_pool_again(struct net_lookup_pool *p) { ev_async_send(p->ev, &p->wake); }

void net_lookup_pool_drop(struct net_lookup_pool *p, struct net_job *job) {
  pool_lock(p);
  int begun = !list_remove(&p->waiting, job);
  p->queued -= !begun;
  pthread_mutex_unlock(&p->lock);
  job->owner = NULL;
  if (!begun)
    net_job_free(job);
}
