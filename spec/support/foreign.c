/* SPDX-License-Identifier: MIT
 *
 * foreign.c - a Lua module in C that is another library's, for capi_spec.lua.
 *
 * It is compiled against the net_capi.h that `make install` puts down, and against
 * nothing else of ours. EXAMPLE is the file with the example of docs/internals.md: a
 * transport 'xor', which is put on by install_xor(). The other one here, 'slow', does
 * what a protocol such as TLS does: a handshake, bytes kept back on both sides, errors of
 * its own, and Lua called as it goes. */
#include <errno.h>
#include <net_capi.h>
#include <stdlib.h>
#include <string.h>

static const struct net_capi *net;
static int inside; /* amid an entry that may not run Lua; nested */
static int states; /* of layers that were made and not closed */

#include EXAMPLE

/* --- slow ------------------------------------------------------------------------ */

enum { ROOM = 65536 }; /* bytes kept back, each way */

struct slow {
  struct net_handle below;
  int on_open;          /* registry reference of what is called when it opens */
  int greeted, was_greeted, failed; /* with an 'H' */
  int is_open;
  size_t give;          /* bytes that one read gives at most */
  size_t in, out;       /* bytes kept back */
  char in_bytes[ROOM], out_bytes[ROOM];
};

/* Sends what was kept back. */
static int slow_flush(struct slow *s) {
  while (s->out > 0) {
    ssize_t n = s->below.via->send(&s->below, s->out_bytes, s->out);
    if (n < 0)
      return (int)n;
    s->out -= (size_t)n;
    memmove(s->out_bytes, s->out_bytes + n, s->out);
  }
  return 0;
}

/* Calls Lua when both have greeted; returns whether this layer is still there. */
static int slow_opened(lua_State *L, struct net_handle *h, struct slow *s) {
  struct net_stream *stream = h->stream;
  s->is_open = 1;
  lua_rawgeti(L, LUA_REGISTRYINDEX, s->on_open);
  if (lua_isnil(L, -1))
    return 1;
  net->wake(h, NET_READ | NET_WRITE); /* for what a raise keeps from being returned */
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  h = net->handle(stream);
  return h && h->state == s;
}

static void slow_error(lua_State *L, struct net_handle *h) {
  (void)h;
  lua_pushliteral(L, "127.0.0.1:65536");
  net->error_code(L, "ERR_INVALID_ADDRESS", 1);
}

/* Says its part of the greeting, and hears the other's. */
static void slow_greet(struct slow *s) {
  char got;
  if (!s->greeted && s->below.via->send(&s->below, "H", 1) == 1)
    s->greeted = 1;
  if (s->was_greeted)
    return;
  ssize_t n = s->below.via->read(&s->below, &got, 1);
  s->was_greeted = n == 1 && got == 'H';
  s->failed = n == 1 ? got != 'H' : n != -EAGAIN;
}

static int slow_ready(lua_State *L, struct net_handle *h, int events) {
  struct slow *s = h->state;
  events = net_handle_ready(L, &s->below, events);
  if (events == 0)
    return 0;
  if (!s->is_open) {
    slow_greet(s);
    if (s->failed) {
      slow_error(L, h);
      net->destroy(L, 1);
      return 0;
    }
    if (!s->greeted || !s->was_greeted)
      return 0;
    return slow_opened(L, h, s) ? NET_READ | NET_WRITE : 0;
  }
  (void)slow_flush(s);
  return events;
}

static ssize_t slow_read(struct net_handle *h, void *buf, size_t size) {
  struct slow *s = h->state;
  if (!s->is_open)
    return -EAGAIN;
  inside++;
  if (s->in == 0) {
    ssize_t n = s->below.via->read(&s->below, s->in_bytes, ROOM);
    if (n > 0 && memchr(s->in_bytes, '!', (size_t)n))
      n = NET_OWN_ERROR;
    if (n <= 0) {
      inside--;
      return n;
    }
    s->in = (size_t)n;
  }
  size_t n = s->in < size ? s->in : size;
  n = n < s->give ? n : s->give;
  memcpy(buf, s->in_bytes, n);
  s->in -= n;
  memmove(s->in_bytes, s->in_bytes + n, s->in);
  net->wake(h, NET_READ);
  inside--;
  return (ssize_t)n;
}

/* Takes what it has room for, and sends it when it is told that it can. */
static ssize_t slow_send(struct net_handle *h, const void *bytes, size_t size) {
  struct slow *s = h->state;
  size_t room = ROOM - s->out;
  if (!s->is_open || room == 0)
    return -EAGAIN;
  if (size > 0 && memchr(bytes, '?', size))
    return NET_OWN_ERROR;
  inside++;
  size = size < room ? size : room;
  memcpy(s->out_bytes + s->out, bytes, size);
  s->out += size;
  inside--;
  return (ssize_t)size;
}

