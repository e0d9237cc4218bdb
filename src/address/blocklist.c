/* SPDX-License-Identifier: MIT
 *
 * blocklist.c - net.BlockList: the object around rules.c.
 *
 * Lua's half, lua/net/internal/address/blocklist.lua, checks arguments and makes SocketAddresses
 * of them; here they become rules, and rules become texts. 'check' is whole in
 * C, as a server may call it for every connection; C code that holds a sockaddr
 * calls net_blocklist_blocks.
 *
 * The rules stand in memory of their own, not in Lua's, so that asking needs no
 * lua_State, and so that no finalizer can run, and change the list, while it is
 * being changed. Lua's collector does not see how large a list is. */
#include "address/blocklist.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/container.h"
#include "base/error.h"
#include "base/keep.h"
#include "loop/loop.h"
#include "loop/object.h"
#include "address/rules.h"

struct net_blocklist {
  struct net_object o;
  struct net_rules rules; /* owned */
  int dead;               /* finalised: what it would take now, nobody would free */
  struct net_kept kept;
};

static const struct net_class blocklist_class;

struct net_blocklist *net_blocklist_test(lua_State *L, int idx) {
  return net_object_test(L, idx, &blocklist_class);
}

int net_blocklist_blocks(const struct net_blocklist *b, const struct sockaddr *sa) {
  struct net_endpoint e;
  return net_endpoint_from(sa, &e) == 0 && net_rules_match(&b->rules, &e);
}

/* The rules of the list that is argument 1. [-0, +0, e] */
static struct net_rules *check_rules(lua_State *L) {
  struct net_blocklist *b = net_object_check(L, 1, &blocklist_class);
  return &b->rules;
}

/* As check_rules, of a list to add to. [-0, +0, e] */
static struct net_rules *check_open_rules(lua_State *L) {
  struct net_blocklist *b = net_object_check(L, 1, &blocklist_class);
  if (b->dead)
    luaL_error(L, "the BlockList was finalised");
  return &b->rules;
}

/* The endpoint of a SocketAddress; Lua's half has seen to it that it is one. */
static const struct net_endpoint *check_endpoint(lua_State *L, int idx) {
  const struct net_endpoint *e = net_socketaddress_test(L, idx);
  if (e == NULL)
    luaL_typeerror(L, idx, "SocketAddress");
  return e;
}

static void check_memory(lua_State *L, int err) {
  if (err == -ENOMEM)
    net_error_memory(L);
}

/* --- methods ----------------------------------------------------------------- */

/* "ipv4" in letters of either case, in every locale. */
static int names_ipv4(const char *s, size_t len) {
  return len == 4 && (s[0] | 32) == 'i' && (s[1] | 32) == 'p' && (s[2] | 32) == 'v' && s[3] == '4';
}

/* Reads the address and the family at 2 and 3 of check; what is no address is
 * -EINVAL, what is no text raises. */
static int checked_endpoint(lua_State *L, struct net_endpoint *out) {
  size_t len;
  if (lua_type(L, 2) != LUA_TSTRING)
    return net_error_arg_type(L, "address", "string", 2);
  if (!lua_isnoneornil(L, 3) && lua_type(L, 3) != LUA_TSTRING)
    return net_error_arg_type(L, "family", "string", 3);
  const char *family = lua_tolstring(L, 3, &len);
  int v4 = family == NULL || names_ipv4(family, len);
  const char *text = lua_tolstring(L, 2, &len);
  return net_endpoint_parse(text, len, v4 ? 4 : 6, out);
}

/* list:check(address [, family]) -> boolean, [-0, +1, e] */
static int blocklist_check(lua_State *L) {
  const struct net_rules *r = check_rules(L);
  const struct net_endpoint *e = net_socketaddress_test(L, 2);
  struct net_endpoint read;
  if (e == NULL)
    e = checked_endpoint(L, &read) == 0 ? &read : NULL;
  lua_pushboolean(L, e != NULL && net_rules_match(r, e));
  return 1;
}

/* list:clear(), [-0, +0, e] */
static int blocklist_clear(lua_State *L) {
  net_rules_clear(check_rules(L));
  return 0;
}

