/* SPDX-License-Identifier: MIT
 *
 * socketaddress.c - net.SocketAddress, and the endpoint inside it.
 *
 * The object is immutable: bytes, from which the fields are made when they are
 * read. Options, defaults and their checks, and SocketAddress.parse, are
 * lua/net/internal/address/socketaddress.lua. BlockList keeps its rules as endpoints.
 *
 * This is not the grammar of addr.c: what is made here is never handed to the
 * kernel, and Node takes any zone in it, an empty one too. A text ends at a NUL,
 * as it does in Node. */
#include "address/socketaddress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "loop/loop.h"
#include "loop/object.h"

struct socketaddress {
  struct net_object o;
  struct net_endpoint at;
};

static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

/* Where the text ends, or the zone starts if the family has zones. */
static size_t address_length(const char *text, size_t len, int family) {
  const char *end = memchr(text, '\0', len);
  if (end != NULL)
    len = (size_t)(end - text);
  end = family == 6 ? memchr(text, '%', len) : NULL;
  return end != NULL ? (size_t)(end - text) : len;
}

int net_endpoint_parse(const char *text, size_t len, int family, struct net_endpoint *out) {
  char digits[INET6_ADDRSTRLEN]; /* inet_pton wants its NUL */
  size_t size = address_length(text, len, family);
  if (size >= sizeof digits)
    return -EINVAL;
  memcpy(digits, text, size);
  digits[size] = '\0';
  memset(out, 0, sizeof *out);
  out->family = (uint8_t)family;
  if (family == 6)
    return inet_pton(AF_INET6, digits, out->ip) == 1 ? 0 : -EINVAL;
  memcpy(out->ip, MAPPED, sizeof MAPPED);
  return inet_pton(AF_INET, digits, out->ip + sizeof MAPPED) == 1 ? 0 : -EINVAL;
}

int net_endpoint_from(const struct sockaddr *sa, struct net_endpoint *out) {
  memset(out, 0, sizeof *out);
  if (sa->sa_family == AF_INET) {
    struct sockaddr_in in;
    memcpy(&in, sa, sizeof in);
    out->family = 4;
    out->port = ntohs(in.sin_port);
    memcpy(out->ip, MAPPED, sizeof MAPPED);
    memcpy(out->ip + sizeof MAPPED, &in.sin_addr, 4);
  } else if (sa->sa_family == AF_INET6) {
    struct sockaddr_in6 in6;
    memcpy(&in6, sa, sizeof in6);
    out->family = 6;
    out->port = ntohs(in6.sin6_port);
    out->scope = in6.sin6_scope_id;
    memcpy(out->ip, &in6.sin6_addr, 16);
  } else {
    return -EINVAL;
  }
  return 0;
}

void net_endpoint_push(lua_State *L, const struct net_endpoint *e) {
  char text[INET6_ADDRSTRLEN];
  if (e->family == 4)
    (void)inet_ntop(AF_INET, e->ip + sizeof MAPPED, text, sizeof text);
  else
    (void)inet_ntop(AF_INET6, e->ip, text, sizeof text);
  lua_pushstring(L, text);
}

/* --- the object -------------------------------------------------------------- */

static const struct net_class socketaddress_class;

const struct net_endpoint *net_socketaddress_test(lua_State *L, int idx) {
  struct socketaddress *s = net_object_test(L, idx, &socketaddress_class);
  return s != NULL ? &s->at : NULL;
}

static const struct net_endpoint *check(lua_State *L) {
  struct socketaddress *s = net_object_check(L, 1, &socketaddress_class);
  return &s->at;
}

static int get_address(lua_State *L) {
  net_endpoint_push(L, check(L));
  return 1;
}

static int get_port(lua_State *L) {
  lua_pushinteger(L, check(L)->port);
  return 1;
}

static int get_family(lua_State *L) {
  lua_pushstring(L, check(L)->family == 4 ? "ipv4" : "ipv6");
  return 1;
}

static int get_flowlabel(lua_State *L) {
  lua_pushinteger(L, check(L)->flowlabel);
  return 1;
}

static int socketaddress_tostring(lua_State *L) {
  const struct net_endpoint *e = check(L);
  net_endpoint_push(L, e);
  lua_pushfstring(L, e->family == 4 ? "SocketAddress %s:%d" : "SocketAddress [%s]:%d",
                  lua_tostring(L, -1), (int)e->port);
  return 1;
}

static const luaL_Reg socketaddress_getters[] = {
  { "address", get_address },     { "port", get_port }, { "family", get_family },
  { "flowlabel", get_flowlabel }, { NULL, NULL },
};

static const luaL_Reg socketaddress_meta[] = {
  { "__tostring", socketaddress_tostring },
  { NULL, NULL },
};

static const struct net_class socketaddress_class = {
  .name = "SocketAddress",
  .getters = socketaddress_getters,
  .meta = socketaddress_meta,
};

/* --- for lua/net/internal/address/socketaddress.lua and blocklist.lua ------------------------- */

/* The interface of "fe80::1%eth0". Found by name alone, as in Node. */
static uint32_t zone_scope(const char *text) {
  const char *zone = strchr(text, '%');
  return zone != NULL ? if_nametoindex(zone + 1) : 0;
}

/* new(address, family 4 or 6 [, port [, flowlabel]]) -> SocketAddress; nil for
 * a text that is no address of the family. What is no text was refused in Lua. */
static int core_new(lua_State *L) {
  struct net_endpoint at;
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  int family = (int)luaL_checkinteger(L, 2);
  lua_Integer port = luaL_optinteger(L, 3, 0), flowlabel = luaL_optinteger(L, 4, 0);
  if (net_endpoint_parse(text, len, family, &at) < 0)
    return 0;
  at.port = (uint16_t)port;
  if (family == 6) {
    at.flowlabel = (uint32_t)flowlabel;
    at.scope = zone_scope(text);
  }
  struct socketaddress *s =
    net_object_new(L, net_loop_get(L), &socketaddress_class, sizeof *s, VAL_OWN - 1);
  s->at = at;
  return 1;
}

/* is(value) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_socketaddress_test(L, 1) != NULL);
  return 1;
}

static const luaL_Reg socketaddress_functions[] = {
  { "new", core_new },
  { "is", core_is },
  { NULL, NULL },
};

void net_socketaddress_open(lua_State *L) {
  net_class_open(L, &socketaddress_class, 0);
  lua_setfield(L, -2, "SocketAddress");
  luaL_newlib(L, socketaddress_functions);
  lua_setfield(L, -2, "socketaddress");
}
