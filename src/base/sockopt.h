/* SPDX-License-Identifier: MIT
 *
 * sockopt.h - options of sockets by name, and what else only somebody needs who uses a
 * socket by hand. No Lua in here.
 *
 * As in sys.h every call returns 0 or -errno. The names are LuaSocket's. */
#ifndef NET_SOCKOPT_H
#define NET_SOCKOPT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

enum net_sockopt_kind { NET_OPT_BOOLEAN, NET_OPT_INTEGER, NET_OPT_LINGER };
/* What may be done with an option. */
enum { NET_OPT_SET = 1, NET_OPT_GET = 2, NET_OPT_UNIX = 4 };

struct net_sockopt {
  const char *name;
  int level, option;
  enum net_sockopt_kind kind;
  int uses; /* NET_OPT_* */
};

/* The option of that name, if it may be used so; else NULL. */
const struct net_sockopt *net_sockopt_find(const char *name, int use);
/* One that is an integer, or a boolean. */
int net_sockopt_set(int fd, const struct net_sockopt *option, int value);
int net_sockopt_get(int fd, const struct net_sockopt *option, int *value);
/* SO_LINGER: whether, and how many seconds. */
int net_sockopt_set_linger(int fd, int on, int seconds);
int net_sockopt_get_linger(int fd, int *on, int *seconds);

/* shutdown(2) of one half or of both: SHUT_RD, SHUT_WR, SHUT_RDWR. */
int net_sockopt_shutdown(int fd, int how);
/* Which of these descriptors are ready now? Does not wait. */
int net_sockopt_poll(struct pollfd *list, size_t count);
/* The time of day in seconds. */
double net_sockopt_time(void);
/* Microseconds of the monotonic clock. */
int64_t net_sockopt_now(void);
/* The name of this machine, as a string; -ENAMETOOLONG. */
int net_sockopt_hostname(char *name, size_t size);
/* The port that a service of TCP has by this name; -ENOENT: there is none. */
int net_sockopt_service(const char *name, int *port);
/* The way back, as a string: the number itself where it has no name. */
int net_sockopt_service_name(int port, char *name, size_t size);

#endif
