/* SPDX-License-Identifier: MIT
 *
 * proxied.c - socket.proxyHeader: what the header of the PROXY protocol says that a connection
 * began with, as a table.
 *
 * It is read out of the header's bytes by each look, so that a connection of which nobody wants
 * to know more than the client's address pays for no table. */
#include "socket/proxied.h"

#include "base/proxyheader.h"
#include "stream/peer.h"
#include "stream/stream.h"

/* A TLV whose value has a name of its own. */
struct named {
  int type;
  const char *name;
};

static const struct named known[] = { { NET_PROXY_ALPN, "alpn" },
                                      { NET_PROXY_AUTHORITY, "authority" },
                                      { NET_PROXY_UNIQUE_ID, "uniqueId" },
                                      { 0, NULL } };

static const struct named known_of_tls[] = {
  { NET_PROXY_SSL_VERSION, "version" },      { NET_PROXY_SSL_CN, "commonName" },
  { NET_PROXY_SSL_CIPHER, "cipher" },        { NET_PROXY_SSL_SIG_ALG, "signatureAlgorithm" },
  { NET_PROXY_SSL_KEY_ALG, "keyAlgorithm" }, { 0, NULL }
};

/* Sets the field of the table on the top that the TLV has, if it has one. [-0, +0, m] */
static void set_named(lua_State *L, const struct named *names, const struct net_proxytlv *tlv) {
  for (; names->name; names++)
    if (names->type == tlv->type) {
      lua_pushlstring(L, (const char *)tlv->value, tlv->len);
      lua_setfield(L, -2, names->name);
    }
}

/* Sets a field to a boolean. [-0, +0, m] */
static void set_boolean(lua_State *L, const char *name, int value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

/* Sets "ssl" of the table on the top, of a value that says: a byte of bits, four for the verdict
 * about the client's certificate, 0 if it is good, and TLVs. [-0, +0, m] */
static void set_tls(lua_State *L, const struct net_proxytlv *tlv) {
  if (tlv->len < 5)
    return;
  const unsigned char *at = tlv->value;
  struct net_proxytlvs rest = { at + 5, at + tlv->len };
  struct net_proxytlv one;
  lua_createtable(L, 0, 6);
  set_boolean(L, "encrypted", at[0] & 1);
  set_boolean(L, "certificate", at[0] & 6); /* of this connection, or of its session */
  set_boolean(L, "verified", (at[0] & 6) && !(at[1] | at[2] | at[3] | at[4]));
  while (net_proxyheader_next(&rest, &one) > 0)
    set_named(L, known_of_tls, &one);
  lua_setfield(L, -2, "ssl");
}

/* Sets "tlvs", the values by their types, and what has a name. [-0, +0, m] */
static void set_tlvs(lua_State *L, struct net_proxytlvs rest) {
  struct net_proxytlv tlv;
  lua_newtable(L);
  while (net_proxyheader_next(&rest, &tlv) > 0) {
    lua_pushlstring(L, (const char *)tlv.value, tlv.len);
    lua_rawseti(L, -2, tlv.type);
    lua_insert(L, -2); /* the table of all */
    set_named(L, known, &tlv);
    if (tlv.type == NET_PROXY_SSL)
      set_tls(L, &tlv);
    lua_insert(L, -2);
  }
  lua_setfield(L, -2, "tlvs");
}

/* Sets address and port of one end, where there are such. [-0, +0, m] */
static void set_end(lua_State *L, const struct net_addr *a, const char *address, const char *port) {
  net_addr_push_host(L, a);
  lua_setfield(L, -2, address);
  if (net_addr_port(a) >= 0) {
    lua_pushinteger(L, net_addr_port(a));
    lua_setfield(L, -2, port);
  }
}

/* Sets what the head says. [-0, +0, m] */
static void set_head(lua_State *L, const struct net_proxyheader *header) {
  const char *family = header->family == AF_INET    ? "IPv4"
                       : header->family == AF_INET6 ? "IPv6"
                       : header->family == AF_UNIX  ? "unix"
                                                    : NULL;
  lua_pushinteger(L, header->version);
  lua_setfield(L, -2, "version");
  lua_pushstring(L, header->is_local ? "LOCAL" : "PROXY");
  lua_setfield(L, -2, "command");
  if (family == NULL)
    return;
  lua_pushstring(L, family);
  lua_setfield(L, -2, "family");
  lua_pushstring(L, header->type == SOCK_DGRAM ? "dgram" : "stream");
  lua_setfield(L, -2, "transport");
}

int net_proxied_get(lua_State *L) {
  struct net_proxyheader header;
  struct net_addr proxy = { .len = 0 };
  net_object_check(L, 1, &net_stream_class);
  lua_settop(L, 1);
  if (!net_peer_header(L, 1, &header))
    return 0;
  lua_createtable(L, 0, 12);
  set_head(L, &header);
  set_end(L, &header.source, "sourceAddress", "sourcePort");
  set_end(L, &header.destination, "destinationAddress", "destinationPort");
  if (net_peer_get_proxy(L, 1, &proxy) && net_addr_port(&proxy) >= 0)
    set_end(L, &proxy, "proxyAddress", "proxyPort");
  set_tlvs(L, header.tlvs);
  return 1;
}