static ssize_t slow_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  ssize_t total = 0;
  (void)more;
  for (int i = 0; i < count; i++) {
    ssize_t n = slow_send(h, iov[i].iov_base, iov[i].iov_len);
    if (n < 0)
      return total > 0 ? total : n;
    total += n;
    if ((size_t)n < iov[i].iov_len)
      break;
  }
  return total;
}

static size_t slow_unsent(const struct net_handle *h) {
  const struct slow *s = h->state;
  return s->out + net_handle_unsent(&s->below);
}

static int slow_shutdown(struct net_handle *h) {
  struct slow *s = h->state;
  int err = s->is_open ? slow_flush(s) : -EAGAIN;
  return err < 0 ? err : s->below.via->shutdown(&s->below);
}

static int slow_poll(struct net_handle *h, int events) {
  struct slow *s = h->state;
  if (!s->is_open)
    events = s->greeted ? NET_READ : NET_READ | NET_WRITE;
  if (s->is_open && s->out > 0)
    events |= NET_WRITE;
  if (s->is_open && s->in > 0 && events & NET_READ)
    net->wake(h, NET_READ);
  return net_handle_poll(&s->below, events);
}

static struct net_handle *slow_below(const struct net_handle *h) {
  return &((struct slow *)h->state)->below;
}

static void slow_close(struct net_handle *h) {
  struct slow *s = h->state;
  (void)slow_flush(s);
  s->below.via->close(&s->below);
  states--;
  free(s);
}

static const struct net_transport slow = {
  .name = "slow",
  .can = NET_CAN_LATE,
  .ready = slow_ready,
  .read = slow_read,
  .send = slow_send,
  .writev = slow_writev,
  .unsent = slow_unsent,
  .shutdown = slow_shutdown,
  .poll = slow_poll,
  .error = slow_error,
  .below = slow_below,
  .close = slow_close
};

static int slow_install(lua_State *L) {
  struct slow *s = lua_touserdata(L, 2);
  net->install(L, 1, &slow, s, &s->below);
  return 0;
}

/* slow(socket [, on_open [, give]]): 'give' is how many bytes a read gives at most */
static int foreign_slow(lua_State *L) {
  lua_settop(L, 3);
  size_t give = (size_t)luaL_optinteger(L, 3, ROOM);
  lua_settop(L, 2);
  int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  struct slow *s = calloc(1, sizeof *s);
  lua_pushcfunction(L, slow_install);
  lua_insert(L, 1);
  lua_pushlightuserdata(L, s);
  s->on_open = ref;
  s->give = give;
  states++;
  if (lua_pcall(L, 2, 0, 0) == LUA_OK)
    return 0;
  states--;
  free(s);
  return lua_error(L);
}

/* --- the rest ---------------------------------------------------------------------- */

/* --- wishful ------------------------------------------------------------------------ */

/* 'xor' that wants to be told of all, whatever is below. */
static int wishful_poll(struct net_handle *h, int events) {
  (void)h, (void)events;
  return NET_READ | NET_WRITE;
}

static int wishful_install(lua_State *L) {
  static struct net_transport wishful;
  struct xor *x = lua_touserdata(L, 2);
  wishful = xor;
  wishful.name = "wishful";
  wishful.poll = wishful_poll;
  net->install(L, 1, &wishful, x, &x->below);
  return 0;
}

/* wishful(socket), which is open */
static int foreign_wishful(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcfunction(L, wishful_install);
  lua_insert(L, 1);
  lua_pushlightuserdata(L, calloc(1, sizeof(struct xor)));
  lua_call(L, 2, 0);
  return 0;
}

/* xor(socket, key) */
static int foreign_xor(lua_State *L) {
  install_xor(L, 1, (unsigned char)luaL_checkinteger(L, 2));
  return 0;
}

static struct net_stream *check(lua_State *L, int idx) {
  struct net_stream *s = net->stream_test(L, idx, NULL);
  if (s == NULL)
    luaL_argerror(L, idx, "no socket");
  return s;
}

static const char class_keys[2]; /* registry: pointers to classes */

static struct net_class *class_at(lua_State *L, int which) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &class_keys[which]);
  struct net_class *cls = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return cls;
}

/* class(name, which) -> {metatable, methods, getters, setters}; 0: sockets, 1: servers */
static int foreign_class(lua_State *L) {
  int which = (int)luaL_checkinteger(L, 2);
  struct net_class *cls = net->class_new(L, luaL_checkstring(L, 1), which ? NET_SERVER : NET_SOCKET);
  lua_pushlightuserdata(L, cls);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &class_keys[which]);
  return 1;
}

