/* SPDX-License-Identifier: MIT
 *
 * forks.c - of which process a connection is. See forks.h.
 *
 * A number and not getpid(2): that is a system call for each read and write. */
#include "tls/base/forks.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int error;
static unsigned forks;

static void in_child(void) { forks++; }

static void watch(void) { error = pthread_atfork(NULL, NULL, in_child); }

int net_tls_forks_watch(void) {
  pthread_once(&once, watch);
  return error;
}

unsigned net_tls_forks(void) { return forks; }