static int get_size(lua_State *L) {
  lua_pushinteger(L, net_rules_count(check_rules(L)));
  return 1;
}

/* --- the texts of rules ------------------------------------------------------ */

static const char *family_name(uint32_t family) { return family == 4 ? "IPv4" : "IPv6"; }

/* Each pushes the text of a record of its book, which is copied first: a new
 * string may start the collector, that a finalizer, and that change the list.
 * [-0, +1, m] */
static void push_address(lua_State *L, const void *record) {
  struct net_address a;
  memcpy(&a, record, sizeof a);
  struct net_endpoint e = { .family = (uint8_t)a.family };
  memcpy(e.ip, a.ip, sizeof e.ip);
  net_endpoint_push(L, &e);
  lua_pushfstring(L, "Address: %s %s", family_name(a.family), lua_tostring(L, -1));
  lua_remove(L, -2);
}

static void push_subnet(lua_State *L, const void *record) {
  struct net_endpoint e;
  memcpy(&e, record, sizeof e);
  net_endpoint_push(L, &e);
  lua_pushfstring(L, "Subnet: %s %s/%d", family_name(e.family), lua_tostring(L, -1), (int)e.prefix);
  lua_remove(L, -2);
}

static void push_range(lua_State *L, const void *record) {
  struct net_range r;
  memcpy(&r, record, sizeof r);
  net_endpoint_push(L, &r.start);
  net_endpoint_push(L, &r.end);
  lua_pushfstring(L, "Range: %s %s-%s", family_name(r.start.family), lua_tostring(L, -2),
                  lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Appends the texts of a book's rules, the newest first, to the list on the top,
 * which has 'count' of them. The book's length is read again for each, for the
 * same reason. [-0, +0, m] */
static lua_Integer append_rules(lua_State *L, const struct net_records *b, lua_Integer count,
                                void (*push)(lua_State *, const void *)) {
  for (uint32_t place = b->used; place-- > 0;) {
    const void *record = place < b->used ? net_records_at(b, place) : NULL;
    if (record == NULL)
      continue;
    push(L, record);
    lua_rawseti(L, -2, ++count);
  }
  return count;
}

static int get_rules(lua_State *L) {
  const struct net_rules *r = check_rules(L);
  lua_createtable(L, (int)net_rules_count(r), 0);
  lua_Integer count = append_rules(L, &r->addresses, 0, push_address);
  count = append_rules(L, &r->subnets, count, push_subnet);
  append_rules(L, &r->ranges, count, push_range);
  return 1;
}

/* --- the object -------------------------------------------------------------- */

/* It holds no memory any more, and will take none. */
static void blocklist_end(struct net_kept *kept) {
  struct net_blocklist *b = net_container_of(kept, struct net_blocklist, kept);
  net_kept_drop(kept);
  net_rules_clear(&b->rules);
  b->dead = 1;
}

static int blocklist_gc(lua_State *L) {
  struct net_blocklist *b = net_object_check(L, 1, &blocklist_class);
  blocklist_end(&b->kept);
  return 0;
}

static int blocklist_tostring(lua_State *L) {
  lua_Integer count = net_rules_count(check_rules(L));
  lua_pushfstring(L, "BlockList (%I rule%s)", (LUAI_UACINT)count, count == 1 ? "" : "s");
  return 1;
}

static const luaL_Reg blocklist_methods[] = {
  { "check", blocklist_check },
  { "clear", blocklist_clear },
  { NULL, NULL },
};

static const luaL_Reg blocklist_getters[] = {
  { "rules", get_rules },
  { "size", get_size },
  { NULL, NULL },
};

static const luaL_Reg blocklist_meta[] = {
  { "__gc", blocklist_gc },
  { "__tostring", blocklist_tostring },
  { NULL, NULL },
};

static const struct net_class blocklist_class = {
  .name = "BlockList",
  .methods = blocklist_methods,
  .getters = blocklist_getters,
  .meta = blocklist_meta,
};

/* --- for lua/net/internal/address/blocklist.lua ----------------------------------------------- */

/* What an attacker would have to guess: where memory is, and the nanosecond. */
static uint64_t seed_of(const void *memory) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)(uintptr_t)memory ^ (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
}

/* new() -> BlockList */
static int core_new(lua_State *L) {
  struct net_blocklist *b =
    net_object_new(L, net_loop_get(L), &blocklist_class, sizeof *b, VAL_OWN - 1);
  net_rules_init(&b->rules, seed_of(b));
  lua_getmetatable(L, -1);
  net_kept_guard(L); /* the Lua half has added its own by now */
  lua_pop(L, 1);
  b->dead = !net_keep_try(L, &b->kept, blocklist_end);
  return 1;
}

/* is(value) -> boolean */
static int core_is(lua_State *L) {
  lua_pushboolean(L, net_blocklist_test(L, 1) != NULL);
  return 1;
}

/* add_addresses(list, SocketAddress[]): all of them, or none if there is no memory */
static int core_add_addresses(lua_State *L) {
  struct net_rules *r = check_open_rules(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Unsigned count = lua_rawlen(L, 2);
  check_memory(L, count > UINT32_MAX ? -ENOMEM : net_rules_reserve_addresses(r, (uint32_t)count));
  for (lua_Unsigned i = 1; i <= count; i++) {
    lua_rawgeti(L, 2, (lua_Integer)i);
    (void)net_rules_add_address(r, check_endpoint(L, -1));
    lua_pop(L, 1);
  }
  return 0;
}

/* add_address(list, address) */
static int core_add_address(lua_State *L) {
  struct net_rules *r = check_open_rules(L);
  check_memory(L, net_rules_add_address(r, check_endpoint(L, 2)));
  return 0;
}

/* remove_address(list, address) */
static int core_remove_address(lua_State *L) {
  struct net_rules *r = check_rules(L);
  net_rules_remove_address(r, check_endpoint(L, 2));
  return 0;
}

/* The subnet of a SocketAddress at 2 and a prefix length at 3. */
static struct net_endpoint check_subnet(lua_State *L) {
  struct net_endpoint e = *check_endpoint(L, 2);
  lua_Integer prefix = luaL_checkinteger(L, 3);
  luaL_argcheck(L, prefix >= 0 && prefix <= (e.family == 4 ? 32 : NET_PREFIX_MAX), 3,
                "no prefix length");
  e.prefix = (uint8_t)prefix;
  return e;
}

/* add_subnet(list, address, prefix) */
static int core_add_subnet(lua_State *L) {
  struct net_rules *r = check_open_rules(L);
  struct net_endpoint e = check_subnet(L);
  check_memory(L, net_rules_add_subnet(r, &e));
  return 0;
}

/* remove_subnet(list, address, prefix) */
static int core_remove_subnet(lua_State *L) {
  struct net_rules *r = check_rules(L);
  struct net_endpoint e = check_subnet(L);
  net_rules_remove_subnet(r, &e);
  return 0;
}

static struct net_range check_range(lua_State *L) {
  return (struct net_range){ .start = *check_endpoint(L, 2), .end = *check_endpoint(L, 3) };
}

/* add_range(list, start, end) -> boolean: false if the end comes first */
static int core_add_range(lua_State *L) {
  struct net_rules *r = check_open_rules(L);
  struct net_range range = check_range(L);
  int err = net_rules_add_range(r, &range);
  check_memory(L, err);
  lua_pushboolean(L, err == 0);
  return 1;
}

/* remove_range(list, start, end) */
static int core_remove_range(lua_State *L) {
  struct net_rules *r = check_rules(L);
  struct net_range range = check_range(L);
  net_rules_remove_range(r, &range);
  return 0;
}

static const luaL_Reg blocklist_functions[] = {
  { "new", core_new },
  { "is", core_is },
  { "add_address", core_add_address },
  { "add_addresses", core_add_addresses },
  { "add_range", core_add_range },
  { "add_subnet", core_add_subnet },
  { "remove_address", core_remove_address },
  { "remove_range", core_remove_range },
  { "remove_subnet", core_remove_subnet },
  { NULL, NULL },
};

void net_blocklist_open(lua_State *L) {
  net_class_open(L, &blocklist_class, 0);
  lua_setfield(L, -2, "BlockList");
  luaL_newlib(L, blocklist_functions);
  lua_setfield(L, -2, "blocklist");
}
