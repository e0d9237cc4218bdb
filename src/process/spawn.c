/* SPDX-License-Identifier: MIT
 *
 * spawn.c - a new process. See spawn.h.
 *
 * vfork(2): fork copies the tables of all our memory, which for a big program takes
 * longer than all else here, and may be refused where memory is short. The child borrows
 * our memory and this thread's stack until exec, so it calls only what is
 * async-signal-safe, with all signals blocked, and tells what failed through a
 * close-on-exec pipe: not through memory, as under valgrind vfork is fork. With ids it is
 * fork in truth: the C library's setuid(2) speaks to all threads, which would be ours.
 *
 * posix_spawn(3) was refused: it has no way to a directory or ids that all systems share,
 * and does not tell which descriptors are left open in a program with threads.
 *
 * What differs between systems about processes is here, as all else is in base/. */
#include "base/platform.h"

#include "process/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"

#if defined(__linux__) && !defined(NET_PORTABLE)
#if !defined(SYS_close_range) && !defined(__alpha__)
#define SYS_close_range 436
#endif
#define HAVE_VFORK 1 /* elsewhere it is fork, or deprecated */
#endif

#ifndef NSIG
#define NSIG 65
#endif

#ifndef __GLIBC__
extern char **environ;
#endif

#define MOST_DESCRIPTORS 1048576 /* that are looked through where the system tells nothing */

static int result(int rc) { return rc < 0 ? -errno : 0; }

/* 0 where the system has no such call, or forbids it. */
static int close_range_from(unsigned first, unsigned last) {
#ifdef SYS_close_range
  return syscall(SYS_close_range, first, last, 0) == 0;
#else
  (void)first, (void)last;
  return 0;
#endif
}

/* --- in the child ---------------------------------------------------------------- */

struct child {
  const struct net_spawn *s;
  int report;  /* where an error goes to */
  int highest; /* descriptor that there may be, where close_range(2) does not close all */
};

/* Moves a descriptor of ours above the places, where nothing is put over it. */
static int move_up(int *fd, int count) {
  int up = fcntl(*fd, F_DUPFD_CLOEXEC, count);
  if (up >= 0)
    *fd = up;
  return result(up);
}

static int put(int fd, int i) {
  int rc;
  do
    rc = dup2(fd, i);
  while (rc < 0 && errno == EINTR);
  return result(rc);
}

/* /dev/null at place 'i'. */
static int place_null(int i) {
  int fd;
  do
    fd = open("/dev/null", i == 0 ? O_RDONLY : O_RDWR);
  while (fd < 0 && errno == EINTR);
  if (fd < 0 || fd == i)
    return result(fd);
  int err = put(fd, i);
  (void)close(fd);
  return err;
}

/* The standard ones are made blocking, as programs take them to be. */
static int place_one(int fd, int i) {
  int flags;
  if (fd == NET_SPAWN_NULL)
    return place_null(i);
  if (fd == NET_SPAWN_CLOSED)
    return (void)close(i), 0;
  if (fd != i) {
    int err = put(fd, i);
    if (err < 0)
      return err;
  } else if ((flags = fcntl(i, F_GETFD)) < 0 || fcntl(i, F_SETFD, flags & ~FD_CLOEXEC) < 0) {
    return -errno;
  }
  if (i <= STDERR_FILENO && (flags = fcntl(i, F_GETFL)) >= 0 && flags & O_NONBLOCK)
    (void)fcntl(i, F_SETFL, flags & ~O_NONBLOCK);
  return 0;
}

/* The places get their descriptors, and all others are closed. A source below the places
 * is moved first, unless it stays where it is. */
static int place_all(struct child *c) {
  int count = c->s->count, *fds = c->s->fds;
  int err = c->report < count ? move_up(&c->report, count) : 0;
  for (int i = 0; err == 0 && i < count; i++)
    if (fds[i] >= 0 && fds[i] < count && fds[i] != i)
      err = move_up(&fds[i], count);
  for (int i = 0; err == 0 && i < count; i++)
    err = place_one(fds[i], i);
  return err;
}

static void close_rest(const struct child *c) {
  unsigned first = (unsigned)c->s->count, report = (unsigned)c->report;
  if ((report == first || close_range_from(first, report - 1)) &&
      close_range_from(report + 1, UINT_MAX))
    return;
  for (int fd = c->s->count; fd <= c->highest; fd++)
    if (fd != c->report)
      (void)close(fd);
}

static int become(const struct net_spawn *s) {
  if (s->detached)
    (void)setsid();
  if (s->cwd && chdir(s->cwd) < 0)
    return -errno;
  if (s->has_uid || s->has_gid)
    (void)setgroups(0, NULL); /* who may not has none to lose */
  if (s->has_gid && setgid(s->gid) < 0)
    return -errno;
  return s->has_uid ? result(setuid(s->uid)) : 0;
}

