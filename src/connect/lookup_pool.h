/* SPDX-License-Identifier: MIT
 *
 * lookup_pool.h - getaddrinfo(3), and getnameinfo(3), on a few threads. No Lua in here.
 *
 *     add ─▶ waiting ─(thread: getaddrinfo)─▶ done ─ev_async─▶ on_done ─▶ net_lookup_pool_done
 *
 * All functions are called from the thread that runs the loop. A job belongs to
 * the pool from net_lookup_pool_add until net_lookup_pool_done gives it back. Codes are
 * libuv's, 0 for success; net_errname knows their names. */
#ifndef NET_LOOKUP_POOL_H
#define NET_LOOKUP_POOL_H

#include <ev.h>
#include <netdb.h>
#include <stddef.h>

#define NET_POOL_THREADS 4
#define NET_POOL_QUEUE 4096 /* jobs that may wait for a thread */

enum {
  NET_EAI_AGAIN = -3001,
  NET_EAI_FAIL = -3004,
  NET_EAI_MEMORY = -3006,
  NET_EAI_NODATA = -3007,
  NET_EAI_NONAME = -3008,
};

struct net_lookup_pool;

struct net_job {
  struct net_job *next; /* the pool's */
  void *owner;          /* the caller's; threads never look at it */
  struct addrinfo hints;
  struct addrinfo *answer; /* owned; NULL until it is done, and after a failure */
  int code;
  int reverse; /* the host is an address, of which the name is asked */
  char *name;  /* owned; that name, NULL as 'answer' */
  char host[]; /* ends in NUL */
};

/* A new job for the 'len' bytes of 'host'; NULL without memory. */
struct net_job *net_job_new(const char *host, size_t len, const struct addrinfo *hints);
/* Frees a job that no pool has; NULL is fine. */
void net_job_free(struct net_job *job);

/* A pool without threads yet, whose on_done is called with data in 'w->data'
 * when jobs are done; it does not hold the loop. NULL without memory. */
struct net_lookup_pool *net_lookup_pool_new(struct ev_loop *ev,
                                            void (*on_done)(EV_P_ ev_async *, int), void *data);
/* Gives the pool up. Nobody waits for its threads: what they still hold is freed
 * when the last one has returned from getaddrinfo. */
void net_lookup_pool_close(struct net_lookup_pool *p);

/* Queues a job. NET_EAI_AGAIN, and the job stays the caller's: the queue is full,
 * or the system gives not even one thread. */
int net_lookup_pool_add(struct net_lookup_pool *p, struct net_job *job);
/* The next job that is done, which is the caller's now; NULL for none. */
struct net_job *net_lookup_pool_done(struct net_lookup_pool *p);
/* Gives that one back, to be the next again. */
void net_lookup_pool_return(struct net_lookup_pool *p, struct net_job *job);
/* Has on_done called again: something was left. */
void net_lookup_pool_again(struct net_lookup_pool *p);
/* Nobody waits for the job any more: frees one that no thread has begun, and
 * leaves any other to come out of net_lookup_pool_done without an owner. */
void net_lookup_pool_drop(struct net_lookup_pool *p, struct net_job *job);

#endif
