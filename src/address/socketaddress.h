/* SPDX-License-Identifier: MIT
 *
 * socketaddress.h - net.SocketAddress, and the endpoint inside it.
 *
 * An endpoint is an IP address with what may stand beside it, in one canonical
 * form without padding, so that endpoints are compared and hashed as bytes. */
#ifndef NET_SOCKETADDRESS_H
#define NET_SOCKETADDRESS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct net_endpoint {
  uint8_t ip[16];     /* in network order; IPv4 as ::ffff:a.b.c.d */
  uint32_t flowlabel; /* 20 bits; 0 with IPv4 */
  uint32_t scope;     /* index of the interface in the %zone; 0 for none */
  uint16_t port;      /* in host order */
  uint8_t family;     /* 4 or 6 */
  uint8_t prefix;     /* bits, where it is a subnet; else 0 */
};

/* Reads an address of that family (4 or 6), as far as a NUL if there is one;
 * everything but 'ip' and 'family' becomes 0. 0 or -EINVAL. */
int net_endpoint_parse(const char *text, size_t len, int family, struct net_endpoint *out);
/* Reads an address of the kernel; -EINVAL if it is no IP. */
int net_endpoint_from(const struct sockaddr *sa, struct net_endpoint *out);
/* Pushes the address as text, without zone. [-0, +1, m] */
void net_endpoint_push(lua_State *L, const struct net_endpoint *e);

/* The endpoint of the SocketAddress at 'idx', NULL if it is none; valid while
 * the object is. [-0, +0, -] */
const struct net_endpoint *net_socketaddress_test(lua_State *L, int idx);

/* Adds SocketAddress, the class, and socketaddress, the functions for Lua, to
 * the core table on the top. [-0, +0, m] */
void net_socketaddress_open(lua_State *L);

#endif
