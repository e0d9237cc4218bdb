/* SPDX-License-Identifier: MIT
 *
 * receive.c - what comes by a channel: from the descriptor to "message".
 *
 * One read gives a chunk, and all of its lines are looked at before the first listener is
 * called, as in Node: an answer to one of them leaves before anybody hears of another. A
 * message becomes a Lua value straight from where it was read; it waits in the inbox, a
 * list of pairs, for its tick, which is a step (steps.h). What is internal goes to the Lua
 * half at once, which may post it to be called on its tick too.
 *
 * A line is taken out of the frames when what comes of it is queued. Where that raises, as
 * there is no memory, it is looked at once more when the loop goes on; 'take' and 'post'
 * are such that nothing is lost or done twice then. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "events/emitter.h"
#include "loop/dispatch.h"
#include "process/channel.h"
#include "process/descriptor.h"

/* What a step's number says of the pair that it takes: the kind, and above it how many
 * bytes the line had. */
enum kind {
  MESSAGE,  /* a value, and nothing */
  INTERNAL, /* a value and a group, for the Lua half */
  BROKEN,   /* an error, for "error" */
  KINDS
};

/* --- ticks ------------------------------------------------------------------------ */

static void tell_message(lua_State *L, struct net_channel *c, lua_Integer size) {
  int top = lua_gettop(L); /* the value */
  lua_getiuservalue(L, 1, VAL_OWNER);
  lua_pushliteral(L, "message");
  lua_pushvalue(L, top);
  if (!c->keeps && net_emit_at(L, top + 1, top + 2, 1))
    return;
  net_channel_push_hook(L, 1, "tell");
  lua_pushvalue(L, top);
  lua_pushnil(L);
  lua_pushinteger(L, size);
  lua_call(L, 4, 0);
}

/* Takes the oldest pair; the rest is for its kind. */
static void inbox_step(lua_State *L, const struct net_step *step) {
  struct net_channel *c = (struct net_channel *)step->o;
  lua_Integer kind = step->n % KINDS, size = step->n / KINDS;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_getiuservalue(L, 1, VAL_INBOX);
  net_pairs_pop(L, &c->inbox);
  if (kind == MESSAGE) {
    lua_pop(L, 1);
    tell_message(L, c, size);
  } else if (kind == INTERNAL) {
    net_channel_push_hook(L, 1, "internal");
    lua_pushvalue(L, -4);
    lua_pushvalue(L, -4);
    lua_pushinteger(L, size);
    lua_call(L, 4, 0);
  } else {
    net_channel_push_hook(L, 1, "fail");
    lua_pushvalue(L, -4);
    lua_call(L, 2, 0);
  }
}

/* Queues the value at 'value' and, where 'more' is not 0, that at 'more'. [-0, +0, m] */
static void post(lua_State *L, struct net_channel *c, int idx, int value, int more, enum kind kind,
                 size_t size) {
  net_steps_reserve(L, &c->o.loop->ticks, 1);
  net_pairs_table(L, idx, VAL_INBOX, &c->inbox);
  lua_Integer at = net_pairs_slot(L, &c->inbox, lua_gettop(L));
  lua_pushvalue(L, value);
  lua_rawseti(L, -2, at);
  if (more) {
    lua_pushvalue(L, more);
    lua_rawseti(L, -2, at + 1);
  }
  lua_pop(L, 1);
  net_tick_step(L, idx, &c->o, inbox_step, (lua_Integer)size * KINDS + kind);
  c->inbox.tail++;
}

/* --- lines ------------------------------------------------------------------------- */

/* Tells of the value at 2, or of none. [-0, +0, e] */
static void tell_first(lua_State *L, struct net_channel *c, int is_json) {
  net_channel_push_hook(L, 1, "greeted");
  if (is_json)
    lua_pushvalue(L, 2);
  else
    lua_pushnil(L);
  lua_call(L, 2, 0);
  c->awaits_first = 0;
}

/* Does the line begin as an internal one? A message in it may be as deep as one alone. */
static int is_wrapped(const char *line, size_t len) {
  static const char begin[] = "{\"cmd\":\"NODE_";
  size_t n = sizeof begin - 1;
  return len > n && memcmp(line, begin, n) == 0 && line[n] != '"';
}

static void take_line(lua_State *L, struct net_channel *c, const char *line, size_t len) {
  c->line_size = len;
  int is_json = net_json_decode(L, line, len, is_wrapped(line, len) ? NET_JSON_WRAPPED : 0);
  if (c->awaits_first)
    tell_first(L, c, is_json);
  if (!is_json) {
    net_error_push_code(L, "SyntaxError", 1); /* of the words on the top */
    post(L, c, 1, 2, 0, BROKEN, 0);
  } else if (!net_channel_is_internal(L, 2)) {
    post(L, c, 1, 2, 0, MESSAGE, len);
  } else {
    net_channel_push_hook(L, 1, "line");
    lua_pushvalue(L, 2);
    lua_call(L, 2, 0);
  }
  lua_settop(L, 1);
}

/* The line is too long, and so is whatever would follow. */
static void too_long(lua_State *L, const struct net_channel *c) {
  net_channel_push_hook(L, 1, "fail");
  lua_pushinteger(L, (lua_Integer)c->in.max);
  net_error_push_code(L, "ERR_IPC_MESSAGE_TOO_LONG", 1);
  lua_pushboolean(L, 1);
  lua_call(L, 3, 0);
}

