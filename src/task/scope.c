/* SPDX-License-Identifier: MIT
 *
 * scope.c - the scopes around the code of a task, and which of them count.
 *
 * A scope is pushed around a call in a coroutine of a task, and ends with it. When it is
 * hit it gets an error, and from then on each wait of that call raises it; the outermost
 * scope that is hit wins. A shield is a scope that outer ones do not reach through. What
 * hits them is deadline.c. */
#include <lauxlib.h>

#include "base/error.h"
#include "task/task.h"

void net_scope_push(struct net_scope *s, struct net_coroutine *in) {
  s->in = in;
  s->outer = in->scopes;
  in->scopes = s;
}

void net_scope_end(lua_State *L, struct net_scope *s) {
  if (s->in) {
    struct net_scope **at = &s->in->scopes;
    while (*at && *at != s)
      at = &(*at)->outer;
    if (*at)
      *at = s->outer;
    s->in = NULL;
  }
  luaL_unref(L, LUA_REGISTRYINDEX, s->error);
  luaL_unref(L, LUA_REGISTRYINDEX, s->signal);
  s->error = s->signal = LUA_NOREF;
}

struct net_scope *net_scope_next(struct net_task *t, struct net_coroutine **co,
                                 struct net_scope *s) {
  if (s && (s->shields || s == &t->cancel))
    return NULL;
  s = s ? s->outer : (*co)->scopes;
  while (s == NULL && (*co)->outer) {
    *co = (*co)->outer;
    s = (*co)->scopes;
  }
  return s ? s : &t->cancel;
}

struct net_scope *net_scope_outermost(const struct net_task *task) {
  struct net_task *t = (struct net_task *)task;
  struct net_coroutine *co = t->inner;
  struct net_scope *found = NULL;
  for (struct net_scope *s = net_scope_next(t, &co, NULL); s; s = net_scope_next(t, &co, s))
    if (s->hit)
      found = s;
  return found;
}

int net_scope_raised(lua_State *L, const struct net_task *task, int idx) {
  struct net_task *t = (struct net_task *)task;
  struct net_coroutine *co = t->inner;
  int is_its = 0;
  idx = lua_absindex(L, idx);
  for (struct net_scope *s = net_scope_next(t, &co, NULL); s && !is_its;
       s = net_scope_next(t, &co, s)) {
    if (!s->hit || s->error == LUA_NOREF)
      continue;
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->error);
    is_its = lua_rawequal(L, -1, idx);
    lua_pop(L, 1);
  }
  return is_its;
}

void net_scope_push_error(lua_State *L, struct net_scope *s) {
  if (s->error == LUA_NOREF) {
    net_error_push_code(L, s->cancels ? "ERR_TASK_CANCELLED" : "ERR_TIMEOUT", 0);
    lua_pushvalue(L, -1);
    s->error = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->error);
  }
}
