/* SPDX-License-Identifier: MIT
 *
 * capi.c - core.capi: what another library's C code may call. The contract of each is in
 * net_capi.h; what it does is done where the thing is at home. */
#include "capi.h"

#include "events/emitter.h"
#include "base/error.h"
#include "base/keep.h"
#include "loop/atexit.h"
#include "stream/layer.h"
#include "loop/loop.h"
#include "server/server.h"
#include "stream/stream.h"

/* The class of ours at the end of its line of parents. */
static const struct net_class *root_of(const struct net_class *cls) {
  while (cls->parent)
    cls = cls->parent;
  return cls;
}

static struct net_class *class_new(lua_State *L, const char *name, int parent) {
  if (parent != NET_SOCKET && parent != NET_SERVER)
    luaL_error(L, "no class %d to make another of", parent);
  return net_class_derive(L, name, parent == NET_SOCKET ? &net_stream_class : &net_server_class);
}

static void object_new(lua_State *L, const struct net_class *cls) {
  if (cls == NULL || root_of(cls) == &net_stream_class)
    net_stream_new(L, net_loop_get(L), cls ? cls : &net_stream_class);
  else
    net_accept_new(L, cls);
}

static struct net_stream *stream_test(lua_State *L, int idx, const struct net_class *cls) {
  struct net_stream *s = net_object_test(L, idx, &net_stream_class);
  return s && cls && !net_object_test(L, idx, cls) ? NULL : s;
}

static struct net_handle *handle(struct net_stream *s) { return s->watch.open ? &s->handle : NULL; }

/* The absolute index of the socket at 'idx'. [-0, +0, e] */
static int check_stream(lua_State *L, int idx) {
  net_object_check(L, idx, &net_stream_class);
  return lua_absindex(L, idx);
}

static int take(lua_State *L, int to, int from) {
  return net_layer_take(L, check_stream(L, to), check_stream(L, from));
}

static void install(lua_State *L, int idx, const struct net_transport *via, void *state,
                    struct net_handle *below) {
  net_layer_install(L, check_stream(L, idx), via, state, below);
}

static int emit(lua_State *L, int idx, const char *event, int nargs) {
  return net_emit_by_name(L, lua_absindex(L, idx), event, nargs);
}

static void destroy(lua_State *L, int idx) { net_stream_destroy(L, check_stream(L, idx)); }

static void count(struct net_stream *s, uint64_t in, uint64_t out) {
  s->bytes_read += in;
  s->bytes_written += out;
  net_stream_touch(s);
}

static void over(lua_State *L, int idx, const struct net_class *cls,
                 void (*accepted)(lua_State *L, int server, int socket)) {
  struct net_server *s = net_server_check(L, idx);
  s->makes = cls ? cls : &net_stream_class;
  s->accepted = accepted;
}

static int listens(lua_State *L, int idx, const char *event) {
  return net_listens(L, lua_absindex(L, idx), event);
}

static uint32_t turn(const struct net_stream *s) {
  return s->o.loop->ev ? ev_iteration(s->o.loop->ev) : 0;
}

static const struct net_capi table = {
  .abi = NET_CAPI_ABI,
  .size = sizeof table,
  .version = NET_VERSION,
  .class_new = class_new,
  .object_new = object_new,
  .stream_test = stream_test,
  .handle = handle,
  .take = take,
  .install = install,
  .wake = net_stream_wake,
  .emit = emit,
  .destroy = destroy,
  .error_code = net_error_push_code,
  .error_sys = net_error_push_sys,
  .count = count,
  .over = over,
  .listens = listens,
  .turn = turn,
  .exit_flush = net_atexit_flush,
  .keep = net_keep,
};

void net_capi_open(lua_State *L) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&table);
  lua_setfield(L, -2, "capi");
}
