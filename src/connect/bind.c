/* SPDX-License-Identifier: MIT
 *
 * bind.c - sockets that are bound to an address and can be told to listen.
 *
 * Used by listen.c, which listens at once, and by boundsocket.c, which leaves the choice
 * to others. Keeps no state and knows no Lua.
 * Which errno a failure gives, and after which call, is libuv's choice, since
 * Node's users see it in messages. */
#include "connect/bind.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/addr.h"
#include "base/sys.h"

/* The options that have to be set before bind(2). */
static int prepare_tcp(int fd, int family, int flags) {
  int err = net_sys_reuseaddr(fd);
  if (err == 0 && (flags & NET_BIND_REUSEPORT))
    err = net_sys_reuseport(fd);
  if (err == 0 && family == AF_INET6) /* the system's default varies */
    err = net_sys_v6only(fd, flags & NET_BIND_V6ONLY);
  return err;
}

static int bind_or_close(int fd, const struct net_addr *a, int is_private) {
  const struct sockaddr *sa = (const struct sockaddr *)&a->sa;
  int err = is_private ? net_sys_bind_private(fd, sa, a->len) : net_sys_bind(fd, sa, a->len);
  if (err < 0)
    net_sys_close(fd);
  return err;
}

int net_bind_tcp(const struct net_addr *a, int flags, int *fd) {
  int err = net_sys_socket(a->sa.ss_family, fd);
  if (err < 0)
    return err;
  err = prepare_tcp(*fd, a->sa.ss_family, flags);
  if (err < 0) {
    net_sys_close(*fd);
    return err;
  }
  err = bind_or_close(*fd, a, 0);
  return err == -EAFNOSUPPORT ? -EINVAL : err;
}

/* The address without a name: Linux binds to an abstract one that is free,
 * unix(7). */
static int any_unix(struct net_addr *out) {
  memset(out, 0, sizeof *out);
  out->sa.ss_family = AF_UNIX;
  out->len = offsetof(struct sockaddr_un, sun_path);
  return 0;
}

int net_bind_unix(const char *path, size_t len, int flags, int *fd, struct net_file_id *file) {
  struct net_addr a;
  file->device = file->inode = 0;
  int err = len == 0 ? any_unix(&a) : net_addr_unix(path, len, &a);
  if (err < 0)
    return err;
  err = net_sys_socket(AF_UNIX, fd);
  if (err < 0)
    return err;
  err = bind_or_close(*fd, &a, flags & NET_BIND_PRIVATE);
  if (err == 0 && len > 0 && *path != '\0')
    net_sys_identify(path, file);
  return err == -ENOENT ? -EACCES : err; /* as on Windows, says libuv */
}
