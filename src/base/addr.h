/* SPDX-License-Identifier: MIT
 *
 * addr.h - socket addresses: text to bytes and back, and into Lua tables.
 *
 * The grammar is Node's isIP: strict IPv4, RFC 4291 IPv6, an
 * optional %zone. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct net_addr {
  struct sockaddr_storage sa;
  socklen_t len; /* bytes of 'sa' in use; 0 for no address */
};

/* 4, 6 or 0; 'text' need not end in NUL and may contain NULs (then 0). */
int net_addr_is_ip(const char *text, size_t len);
/* Fills 'out' from an IP literal (zone understood) and a port 0..65535;
 * 0 or -EINVAL. */
int net_addr_parse(const char *text, size_t len, int port, struct net_addr *out);
/* Fills 'out' from a Unix path; a leading NUL means Linux's abstract names.
 * -EINVAL when longer than sun_path (108 bytes fit without a NUL), or empty. */
int net_addr_unix(const char *path, size_t len, struct net_addr *out);
/* The wildcard of AF_INET or AF_INET6. */
void net_addr_any(int family, int port, struct net_addr *out);
/* Port of an IP address, else -1. */
int net_addr_port(const struct net_addr *a);
/* The IPv4 address, also one in an IPv6 address (::ffff:1.2.3.4), in 4 bytes of 'ip';
 * returns AF_INET, AF_INET6 for the latter, or 0 where there is none. */
int net_addr_v4(const struct net_addr *a, uint32_t *ip);
/* The way back, with a port. */
void net_addr_from_v4(int family, uint32_t ip, int port, struct net_addr *out);
/* Pushes the IP as text (with %zone for scoped link-local IPv6), the path for
 * a named Unix socket, or nil. [-0, +1, m] */
void net_addr_push_host(lua_State *L, const struct net_addr *a);
/* Pushes "IPv4", "IPv6", or nil. [-0, +1, m] */
void net_addr_push_family(lua_State *L, const struct net_addr *a);
/* Pushes {address =, family =, port =} for IP; nil otherwise. [-0, +1, m] */
void net_addr_push_table(lua_State *L, const struct net_addr *a);
/* Adds isIP, isIPv4, isIPv6 to the table on the top of the stack. [-0, +0, m] */
void net_addr_open(lua_State *L);

#endif