static void forget_signals(void) {
  struct sigaction plain = { .sa_flags = 0 };
  sigset_t none;
  plain.sa_handler = SIG_DFL;
  sigemptyset(&plain.sa_mask);
  for (int i = 1; i < NSIG; i++)
    if (i != SIGKILL && i != SIGSTOP)
      (void)sigaction(i, &plain, NULL); /* those of the C library are refused */
  sigemptyset(&none);
  (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* As snprintf("%ld"), which is not async-signal-safe. */
static void write_pid(char *text, pid_t pid) {
  char digits[NET_PID_DIGITS];
  int n = 0;
  do
    digits[n++] = (char)('0' + pid % 10);
  while ((pid /= 10) > 0);
  while (n > 0)
    *text++ = digits[--n];
  *text = '\0';
}

/* Returns if none of the programs can be run, with what execvp(3) would say: one that is
 * not there is passed over, and so is one that may not be run, which is told if nothing
 * else is found. What is no program is a script for the shell. */
static int run(const struct net_spawn *s) {
  int denied = 0, err = -ENOENT;
  for (char **path = s->paths; *path; path++) {
    (void)execve(*path, s->argv, s->envp);
    if (errno == ENOEXEC) {
      s->script[1] = *path;
      (void)execve(s->script[0], s->script, s->envp);
    }
    err = -errno;
    denied |= err == -EACCES;
    if (!s->searched || (err != -EACCES && err != -ENOENT && err != -ENOTDIR && err != -ESTALE &&
                         err != -ENODEV && err != -ETIMEDOUT))
      return err;
  }
  return denied ? -EACCES : err;
}

__attribute__((noinline, noreturn)) static void child_main(const struct net_spawn *s, int report,
                                                           int highest) {
  struct child c = { s, report, highest };
  int err = place_all(&c);
  if (err == 0) {
    close_rest(&c);
    err = become(s);
  }
  if (err == 0) {
    if (s->pid_text)
      write_pid(s->pid_text, getpid());
    forget_signals();
    err = run(s);
  }
  ssize_t sent;
  do
    sent = write(c.report, &err, sizeof err);
  while (sent < 0 && errno == EINTR);
  _exit(127);
}

/* --- in this process ------------------------------------------------------------- */

/* The highest descriptor there is, as far as can be told, for where no call closes all. */
static int highest_descriptor(void) {
  int highest = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL)
    dir = opendir("/dev/fd");
  if (dir == NULL) {
    struct rlimit limit;
    int known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST_DESCRIPTORS;
    return known ? (int)limit.rlim_cur : MOST_DESCRIPTORS;
  }
  for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    long fd = strtol(entry->d_name, NULL, 10);
    highest = fd > highest ? (int)fd : highest;
  }
  (void)closedir(dir);
  return highest;
}

/* Both ends close-on-exec; the child's number of 'ends[1]' survives that it is moved. */
static int report_open(int ends[2]) {
#ifdef __linux__
  return result(pipe2(ends, O_CLOEXEC));
#else
  if (pipe(ends) < 0)
    return -errno;
  (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return 0;
#endif
}

/* What the child has told: nothing, if its program runs, or if it was killed before. */
static int report_read(int fd) {
  int err = 0;
  ssize_t got;
  do
    got = read(fd, &err, sizeof err);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof err ? err : 0;
}

/* The child never returns from here: the frame is ours as well. What it calls is chosen
 * with care, and more than what the analyser takes for safe. */
static pid_t split(const struct net_spawn *s, int report, int highest) {
#ifdef HAVE_VFORK
  if (!s->has_uid && !s->has_gid) {
    pid_t borrower = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (borrower == 0)
      child_main(s, report, highest); /* NOLINT(clang-analyzer-unix.Vfork) */
    return borrower;
  }
#endif
  pid_t pid = fork();
  if (pid == 0)
    child_main(s, report, highest);
  return pid;
}

char **net_spawn_environ(void) { return environ; }

int net_spawn(const struct net_spawn *s, pid_t *pid) {
  int ends[2], highest = close_range_from(UINT_MAX, UINT_MAX) ? 0 : highest_descriptor();
  sigset_t all, before;
  int err = report_open(ends);
  if (err < 0)
    return err;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  *pid = split(s, ends[1], highest > ends[1] ? highest : ends[1]);
  err = result(*pid);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  (void)close(ends[1]);
  if (err == 0)
    err = report_read(ends[0]);
  (void)close(ends[0]);
  if (err < 0 && *pid > 0)
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
      ;
  return err;
}