/* (light userdata of the channel): all lines there are. */
static int lines_body(lua_State *L) {
  struct net_channel *c = lua_touserdata(L, 1);
  const char *line;
  size_t len;
  int is_there = 0;
  lua_settop(L, 0);
  net_push(L, &c->o);
  while (c->fd >= 0 && (is_there = net_frames_line(&c->in, &line, &len)) == 1) {
    take_line(L, c, line, len);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, VAL_GROUP);
    net_frames_next(&c->in);
  }
  if (is_there < 0)
    too_long(L, c);
  return 0;
}

/* What it answers leaves behind the last line, and before the ticks; also what it does
 * so far where it raises. What raised is looked at again when the loop goes on. */
static void look_at_lines(lua_State *L, struct net_channel *c) {
  c->telling = 1;
  lua_pushcfunction(L, lines_body);
  lua_pushlightuserdata(L, c);
  int status = lua_pcall(L, 1, 0, 0);
  c->telling = 0;
  if (c->fd < 0)
    net_frames_end(&c->in);
  else if (status != LUA_OK)
    net_ready(c->o.loop, net_channel_go_on, c);
  if (status != LUA_OK)
    lua_error(L);
  net_channel_answer(L, c);
}

/* --- reading ------------------------------------------------------------------------- */

static void end_of_it(lua_State *L, struct net_channel *c, int err) {
  net_push(L, &c->o);
  if (err == 0 || err == -ECONNRESET) {
    net_channel_push_hook(L, lua_gettop(L), "over");
    lua_call(L, 1, 0);
    return;
  }
  net_channel_push_hook(L, lua_gettop(L), "fail");
  net_error_push_sys(L, err, "read");
  lua_pushboolean(L, 1);
  lua_call(L, 3, 0);
}

void net_channel_go_on(lua_State *L, void *channel) {
  struct net_channel *c = channel;
  if (c->fd >= 0)
    look_at_lines(L, c);
}

void net_channel_readable(lua_State *L, void *channel) {
  struct net_channel *c = channel;
  int full;
  if (!(c->watched & EV_READ) || c->telling)
    return;
  ssize_t n = net_frames_read(&c->in, c->fd, &full);
  c->o.loop->rounds = full || (c->gone && n > 0) ? NET_READS_PER_TURN : 0;
  if (n == -EAGAIN && c->gone)
    n = 0; /* it takes nothing, and has said all: an end that the system does not tell */
  if (n == -EAGAIN)
    return;
  if (n == NET_FRAMES_NO_ROOM)
    net_error_memory(L); /* the bytes are still there */
  if (n > 0 || n == -EMSGSIZE)
    look_at_lines(L, c);
  else
    end_of_it(L, c, (int)n);
}

/* Reads until there is nothing, or the end: somebody knows that the peer is gone. */
static void read_on(lua_State *L, void *channel) {
  struct net_channel *c = channel;
  size_t before = c->in.reads;
  net_channel_readable(L, c);
  c->o.loop->rounds = c->in.reads > before ? NET_READS_PER_TURN : 0;
}

/* --- for the Lua half ------------------------------------------------------------------ */

/* take(channel) -> a list of the Descriptors that came with the line being looked at, or
 * nil. The same list, when it is asked again for the same line */
static int channel_take(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  if (lua_getiuservalue(L, 1, VAL_GROUP) == LUA_TTABLE || c->in.groups == 0)
    return 1;
  int count = c->in.group[0].count;
  lua_createtable(L, count, 0);
  for (int i = 1; i <= count; i++) {
    net_descriptor_new(L);
    lua_rawseti(L, -2, i);
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, VAL_GROUP);
  struct net_group group;
  net_frames_take(&c->in, &group);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    *(int *)lua_touserdata(L, -1) = group.fds[i - 1];
    lua_pop(L, 1);
  }
  return 1;
}

/* reread(channel) -> the line being looked at, with its binary strings; nil for one that has
 * no such value */
static int channel_reread(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  const char *line;
  size_t len;
  if (!c->telling || net_frames_line(&c->in, &line, &len) != 1 ||
      !net_json_decode(L, line, len, NET_JSON_BINARY | NET_JSON_WRAPPED))
    lua_pushnil(L);
  return 1;
}

/* post(channel, message, group, answer): has state:internal called with the first two, if
 * there is a message, on their tick; and the answer, a line, leave before */
static int channel_post(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  size_t len = 0;
  const char *answer = luaL_optlstring(L, 4, NULL, &len);
  lua_settop(L, 4);
  if (c->fd < 0)
    return 0;
  if (net_outbox_reserve(&c->out, len) < 0 || net_outbox_reserve_ahead(&c->out, len) < 0)
    return net_error_memory(L);
  if (!lua_isnil(L, 2))
    post(L, c, 1, 2, 3, INTERNAL, c->line_size);
  if (answer)
    net_channel_add_urgent(c, answer, len);
  return 0;
}

/* read_on(channel): what there is to be read is so before anything else of this turn */
static int channel_read_on(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  if (c->fd >= 0)
    net_ready(c->o.loop, read_on, c);
  return 0;
}

/* abandon(channel): the peer has died. Descriptors that wait for a line of its are closed, as
 * its own end of the channel may be among them, and this one would never be told of the end */
static int channel_abandon(lua_State *L) {
  struct net_channel *c = net_channel_self(L);
  const char *line;
  size_t len;
  if (net_frames_line(&c->in, &line, &len) == 0)
    net_frames_drop(&c->in);
  return 0;
}

const luaL_Reg net_channel_receive_functions[] = {
  { "take", channel_take },       { "reread", channel_reread },   { "post", channel_post },
  { "read_on", channel_read_on }, { "abandon", channel_abandon }, { NULL, NULL },
};
