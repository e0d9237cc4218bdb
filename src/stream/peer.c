/* SPDX-License-Identifier: MIT
 *
 * peer.c - who is at the other end of a connection. See peer.h.
 *
 * Most are IPv4, which fits into four bytes of the stream; of an IPv6 address one half at
 * least does not, and is a string in a slot. A header of a proxy's is kept as it came, and
 * read when somebody asks. */
#include "stream/peer.h"

#include <string.h>

#include "stream/slots.h"
#include "stream/stream.h"

enum { PEER_V4 = 1, PEER_V6, PEER_HEADER };

/* Puts the address, as a sockaddr, into a slot. [-0, +0, m] */
static void keep_sockaddr(lua_State *L, int idx, const struct net_addr *peer) {
  lua_pushlstring(L, (const char *)&peer->sa, peer->len);
  net_rare_set(L, idx, SLOT_PEER);
}

void net_peer_keep(lua_State *L, int idx, const struct net_addr *peer) {
  struct net_stream *s = net_stream_at(L, idx);
  int port = net_addr_port(peer);
  if (port < 0)
    return;
  s->accepted.peer_port = (uint16_t)port;
  int family = net_addr_v4(peer, &s->accepted.peer_ip);
  s->watch.peer_family = family == AF_INET ? PEER_V4 : family == AF_INET6 ? PEER_V6 : 0;
  if (!s->watch.peer_family)
    keep_sockaddr(L, idx, peer);
}

void net_peer_keep_header(lua_State *L, int idx, const struct net_addr *peer, int bytes,
                          const struct net_proxyheader *header) {
  lua_pushvalue(L, bytes);
  net_rare_set(L, idx, SLOT_PROXY);
  if (header->family == AF_UNSPEC) {
    net_peer_keep(L, idx, peer);
    return;
  }
  if (net_addr_port(peer) >= 0)
    keep_sockaddr(L, idx, peer);
  net_stream_at(L, idx)->watch.peer_family = PEER_HEADER;
}

int net_peer_header(lua_State *L, int idx, struct net_proxyheader *out) {
  size_t len = 0;
  net_rare_get(L, idx, SLOT_PROXY);
  const char *bytes = lua_tolstring(L, -1, &len);
  return bytes && net_proxyheader_read((const unsigned char *)bytes, len, out) == 0;
}

/* One end as the header has it; 0 where it says nothing of that. */
static int told_by_header(lua_State *L, int idx, int is_local, struct net_addr *out) {
  struct net_proxyheader header;
  if (net_stream_at(L, idx)->watch.peer_family != PEER_HEADER)
    return 0;
  int is_there = net_peer_header(L, idx, &header);
  if (is_there)
    *out = is_local ? header.destination : header.source;
  lua_pop(L, 1);
  return is_there;
}

/* What accept(2) told, if that is in the slot. */
static int kept_sockaddr(lua_State *L, int idx, struct net_addr *out) {
  size_t len = 0;
  net_rare_get(L, idx, SLOT_PEER);
  const char *sa = lua_tolstring(L, -1, &len);
  if (sa)
    memcpy(&out->sa, sa, len);
  out->len = (socklen_t)len;
  lua_pop(L, 1);
  return sa != NULL;
}

/* What accept(2) told; 0 if nothing. */
static int kept_peer(lua_State *L, int idx, struct net_addr *out) {
  const struct net_stream *s = net_stream_at(L, idx);
  if (s->watch.peer_family == 0 || s->watch.peer_family == PEER_HEADER)
    return kept_sockaddr(L, idx, out);
  int family = s->watch.peer_family == PEER_V4 ? AF_INET : AF_INET6;
  net_addr_from_v4(family, s->accepted.peer_ip, s->accepted.peer_port, out);
  return 1;
}

/* Is what was told about the peer still shown? */
static int is_shown(const struct net_stream *s) {
  return s->watch.open || s->life.errored || s->life.taken;
}

int net_peer_get_proxy(lua_State *L, int idx, struct net_addr *out) {
  const struct net_stream *s = net_stream_at(L, idx);
  if (s->life.given)
    return 0;
  if (s->watch.open && net_stream_can(s, NET_CAN_ADDRESS) &&
      net_sys_peername(net_stream_fd(s), &out->sa, &out->len) == 0)
    return 1;
  return is_shown(s) && kept_peer(L, idx, out);
}

int net_peer_get(lua_State *L, int idx, struct net_addr *out) {
  const struct net_stream *s = net_stream_at(L, idx);
  if (s->watch.peer_family == PEER_HEADER)
    return is_shown(s) && told_by_header(L, idx, 0, out);
  return net_peer_get_proxy(L, idx, out);
}

int net_peer_get_local(lua_State *L, int idx, struct net_addr *out) {
  return net_stream_at(L, idx)->watch.open && told_by_header(L, idx, 1, out);
}