/* new([which]) -> an object of that class, or a plain socket */
static int foreign_new(lua_State *L) {
  net->object_new(L, lua_isnoneornil(L, 1) ? NULL : class_at(L, (int)lua_tointeger(L, 1)));
  return 1;
}

/* is(value) -> any socket?, one of our class? */
static int foreign_is(lua_State *L) {
  lua_pushboolean(L, net->stream_test(L, 1, NULL) != NULL);
  lua_pushboolean(L, net->stream_test(L, 1, class_at(L, 0)) != NULL);
  return 2;
}

/* layers(socket) -> the names from the top, nil if it is not open */
static int foreign_layers(lua_State *L) {
  struct net_stream *s = check(L, 1);
  const struct net_handle *h = net->handle(s);
  lua_settop(L, 0);
  for (; h; h = h->via->below ? h->via->below(h) : NULL) {
    if (h->stream != s)
      return luaL_error(L, "'%s' serves another", h->via->name);
    lua_pushstring(L, h->via->name);
  }
  return lua_gettop(L);
}

/* take(to, from) -> bytes, or nil, errno */
static int foreign_take(lua_State *L) {
  lua_settop(L, 2);
  int err = net->take(L, -2, -1);
  if (err == 0)
    return 1;
  if (lua_gettop(L) != 2)
    return luaL_error(L, "it left something on the stack");
  lua_pushnil(L);
  lua_pushinteger(L, err);
  return 2;
}

static int foreign_emit(lua_State *L) {
  lua_pushboolean(L, net->emit(L, 1, luaL_checkstring(L, 2), lua_gettop(L) - 2));
  return 1;
}

static int foreign_listens(lua_State *L) {
  lua_pushboolean(L, net->listens(L, 1, luaL_checkstring(L, 2)));
  return 1;
}

static int foreign_destroy(lua_State *L) {
  lua_settop(L, 2);
  net->destroy(L, -2);
  return 0;
}

static int foreign_error_code(lua_State *L) {
  net->error_code(L, luaL_checkstring(L, 1), lua_gettop(L) - 1);
  return 1;
}

static int foreign_error_sys(lua_State *L) {
  net->error_sys(L, (int)luaL_checkinteger(L, 1), luaL_checkstring(L, 2));
  return 1;
}

static int foreign_count(lua_State *L) {
  net->count(check(L, 1), (uint64_t)luaL_checkinteger(L, 2), (uint64_t)luaL_checkinteger(L, 3));
  return 0;
}

static int foreign_turn(lua_State *L) {
  lua_pushinteger(L, net->turn(check(L, 1)));
  return 1;
}

/* wake(socket, events, times) */
static int foreign_wake(lua_State *L) {
  struct net_handle *h = net->handle(check(L, 1));
  for (lua_Integer i = luaL_checkinteger(L, 3); i > 0; i--)
    net->wake(h, (int)luaL_checkinteger(L, 2));
  return 0;
}

static const char accepted_key;

static void accepted(lua_State *L, int server, int socket) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &accepted_key);
  lua_pushvalue(L, server);
  lua_pushvalue(L, socket);
  lua_call(L, 2, 0);
}

/* over(server [, fn [, plain]]) */
static int foreign_over(lua_State *L) {
  lua_settop(L, 3);
  int calls = !lua_isnil(L, 2);
  net->over(L, 1, calls && !lua_toboolean(L, 3) ? class_at(L, 0) : NULL, calls ? accepted : NULL);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &accepted_key);
  return 0;
}

/* flush_at_exit() */
static int foreign_flush_at_exit(lua_State *L) {
  (void)L;
  return atexit(net->exit_flush);
}

/* counts() -> layers that are not closed, entries that are being run */
static int foreign_counts(lua_State *L) {
  lua_pushinteger(L, states);
  lua_pushinteger(L, inside);
  return 2;
}

__attribute__((visibility("default"))) int luaopen_foreign(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"xor", foreign_xor},
    {"wishful", foreign_wishful},
    {"slow", foreign_slow},
    {"class", foreign_class},
    {"new", foreign_new},
    {"is", foreign_is},
    {"layers", foreign_layers},
    {"take", foreign_take},
    {"emit", foreign_emit},
    {"listens", foreign_listens},
    {"destroy", foreign_destroy},
    {"error_code", foreign_error_code},
    {"error_sys", foreign_error_sys},
    {"count", foreign_count},
    {"turn", foreign_turn},
    {"wake", foreign_wake},
    {"over", foreign_over},
    {"flush_at_exit", foreign_flush_at_exit},
    {"counts", foreign_counts},
    {NULL, NULL}
  };
  net = net_capi_get(L);
  luaL_newlib(L, functions);
  lua_pushstring(L, net->version);
  lua_setfield(L, -2, "version");
  return 1;
}
