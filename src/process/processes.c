/* SPDX-License-Identifier: MIT
 *
 * processes.c - opens the room, from the bottom up, when a program first asks for other
 * processes. What has to be read before it runs, the environment, is not in here, but in
 * activated.c and inherited.c. */
#include "process/processes.h"

#include "base/json.h"
#include "connect/boundsocket.h"
#include "connect/dial.h"
#include "process/accepted.h"
#include "process/channel.h"
#include "process/childprocess.h"
#include "process/descriptor.h"
#include "process/handles.h"
#include "process/handover.h"
#include "process/inherited.h"
#include "process/notify.h"

/* By the field that each sets last: what has that is whole. Where memory runs out on the way
 * the rest is opened the next time, and no class twice: it may have objects. */
static const struct part {
  const char *field;
  void (*open)(lua_State *L);
} parts[] = {
  { "json", net_json_open },
  { "dial", net_dial_open },
  { "boundsocket", net_boundsocket_open },
  { "descriptor", net_descriptor_open },
  { "channel", net_channel_open },
  { "inherited", net_inherited_open },
  { "acceptor", net_accepted_open },
  { "handles", net_handles_open },
  { "monotonic_usec", net_notify_open },
  { "handover", net_handover_open },
  { "child", net_childprocess_open },
};

void net_processes_open(lua_State *L) {
  int core = lua_gettop(L);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    lua_pushstring(L, parts[i].field);
    int is_there = lua_rawget(L, core) != LUA_TNIL;
    lua_settop(L, core);
    if (!is_there)
      parts[i].open(L);
  }
}
