/* SPDX-License-Identifier: MIT
 *
 * peer.c - who is at the other end of a connection. See peer.h.
 *
 * Most are IPv4, which fits into four bytes of the stream; of an IPv6 address one half at
 * least does not, and is a string in a slot. */
#include "stream/peer.h"

#include <string.h>

#include "stream/slots.h"
#include "stream/stream.h"

enum { PEER_V4 = 1, PEER_V6 };

void net_peer_keep(lua_State *L, int idx, const struct net_addr *peer) {
  struct net_stream *s = net_stream_at(L, idx);
  int port = net_addr_port(peer);
  if (port < 0)
    return;
  s->accepted.peer_port = (uint16_t)port;
  int family = net_addr_v4(peer, &s->accepted.peer_ip);
  s->watch.peer_family = family == AF_INET ? PEER_V4 : family == AF_INET6 ? PEER_V6 : 0;
  if (s->watch.peer_family)
    return;
  lua_pushlstring(L, (const char *)&peer->sa, peer->len);
  net_rare_set(L, idx, SLOT_PEER);
}

/* What accept(2) told; 0 if nothing. */
static int kept_peer(lua_State *L, int idx, struct net_addr *out) {
  const struct net_stream *s = net_stream_at(L, idx);
  if (s->watch.peer_family) {
    int family = s->watch.peer_family == PEER_V4 ? AF_INET : AF_INET6;
    net_addr_from_v4(family, s->accepted.peer_ip, s->accepted.peer_port, out);
    return 1;
  }
  size_t len = 0;
  net_rare_get(L, idx, SLOT_PEER);
  const char *sa = lua_tolstring(L, -1, &len);
  if (sa)
    memcpy(&out->sa, sa, len);
  out->len = (socklen_t)len;
  lua_pop(L, 1);
  return sa != NULL;
}

int net_peer_get(lua_State *L, int idx, struct net_addr *out) {
  const struct net_stream *s = net_stream_at(L, idx);
  if (s->life.given)
    return 0;
  if (s->watch.open && net_stream_can(s, NET_CAN_ADDRESS) &&
      net_sys_peername(net_stream_fd(s), &out->sa, &out->len) == 0)
    return 1;
  int is_shown = s->watch.open || s->life.errored || s->life.taken;
  return is_shown && kept_peer(L, idx, out);
}
