/* SPDX-License-Identifier: MIT
 *
 * queues.c - the two queues of a stream as a Lua module, for readbuffer_spec.lua and
 * writequeue_spec.lua: they know no stream, so here is none. What they send goes to a
 * transport that takes as much as it was allowed to, and then says EAGAIN or an error.
 *
 *     local q = queues.new(loop, first)   -- both queues; 'first' is the first number
 *
 * See queue_methods for what 'q' has. */
#include "loop/object.c"
#include "stream/slots.c"
#include "stream/piece.c"
#include "stream/readbuffer.c"
#include "stream/writequeue.c"

#define LOOP_VALUE (STREAM_UVS + 1) /* user value of a queue: its loop, kept alive */
#define TAKEN 262144                /* bytes, between two calls of taken() */

struct queue {
  struct net_object o;
  struct net_readbuffer in;
  struct net_writequeue out;
  struct net_handle to;
  size_t allowed; /* bytes that the transport still takes */
  int failure;    /* what it says then; 0: EAGAIN */
  lua_Integer sends, writevs, followed; /* counts of calls; of those with 'more' */
  int widest;                           /* the most pieces of one call */
  size_t len;
  char taken[TAKEN];
};

static int closed; /* pieces that gave back what they owned */

/* What object.c calls above it, and no queue does. */
int net_error_raise(lua_State *L, const char *code, int nargs) {
  (void)nargs;
  return luaL_error(L, "%s", code);
}

int net_error_this(lua_State *L, const char *class_name) {
  return luaL_error(L, "%s", class_name);
}

static struct queue *queue_at(lua_State *L) { return luaL_checkudata(L, 1, "queues"); }

/* --- the transport ------------------------------------------------------------ */

static size_t take(struct queue *q, const void *bytes, size_t size) {
  if (size > q->allowed)
    size = q->allowed;
  if (size > TAKEN - q->len)
    size = TAKEN - q->len;
  memcpy(q->taken + q->len, bytes, size);
  q->allowed -= size;
  q->len += size;
  return size;
}

static int refusal(const struct queue *q) { return q->failure ? q->failure : -EAGAIN; }

static ssize_t spec_send(struct net_handle *h, const void *bytes, size_t size) {
  struct queue *q = h->state;
  q->sends++;
  return q->allowed > 0 ? (ssize_t)take(q, bytes, size) : refusal(q);
}

static ssize_t spec_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  struct queue *q = h->state;
  size_t total = 0;
  q->writevs++;
  q->followed += more;
  q->widest = count > q->widest ? count : q->widest;
  if (q->allowed == 0)
    return refusal(q);
  for (int i = 0; i < count; i++)
    total += take(q, iov[i].iov_base, iov[i].iov_len);
  return (ssize_t)total;
}

static const struct net_transport spec_transport = {
  .name = "spec", .send = spec_send, .writev = spec_writev
};

/* --- a piece that is no string --------------------------------------------------- */

struct spec_piece {
  struct net_piece p;
  char bytes[256];
};

static int piece_send(struct net_piece *p, struct net_handle *to, struct net_loop *loop,
                      size_t off, size_t *n) {
  const struct spec_piece *piece = (const struct spec_piece *)p;
  (void)loop;
  ssize_t put = to->via->send(to, piece->bytes + off, p->len - off);
  if (put < 0)
    return (int)put;
  *n = (size_t)put;
  return off + *n == p->len ? 0 : -EAGAIN;
}

static void piece_close(struct net_piece *p, struct net_loop *loop) {
  (void)p, (void)loop;
  closed++;
}

static const struct net_piece_class spec_piece_class = {piece_send, piece_close};

/* piece(text): up to 256 bytes. */
static int module_piece(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  struct spec_piece *piece = net_piece_new(L, &spec_piece_class, sizeof *piece);
  luaL_argcheck(L, len <= sizeof piece->bytes, 1, "too long");
  memcpy(piece->bytes, text, len);
  piece->p.len = len;
  return 1;
}

