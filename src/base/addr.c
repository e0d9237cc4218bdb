/* SPDX-License-Identifier: MIT
 *
 * addr.c - socket addresses: text to bytes and back, and into Lua tables.
 *
 * Pure data: no descriptor, no state, and no name look-up ("localhost" is not
 * an address here; that is lookup.c). The socket, the server and the dialer
 * keep a struct net_addr by value.
 *
 * The digits are left to inet_pton, which agrees with Node's regular
 * expressions on everything but the zone; that is checked here. getaddrinfo
 * with AI_NUMERICHOST was refused: it takes "1.2.3" and "0x7f.1" too. The
 * interface behind a zone is looked up only where an address is made for the
 * kernel. As in libuv an unknown one becomes scope 0, and the kernel decides
 * whether it needs one. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#ifndef IF_NAMESIZE
#define IF_NAMESIZE 16
#endif

/* An IP literal taken apart. */
struct literal {
  int version; /* 4, 6, or 0 for no address */
  union {
    struct in_addr v4;
    struct in6_addr v6;
  } ip;
  const char *zone; /* borrowed from the text, behind the '%'; NULL for none */
  size_t zone_len;  /* bytes */
};

/* One or more of 0-9 A-Z a-z - . : */
static int zone_ok(const char *zone, size_t len) {
  static const char allowed[] = "0123456789-.:abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  if (len == 0)
    return 0;
  while (len-- > 0)
    if (*zone == '\0' || strchr(allowed, *zone++) == NULL)
      return 0;
  return 1;
}

/* Splits 'text' at its first '%', so that what stands before it is returned. */
static size_t split_zone(const char *text, size_t len, struct literal *out) {
  out->zone = memchr(text, '%', len);
  if (out->zone == NULL)
    return len;
  out->zone++;
  out->zone_len = len - (size_t)(out->zone - text);
  return len - out->zone_len - 1;
}

/* Reads an IP literal; 'out->version' is 0 when it is none. */
static void literal_read(const char *text, size_t len, struct literal *out) {
  char digits[INET6_ADDRSTRLEN]; /* inet_pton wants its NUL */
  size_t size = split_zone(text, len, out);
  out->version = 0;
  if (size >= sizeof digits || memchr(text, '\0', size) != NULL)
    return;
  memcpy(digits, text, size);
  digits[size] = '\0';
  if (out->zone == NULL && inet_pton(AF_INET, digits, &out->ip.v4) == 1)
    out->version = 4;
  else if ((out->zone == NULL || zone_ok(out->zone, out->zone_len)) &&
           inet_pton(AF_INET6, digits, &out->ip.v6) == 1)
    out->version = 6;
}

/* The interface a zone means, by name or by number; 0 for an unknown one. */
static unsigned zone_index(const char *zone, size_t len) {
  char name[IF_NAMESIZE];
  unsigned number = 0, found;
  if (len >= sizeof name)
    return 0;
  memcpy(name, zone, len);
  name[len] = '\0';
  found = if_nametoindex(name);
  if (found != 0)
    return found;
  for (size_t i = 0; i < len; i++) {
    if (name[i] < '0' || name[i] > '9' || number > 0xFFFFFF)
      return 0;
    number = number * 10 + (unsigned)(name[i] - '0');
  }
  return number;
}

/* The two fillers build a value of the right type and copy its bytes, as C's
 * aliasing rules want it; casting &out->sa and writing through it would not do. */
static void fill_v4(struct net_addr *out, const struct in_addr *ip, int port) {
  struct sockaddr_in in;
  memset(&in, 0, sizeof in);
  in.sin_family = AF_INET;
  in.sin_port = htons((uint16_t)port);
  in.sin_addr = *ip;
  memset(out, 0, sizeof *out);
  memcpy(&out->sa, &in, sizeof in);
  out->len = sizeof in;
}

static void fill_v6(struct net_addr *out, const struct in6_addr *ip, int port, unsigned scope) {
  struct sockaddr_in6 in6;
  memset(&in6, 0, sizeof in6);
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons((uint16_t)port);
  in6.sin6_addr = *ip;
  in6.sin6_scope_id = scope;
  memset(out, 0, sizeof *out);
  memcpy(&out->sa, &in6, sizeof in6);
  out->len = sizeof in6;
}

int net_addr_is_ip(const char *text, size_t len) {
  struct literal lit;
  literal_read(text, len, &lit);
  return lit.version;
}

int net_addr_parse(const char *text, size_t len, int port, struct net_addr *out) {
  struct literal lit;
  literal_read(text, len, &lit);
  if (lit.version == 0 || port < 0 || port > 65535)
    return -EINVAL;
  if (lit.version == 4)
    fill_v4(out, &lit.ip.v4, port);
  else
    fill_v6(out, &lit.ip.v6, port, lit.zone ? zone_index(lit.zone, lit.zone_len) : 0);
  return 0;
}

/* True for the names that live in no directory; Linux alone has them. */
static int is_abstract(const char *path) {
#ifdef __linux__
  return path[0] == '\0';
#else
  (void)path;
  return 0;
#endif
}

int net_addr_unix(const char *path, size_t len, struct net_addr *out) {
  struct sockaddr_un un;
  size_t size = len;
  if (len == 0 || len > sizeof un.sun_path)
    return -EINVAL;
  if (!is_abstract(path)) {
    if (memchr(path, '\0', len) != NULL)
      return -EINVAL; /* the kernel would bind another name than was asked */
    if (len < sizeof un.sun_path)
      size++; /* the NUL belongs to the address, if there is room for it */
  }
  memset(&un, 0, sizeof un);
  un.sun_family = AF_UNIX;
  memcpy(un.sun_path, path, len);
  memset(out, 0, sizeof *out);
  memcpy(&out->sa, &un, sizeof un);
  out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
  return 0;
}

