/* SPDX-License-Identifier: MIT
 *
 * notify.c - what whoever started this process is told of it: sd_notify(3).
 *
 * One datagram to a Unix socket, from a socket that lives as long as that takes: to tell is
 * seldom, and a descriptor that is kept would have to be kept from children, and be made
 * anew where the socket is. It never waits: a service manager that is slow must not hold a
 * server up, and a watchdog's next message is on its way anyway. */
#include "process/notify.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/error.h"
#include "base/sys.h"

/* notify(address, text) -> true, or nil and a negative errno. The address is an absolute
 * path, or an abstract name behind "@"; -EINVAL for any other. */
static int core_notify(lua_State *L) {
  char name[sizeof(struct sockaddr_storage)];
  size_t len, size;
  struct net_addr a;
  const char *address = luaL_checklstring(L, 1, &len), *text = luaL_checklstring(L, 2, &size);
  if (len < 2 || len >= sizeof name || (*address != '/' && *address != '@'))
    return net_push_result(L, -EINVAL);
  memcpy(name, address, len);
  if (*name == '@')
    *name = '\0';
  int err = net_addr_unix(name, len, &a);
  if (err == 0)
    err = net_sys_tell((const struct sockaddr *)&a.sa, a.len, text, size);
  return net_push_result(L, err);
}

/* monotonic_usec() -> microseconds of CLOCK_MONOTONIC */
static int core_monotonic_usec(lua_State *L) {
  struct timespec now = { 0, 0 };
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushinteger(L, (lua_Integer)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  return 1;
}

void net_notify_open(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "notify", core_notify },
    { "monotonic_usec", core_monotonic_usec },
    { NULL, NULL },
  };
  luaL_setfuncs(L, functions, 0);
}