/* closed() -> how many were, since it was asked last. */
static int module_closed(lua_State *L) {
  lua_pushinteger(L, closed);
  closed = 0;
  return 1;
}

/* --- the bytes read ------------------------------------------------------------------ */

static int in_append(lua_State *L) {
  net_rb_append(L, 1, &queue_at(L)->in);
  return 0;
}

static int in_prepend(lua_State *L) {
  net_rb_prepend(L, 1, &queue_at(L)->in);
  return 0;
}

static int in_first(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)net_rb_first(L, 1, &queue_at(L)->in));
  return 1;
}

static int in_take(lua_State *L) {
  struct net_readbuffer *in = &queue_at(L)->in;
  return net_rb_take(L, 1, in, (size_t)luaL_checkinteger(L, 2), in->moves);
}

static int in_peek(lua_State *L) {
  net_rb_peek(L, 1, &queue_at(L)->in, queue_at(L)->in.len);
  return 1;
}

static int in_replace(lua_State *L) {
  net_rb_replace(L, 1, &queue_at(L)->in);
  return 0;
}

static int in_reset(lua_State *L) {
  net_rb_reset(&queue_at(L)->in);
  lua_pushnil(L);
  net_rare_set(L, 1, SLOT_RBUF);
  return 0;
}

/* buffered() -> bytes, chunks */
static int in_buffered(lua_State *L) {
  const struct net_readbuffer *b = &queue_at(L)->in;
  lua_pushinteger(L, (lua_Integer)b->len);
  lua_pushinteger(L, (lua_Integer)(b->tail - b->head));
  return 2;
}

/* chunks() -> how many strings the table holds, alive or forgotten there. */
static int in_chunks(lua_State *L) {
  lua_Integer n = 0;
  if (net_rare_get(L, 1, SLOT_RBUF) == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
      n++;
  lua_pushinteger(L, n);
  return 1;
}

/* --- the bytes to send ------------------------------------------------------------- */

/* push(chunk or piece, callback) */
static int out_push(lua_State *L) {
  lua_settop(L, 3);
  net_wq_append(L, 1, &queue_at(L)->out);
  return 0;
}

/* push_bytes(chunk) -> whether it lies in the batch */
static int out_push_bytes(lua_State *L) {
  size_t len;
  const char *chunk = luaL_checklstring(L, 2, &len);
  struct queue *q = queue_at(L);
  lua_pushboolean(L, net_wq_append_bytes(&q->out, q->o.loop, chunk, len));
  return 1;
}

/* allow(bytes, errno): what the transport takes, and whether it fails then. */
static int out_allow(lua_State *L) {
  struct queue *q = queue_at(L);
  q->allowed = (size_t)luaL_checkinteger(L, 2);
  q->failure = -(int)luaL_optinteger(L, 3, 0);
  return 0;
}

/* send(end) -> 0, or the number of an error */
static int out_send(lua_State *L) {
  struct queue *q = queue_at(L);
  uint32_t end = (uint32_t)luaL_optinteger(L, 2, q->out.tail);
  lua_pushinteger(L, -net_wq_send(L, 1, &q->out, &q->to, end));
  return 1;
}

/* taken() -> the bytes that the transport took, and what it was called for */
static int out_taken(lua_State *L) {
  struct queue *q = queue_at(L);
  lua_pushlstring(L, q->taken, q->len);
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, q->sends);
  lua_setfield(L, -2, "sends");
  lua_pushinteger(L, q->writevs);
  lua_setfield(L, -2, "writevs");
  lua_pushinteger(L, q->followed);
  lua_setfield(L, -2, "followed");
  lua_pushinteger(L, q->widest);
  lua_setfield(L, -2, "widest");
  q->sends = q->writevs = q->followed = 0;
  q->widest = 0;
  q->len = 0;
  return 2;
}