void net_addr_any(int family, int port, struct net_addr *out) {
  const struct in_addr any = { htonl(INADDR_ANY) };
  if (family == AF_INET6)
    fill_v6(out, &in6addr_any, port, 0);
  else
    fill_v4(out, &any, port);
}

/* The family, AF_UNSPEC for no address: then 'sa' may hold anything. */
static int addr_family(const struct net_addr *a) {
  return a->len == 0 ? AF_UNSPEC : a->sa.ss_family;
}

int net_addr_port(const struct net_addr *a) {
  switch (addr_family(a)) {
    case AF_INET: return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
    case AF_INET6: return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
    default: return -1;
  }
}

/* Pushes "fe80::1%eth0"; an interface that has gone shows as its number. */
static void push_v6(lua_State *L, const struct sockaddr_in6 *in6) {
  char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];
  (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
  if (!IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) || in6->sin6_scope_id == 0)
    lua_pushstring(L, host);
  else if (if_indextoname(in6->sin6_scope_id, zone) != NULL)
    lua_pushfstring(L, "%s%%%s", host, zone);
  else
    lua_pushfstring(L, "%s%%%d", host, (int)in6->sin6_scope_id);
}

/* Pushes the path, or nil for a socket that was never bound. The kernel counts
 * the NUL behind a path in; an abstract name ends with the length alone. */
static void push_path(lua_State *L, const struct net_addr *a) {
  const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;
  size_t head = offsetof(struct sockaddr_un, sun_path);
  size_t len = a->len > head ? a->len - head : 0;
  if (len > sizeof un->sun_path)
    len = sizeof un->sun_path; /* Linux reports 109 for a path of 108 */
  if (len > 0 && !is_abstract(un->sun_path)) {
    const char *nul = memchr(un->sun_path, '\0', len);
    if (nul != NULL)
      len = (size_t)(nul - un->sun_path);
  }
  if (len > 0)
    lua_pushlstring(L, un->sun_path, len);
  else
    lua_pushnil(L);
}

void net_addr_push_host(lua_State *L, const struct net_addr *a) {
  char host[INET_ADDRSTRLEN];
  switch (addr_family(a)) {
    case AF_INET:
      (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->sa)->sin_addr, host, sizeof host);
      lua_pushstring(L, host);
      break;
    case AF_INET6: push_v6(L, (const struct sockaddr_in6 *)&a->sa); break;
    case AF_UNIX: push_path(L, a); break;
    default: lua_pushnil(L);
  }
}

void net_addr_push_family(lua_State *L, const struct net_addr *a) {
  switch (addr_family(a)) {
    case AF_INET: lua_pushliteral(L, "IPv4"); break;
    case AF_INET6: lua_pushliteral(L, "IPv6"); break;
    default: lua_pushnil(L);
  }
}

void net_addr_push_table(lua_State *L, const struct net_addr *a) {
  int port = net_addr_port(a);
  if (port < 0) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 3);
  net_addr_push_host(L, a);
  lua_setfield(L, -2, "address");
  net_addr_push_family(L, a);
  lua_setfield(L, -2, "family");
  lua_pushinteger(L, port);
  lua_setfield(L, -2, "port");
}

int net_addr_v4(const struct net_addr *a, uint32_t *ip) {
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&a->sa;
  int family = addr_family(a);
  if (family == AF_INET)
    *ip = ((const struct sockaddr_in *)&a->sa)->sin_addr.s_addr;
  else if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
    memcpy(ip, six->sin6_addr.s6_addr + 12, sizeof *ip);
  else
    return 0;
  return family;
}

void net_addr_from_v4(int family, uint32_t ip, int port, struct net_addr *out) {
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->sa;
  net_addr_any(family, port, out);
  if (family == AF_INET) {
    ((struct sockaddr_in *)&out->sa)->sin_addr.s_addr = ip;
    return;
  }
  memset(six->sin6_addr.s6_addr + 10, 0xFF, 2);
  memcpy(six->sin6_addr.s6_addr + 12, &ip, sizeof ip);
}

/* The version of the argument, as text: of an object with a __tostring of its own
 * that is what it says, as in Node. No other value reads as an address. */
static int arg_version(lua_State *L) {
  size_t len;
  lua_settop(L, 1);
  if (lua_type(L, 1) != LUA_TSTRING) {
    if (luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL)
      return 0;
    luaL_tolstring(L, 1, NULL);
  }
  const char *text = lua_tolstring(L, -1, &len);
  return net_addr_is_ip(text, len);
}

/* isIP(value) -> 4, 6 or 0, [-0, +1, e] */
static int addr_is_ip(lua_State *L) {
  lua_pushinteger(L, arg_version(L));
  return 1;
}

/* isIPv4(value) -> boolean, [-0, +1, e] */
static int addr_is_ipv4(lua_State *L) {
  lua_pushboolean(L, arg_version(L) == 4);
  return 1;
}

/* isIPv6(value) -> boolean, [-0, +1, e] */
static int addr_is_ipv6(lua_State *L) {
  lua_pushboolean(L, arg_version(L) == 6);
  return 1;
}

static const luaL_Reg addr_functions[] = {
  { "isIP", addr_is_ip }, { "isIPv4", addr_is_ipv4 }, { "isIPv6", addr_is_ipv6 }, { NULL, NULL }
};

void net_addr_open(lua_State *L) { luaL_setfuncs(L, addr_functions, 0); }
