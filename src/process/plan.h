/* SPDX-License-Identifier: MIT
 *
 * plan.h - a process that is to be, as lua/net/internal/process/start.lua says it:
 *
 *     {paths, searched, args, env, listen_pid, cwd, fds, count, detached, uid, gid}
 *
 * 'fds' has a number, a Descriptor or nothing at each of 'count' places. */
#ifndef NET_PLAN_H
#define NET_PLAN_H

#include <lua.h>

#include "process/spawn.h"

/* The frame of who reads one: the plan is on the top, and what is pushed begins with its
 * places. */
enum { PLAN = 2, PLAN_FDS };

/* Lays it out in memory that is pushed, and lives as long as the frame. [-0, +n, m] */
void net_plan_read(lua_State *L, struct net_spawn *s);
/* Closes the Descriptors among its places: the child has them, or nobody will. [-0, +0, -] */
void net_plan_close(lua_State *L, const struct net_spawn *s);
/* Adds environ and default_path to the table on the top. [-0, +0, m] */
void net_plan_open(lua_State *L);

#endif