/* bytes() -> all, those of the first piece */
static int out_bytes(lua_State *L) {
  size_t first, all = net_wq_bytes(L, 1, &queue_at(L)->out, &first);
  lua_pushinteger(L, (lua_Integer)all);
  lua_pushinteger(L, (lua_Integer)first);
  return 2;
}

static int out_drop(lua_State *L) {
  uint32_t end = (uint32_t)luaL_checkinteger(L, 2);
  lua_pushinteger(L, (lua_Integer)net_wq_drop(L, 1, &queue_at(L)->out, end));
  return 1;
}

static int out_take_callback(lua_State *L) {
  return net_wq_take_callback(L, 1, &queue_at(L)->out);
}

static int out_prepare(lua_State *L) {
  net_wq_prepare(L, 1, &queue_at(L)->out);
  return 0;
}

static int out_clear(lua_State *L) {
  net_wq_clear(L, 1, &queue_at(L)->out);
  return 0;
}

/* state() -> a table of the cursors and counts */
static int out_state(lua_State *L) {
  const struct net_writequeue *w = &queue_at(L)->out;
  const struct { const char *name; size_t value; } fields[] = {
    {"off", w->off}, {"done", w->done}, {"head", w->head}, {"tail", w->tail},
    {"callbacks", w->callbacks}, {"objects", w->objects}, {"batched", w->part.count}
  };
  lua_createtable(L, 0, 8);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, (lua_Integer)fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

/* slots() -> how many values the table holds, alive or forgotten there. */
static int out_slots(lua_State *L) {
  lua_Integer n = 0;
  if (lua_getiuservalue(L, 1, VAL_WQ) == LUA_TTABLE)
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
      n++;
  lua_pushinteger(L, n);
  return 1;
}

static const luaL_Reg queue_methods[] = {
  {"append", in_append}, {"prepend", in_prepend}, {"first", in_first}, {"take", in_take},
  {"peek", in_peek}, {"replace", in_replace}, {"reset", in_reset},
  {"buffered", in_buffered}, {"chunks", in_chunks},
  {"push", out_push}, {"push_bytes", out_push_bytes}, {"allow", out_allow},
  {"send", out_send}, {"taken", out_taken}, {"bytes", out_bytes}, {"drop", out_drop},
  {"take_callback", out_take_callback}, {"prepare", out_prepare}, {"clear", out_clear},
  {"state", out_state}, {"slots", out_slots}, {NULL, NULL}
};

/* --- the module ------------------------------------------------------------------- */

/* loop(): of a loop only the batch, which queues may share. */
static int module_loop(lua_State *L) {
  memset(lua_newuserdatauv(L, sizeof(struct net_loop), 0), 0, sizeof(struct net_loop));
  return 1;
}

/* new(loop, first): the numbers of chunks and pieces begin with 'first'. */
static int module_new(lua_State *L) {
  uint32_t first = (uint32_t)luaL_optinteger(L, 2, 1);
  struct queue *q = lua_newuserdatauv(L, sizeof *q, LOOP_VALUE);
  memset(q, 0, sizeof *q);
  q->o.loop = lua_touserdata(L, 1);
  q->to = (struct net_handle){&spec_transport, q, NULL};
  net_rb_reset(&q->in);
  q->in.head = q->in.tail = first;
  q->out.base = q->out.done = q->out.head = q->out.req = q->out.tail = first;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, LOOP_VALUE);
  luaL_setmetatable(L, "queues");
  return 1;
}

static const luaL_Reg module_functions[] = {
  {"loop", module_loop}, {"new", module_new}, {"piece", module_piece},
  {"closed", module_closed}, {NULL, NULL}
};

__attribute__((visibility("default"))) int luaopen_queues(lua_State *L) {
  luaL_newmetatable(L, "queues");
  luaL_newlib(L, queue_methods);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, module_functions);
  return 1;
}
