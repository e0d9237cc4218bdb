/* SPDX-License-Identifier: MIT
 *
 * spawn.h - a new process, with the descriptors, directory and ids that it is to have.
 *
 * All that allocates has been done by who calls. No Lua in here. */
#ifndef NET_SPAWN_H
#define NET_SPAWN_H

#include <sys/types.h>

/* What is at a place of the child besides a descriptor of this process. */
enum { NET_SPAWN_CLOSED = -1, NET_SPAWN_NULL = -2 /* /dev/null */ };

#define NET_PID_DIGITS 20 /* room for any pid as text, with the NUL */

/* Lists end with NULL. All of it is borrowed, and stays as it is, but for what the child
 * writes there: it shares our memory until it runs its program. */
struct net_spawn {
  char **paths;    /* the programs to try, in this order */
  int searched;    /* they come of a search: one that may not be run is not the last */
  char **argv;     /* at least argv[0] */
  char **script;   /* argv for a shell: its name, room for the program, the rest of argv */
  char **envp;     /* NAME=value each */
  char *pid_text;  /* in 'envp', NET_PID_DIGITS long: the child's pid is written there; NULL */
  const char *cwd; /* NULL: ours */
  int *fds;        /* by place, 'count' of them: a number of ours, or NET_SPAWN_* */
  int count;
  int detached; /* a session of its own */
  int has_uid, has_gid;
  uid_t uid;
  gid_t gid;
};

/* Starts it. 0, or -errno, which is a call's of ours, or one of the child's before its
 * program ran: then there is no child. */
int net_spawn(const struct net_spawn *s, pid_t *pid);
/* This process's environment, as it is now. */
char **net_spawn_environ(void);

#endif
