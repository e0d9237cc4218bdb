/* SPDX-License-Identifier: MIT
 *
 * frames.c - the lines and groups of a channel as a Lua module, for frames_spec.lua: they
 * know no loop, so here is none.
 *
 *     local f = frames.new(max)       -- bytes of a line
 *     f:read(fd)                      -- bytes, or a negative errno; and whether there may be more
 *     f:line()                        -- text, or nil and 0 or a negative errno
 *     f:next()
 *     f:take()                        -- numbers of the oldest group
 *     f:state()                       -- {size =, rest =, groups =}
 *     frames.send(fd, bytes, {numbers})   -- bytes, or a negative errno
 *     frames.refuse(n)                -- the n-th request for memory from here on */
#include <stdlib.h>

static long until_refused;

static void *spec_realloc(void *old, size_t size) {
  return until_refused > 0 && --until_refused == 0 ? NULL : realloc(old, size);
}

#include "base/sys.c"
#include "base/transfer.c"
#define realloc spec_realloc
#include "process/frames.c"
#undef realloc

#include <lauxlib.h>

static struct net_frames *frames_at(lua_State *L) { return luaL_checkudata(L, 1, "frames"); }

static int frames_read(lua_State *L) {
  int full;
  lua_pushinteger(L, net_frames_read(frames_at(L), (int)luaL_checkinteger(L, 2), &full));
  lua_pushboolean(L, full);
  return 2;
}

static int frames_line(lua_State *L) {
  const char *line;
  size_t len;
  int is_there = net_frames_line(frames_at(L), &line, &len);
  if (is_there == 1) {
    lua_pushlstring(L, line, len);
    return 1;
  }
  lua_pushnil(L);
  lua_pushinteger(L, is_there);
  return 2;
}

static int frames_next(lua_State *L) {
  net_frames_next(frames_at(L));
  return 0;
}

static int frames_amid(lua_State *L) {
  lua_pushboolean(L, net_frames_amid(frames_at(L)));
  return 1;
}

static int frames_take(lua_State *L) {
  struct net_group group;
  net_frames_take(frames_at(L), &group);
  lua_createtable(L, group.count, 0);
  for (int i = 0; i < group.count; i++) {
    lua_pushinteger(L, group.fds[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int frames_state(lua_State *L) {
  const struct net_frames *f = frames_at(L);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)f->cap);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, (lua_Integer)(f->end - f->at));
  lua_setfield(L, -2, "rest");
  lua_pushinteger(L, f->groups);
  lua_setfield(L, -2, "groups");
  return 1;
}

static int frames_limit(lua_State *L) {
  frames_at(L)->max = (size_t)luaL_checkinteger(L, 2);
  return 0;
}

static int frames_gc(lua_State *L) {
  net_frames_end(frames_at(L));
  return 0;
}

static int module_new(lua_State *L) {
  struct net_frames *f = lua_newuserdatauv(L, sizeof *f, 0);
  net_frames_init(f, (size_t)luaL_checkinteger(L, 1));
  luaL_setmetatable(L, "frames");
  return 1;
}

enum { MANY = 253 }; /* descriptors that Linux takes at once */

/* As net_sys_send_rights, but more of them. */
static ssize_t send_many(int fd, const char *bytes, size_t size, const int *fds, int count) {
  char control[CMSG_SPACE(MANY * sizeof *fds)] = { 0 };
  struct iovec iov = { (void *)(uintptr_t)bytes, size };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
  msg.msg_controllen = CMSG_SPACE((size_t)count * sizeof *fds);
  struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN((size_t)count * sizeof *fds);
  memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof *fds);
  return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static int module_send(lua_State *L) {
  size_t len;
  int fds[MANY], count = 0, fd = (int)luaL_checkinteger(L, 1);
  const char *bytes = luaL_checklstring(L, 2, &len);
  for (; count < MANY && lua_istable(L, 3) && lua_rawgeti(L, 3, count + 1) != LUA_TNIL; lua_pop(L, 1))
    fds[count++] = (int)lua_tointeger(L, -1);
  lua_pushinteger(L, count > NET_RIGHTS_MAX ? send_many(fd, bytes, len, fds, count)
                     : count > 0 ? net_sys_send_rights(fd, bytes, len, fds, count)
                                 : net_sys_send(fd, bytes, len));
  return 1;
}

static int module_refuse(lua_State *L) {
  until_refused = luaL_checkinteger(L, 1);
  return 0;
}

/* close(number) */
static int module_close(lua_State *L) {
  net_sys_close((int)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg frames_methods[] = {
  {"read", frames_read}, {"line", frames_line}, {"next", frames_next}, {"amid", frames_amid},
  {"take", frames_take}, {"state", frames_state}, {"limit", frames_limit}, {"close", frames_gc},
  {NULL, NULL}
};

static const luaL_Reg module_functions[] = {
  {"new", module_new}, {"send", module_send}, {"refuse", module_refuse}, {"close", module_close},
  {NULL, NULL}
};

__attribute__((visibility("default"))) int luaopen_frames(lua_State *L) {
  luaL_newmetatable(L, "frames");
  luaL_newlib(L, frames_methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, frames_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, module_functions);
  return 1;
}
