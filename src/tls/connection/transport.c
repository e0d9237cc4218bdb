/* SPDX-License-Identifier: MIT
 *
 * transport.c - TLS as a layer under a socket: the entries of net_capi.h.
 *
 * Lua is called by 'ready' alone: the handshake, and what OpenSSL has told amid a read or a
 * write. What may not raise says its failure with its next call. */
#include "tls/connection/transport.h"

#include <errno.h>
#include <lauxlib.h>

#include "tls/base/error.h"
#include "tls/connection/flow.h"
#include "tls/connection/handshake.h"
#include "tls/connection/turns.h"

static struct net_tls *tls_at(const struct net_handle *h) { return h->state; }

/* --- reading ------------------------------------------------------------------------------ */

/* The reason why nothing more is to be read, once what was read before is told. */
static ssize_t why_not(struct net_tls *t) {
  if (t->failed)
    return NET_OWN_ERROR;
  if (t->ended)
    return 0;
  return t->broken ? t->broken : -EAGAIN;
}

/* The other side ended without close_notify: where that matters it is an error. The system
 * tells of a reset once, and that may have been by a write. */
static void end_of_file(struct net_tls *t) {
  if (t->unsendable == -ECONNRESET) {
    t->broken = t->unsendable;
    return;
  }
  t->ended = 1;
  if (!t->wants_notify)
    return;
  t->failed = 1;
  t->failure.count = 1;
  t->failure.entry[0].alert = -1;
  t->failure.entry[0].code = NET_TLS_UNEXPECTED_EOF;
}

/* Has OpenSSL had all of the window, and given all that it made of it? To ask it for more
 * takes memory for a record, and as long as half of the record before. */
static int is_dry(const struct net_tls *t) {
  return t->s->window_len == 0 && !SSL_has_pending(t->ssl);
}

/* Decrypts what is in the window, into 'size' bytes; how many that gave. */
static size_t decrypt(struct net_tls *t, unsigned char *to, size_t size) {
  size_t total = 0, n = 0;
  int ok = 1;
  while (total < size && (ok = SSL_read_ex(t->ssl, to + total, size - total, &n)) == 1) {
    total += n;
    if (is_dry(t))
      break;
  }
  if (ok != 1)
    net_tls_stop(t);
  return total;
}

/* Reads once below, and decrypts that. */
static size_t read_on(struct net_handle *h, struct net_tls *t, unsigned char *to, size_t size) {
  ssize_t n = t->s->window_len > 0 ? 0 : net_tls_fill(t, NET_TLS_WINDOW);
  if (t->s->window_len == 0) {
    if (n == 0)
      end_of_file(t);
    else if (n != -EAGAIN) {
      t->broken = (int)n;
      t->below_failed = n == NET_OWN_ERROR;
    }
    return 0;
  }
  if (n == NET_TLS_WINDOW || t->in.len > NET_TLS_WINDOW)
    net_tls_net->wake(h, NET_READ); /* there may be more */
  return decrypt(t, to, size);
}

/* What has no room in 'buf', or has to wait for what Lua is to be told first, is kept. The
 * bytes are in 'buf' itself, where that is large enough for all that there can be. */
static ssize_t deliver(struct net_handle *h, struct net_tls *t, void *buf, size_t size,
                       const unsigned char *bytes, size_t got) {
  size_t now = t->notes ? 0 : got < size ? got : size;
  if (now < got && !net_tls_bytes_add(&t->plain, bytes + now, got - now)) {
    t->broken = -ENOMEM;
    return -ENOMEM;
  }
  if (now > 0 && buf != bytes)
    memcpy(buf, bytes, now);
  if (now < got || t->notes)
    net_tls_net->wake(h, NET_READ);
  return (ssize_t)now;
}

/* Gives what was kept. */
static ssize_t give_kept(struct net_handle *h, struct net_tls *t, void *buf, size_t size) {
  size_t n = t->plain.len < size ? t->plain.len : size;
  memcpy(buf, net_tls_bytes_first(&t->plain), n);
  net_tls_bytes_drop(&t->plain, n, 1);
  if (net_tls_is_here(t))
    net_tls_net->wake(h, NET_READ); /* for the rest, or for the reason that there is no more */
  return (ssize_t)n;
}

static ssize_t tls_read(struct net_handle *h, void *buf, size_t size) {
  struct net_tls *t = tls_at(h);
  if (net_tls_is_parents(t))
    return NET_OWN_ERROR;
  if (!t->open || t->notes)
    return -EAGAIN;
  if (t->plain.len > 0)
    return give_kept(h, t, buf, size);
  if (t->failed || t->ended || t->broken)
    return why_not(t);
  int err = net_tls_enter(t);
  if (err < 0)
    return err;
  unsigned char *bytes = size >= NET_TLS_PLAIN ? buf : t->s->plain;
  size_t got = read_on(h, t, bytes, NET_TLS_PLAIN);
  ssize_t n = deliver(h, t, buf, size, bytes, got);
  net_tls_leave(t, t->holds && !t->failed); /* the answer to these bytes may go along */
  if (n > 0 && (t->failed || t->ended || t->broken))
    net_tls_net->wake(h, NET_READ); /* and what it was comes then */
  if (n != 0)
    return n;
  return t->plain.len > 0 || t->notes ? -EAGAIN : why_not(t);
}

/* --- writing ------------------------------------------------------------------------------- */

/* Where a vector is read. */
struct cursor {
  struct iovec *iov;
  int count;
  size_t at; /* bytes of the first that are done */
};

/* How many bytes follow each other in one piece. */
static size_t in_place(struct cursor *c) {
  while (c->count > 0 && c->at == c->iov->iov_len) {
    c->iov++;
    c->count--;
    c->at = 0;
  }
  return c->count > 0 ? c->iov->iov_len - c->at : 0;
}

/* The bytes of the next record: in place, if they fill it, or else put together. How many
 * there are; 0: no more. */
static size_t gather(struct cursor *c, unsigned char *to, const unsigned char **bytes) {
  struct cursor ahead = *c;
  size_t n = in_place(&ahead), total = 0;
  *bytes = n > 0 ? (unsigned char *)ahead.iov->iov_base + ahead.at : to;
  if (n >= NET_TLS_RECORD || (n > 0 && ahead.count == 1))
    return n < NET_TLS_RECORD ? n : NET_TLS_RECORD;
  for (*bytes = to; total < NET_TLS_RECORD && (n = in_place(&ahead)) > 0; ahead.at += n) {
    n = n < NET_TLS_RECORD - total ? n : NET_TLS_RECORD - total;
    memcpy(to + total, (unsigned char *)ahead.iov->iov_base + ahead.at, n);
    total += n;
  }
  return total;
}

static void advance(struct cursor *c, size_t n) {
  while (n > 0) {
    size_t here = in_place(c);
    here = here < n ? here : n;
    c->at += here;
    n -= here;
  }
}

/* Encrypts as much as there is room for; how many bytes that were. */
static size_t encrypt(struct net_tls *t, struct cursor *c) {
  const unsigned char *bytes;
  size_t total = 0, done, n;
  while (net_tls_buffers_have_room(t->s) && (n = gather(c, t->s->plain, &bytes)) > 0) {
    if (SSL_write_ex(t->ssl, bytes, n, &done) != 1) {
      if (SSL_get_error(t->ssl, 0) == SSL_ERROR_SSL)
        net_tls_fail(t);
      break;
    }
    total += done;
    advance(c, done);
  }
  return total;
}

static ssize_t tls_writev(struct net_handle *h, struct iovec *iov, int count, int more) {
  struct net_tls *t = tls_at(h);
  struct cursor c = { iov, count, 0 };
  (void)more;
  if (t->refused || net_tls_is_parents(t))
    return NET_OWN_ERROR;
  if (t->unsendable)
    return t->unsendable;
  if (!t->open || t->blocked)
    return -EAGAIN;
  if (t->failed)
    return NET_OWN_ERROR;
  int err = net_tls_enter(t);
  if (err < 0)
    return err;
  size_t n = encrypt(t, &c);
  net_tls_leave(t, 0);
  if (t->unsendable == -ENOMEM)
    net_tls_net->wake(h, NET_WRITE); /* some of it is lost, and nobody else would tell */
  if (n == 0 && t->unsendable)
    return t->unsendable;
  if (n == 0 && t->failed)
    return NET_OWN_ERROR;
  return n > 0 ? (ssize_t)n : -EAGAIN;
}

static ssize_t tls_send(struct net_handle *h, const void *bytes, size_t size) {
  struct iovec iov = { (void *)(uintptr_t)bytes, size };
  return tls_writev(h, &iov, 1, 0);
}

static size_t tls_unsent(const struct net_handle *h) {
  const struct net_tls *t = tls_at(h);
  return t->out.len + net_handle_unsent(&t->below);
}

static int tls_shutdown(struct net_handle *h) {
  struct net_tls *t = tls_at(h);
  if (net_tls_is_parents(t))
    return NET_OWN_ERROR;
  if (!t->open)
    return -EAGAIN;
  if (!t->sent_notify && !t->failed && !t->unsendable) {
    int err = net_tls_enter(t);
    if (err < 0)
      return err;
    (void)SSL_shutdown(t->ssl);
    t->sent_notify = 1;
    net_tls_leave(t, 1);
  }
  net_tls_flush(t, 1); /* the FIN goes along, in the same packet */
  if (t->out.len > 0 && !t->unsendable)
    return -EAGAIN;
  return t->below.via->shutdown(&t->below);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void tls_error(lua_State *L, struct net_handle *h) {
  struct net_tls *t = tls_at(h);
  struct net_handle *b = &t->below;
  while (t->below_failed && b->via->error == NULL && b->via->below)
    b = b->via->below(b);
  if (net_tls_is_parents(t))
    net_tls_push_plain(L, "Invalid state: the connection is that of the process that has forked",
                       "ERR_INVALID_STATE");
  else if (t->refused)
    net_tls_push_refusal(L, t);
  else if (t->below_failed && b->via->error)
    b->via->error(L, b);
  else
    net_tls_failure_push(L, &t->failure);
}

/* What was taken cannot be sent. First is read what the other side has sent before: its
 * reset, too, is told by a read. [-0, +0, e] */
static int tell_unsendable(lua_State *L, struct net_handle *h, struct net_tls *t, int events) {
  if (events & NET_READ) {
    net_tls_net->wake(h, NET_WRITE);
    return NET_READ;
  }
  if (t->below_failed)
    tls_error(L, h);
  else
    net_tls_net->error_sys(L, t->unsendable, "write");
  net_tls_net->destroy(L, 1);
  return 0;
}

static int tls_ready(lua_State *L, struct net_handle *h, int events) {
  struct net_tls *t = tls_at(h);
  struct net_stream *stream = h->stream;
  int was_open = t->open;
  if (t->amid)
    return 0; /* a loop inside of a callback's has found something: it has to wait */
  if (net_tls_is_parents(t)) {
    lua_pushnil(L);
    net_tls_net->destroy(L, 1); /* it is closed here, and nobody there hears so */
    return 0;
  }
  events = net_handle_ready(L, &t->below, events);
  if (!net_tls_is_there(stream, t))
    return 0;
  if (events == 0) {
    net_tls_turns_leave(t); /* what is below may be in the queue itself, behind this */
    return 0;
  }
  if (t->out.len > 0 && (t->blocked || t->open)) {
    t->blocked = 0;
    net_tls_flush(t, 0);
  }
  if (!t->secure)
    net_tls_handshake(L, t);
  else
    net_tls_tell_notes(L, stream, t);
  if (!net_tls_is_there(stream, t))
    return 0;
  if (!t->open)
    return t->refused ? NET_WRITE : 0;
  if (t->unsendable && (t->out.len > 0 || t->unsendable == -ENOMEM))
    return tell_unsendable(L, net_tls_net->handle(stream), t, events);
  return was_open ? events : NET_WRITE | (net_tls_is_here(t) ? NET_READ : 0);
}

/* A handshake is read whatever the stream wants, but for one that waits for Lua. */
static int tls_poll(struct net_handle *h, int events) {
  struct net_tls *t = tls_at(h);
  if (!t->open) {
    events = t->waits || t->secure || t->queued || t->amid ? 0 : NET_READ;
  } else {
    if (events & NET_READ && net_tls_is_here(t))
      net_tls_net->wake(h, NET_READ);
    int is_free = t->out.len == 0 && net_handle_unsent(&t->below) == 0;
    if (events & NET_WRITE && is_free && !t->sent_notify)
      net_tls_net->wake(h, NET_WRITE);
    if (t->ended)
      events &= ~NET_READ;
    if (is_free && !t->sent_notify)
      events &= ~NET_WRITE;
  }
  if (t->out.len > 0 && (t->open || t->blocked))
    events |= NET_WRITE;
  return net_handle_poll(&t->below, events);
}

static struct net_handle *tls_below(const struct net_handle *h) { return &tls_at(h)->below; }

/* A close_notify is for finish() to say: who is destroyed has not sent all. */
static void tls_close(struct net_handle *h) {
  struct net_tls *t = tls_at(h);
  net_tls_turns_leave(t);
  t->below.via->close(&t->below);
  t->closed = 1;
  if (t->amid)
    return; /* OpenSSL is in its SSL: net_tls_abandon does the rest */
  net_tls_end(t);
  net_tls_release(t);
}

static const struct net_transport tls = {
  .name = "tls",
  .can = NET_CAN_LATE,
  .ready = tls_ready,
  .read = tls_read,
  .send = tls_send,
  .writev = tls_writev,
  .unsent = tls_unsent,
  .shutdown = tls_shutdown,
  .poll = tls_poll,
  .error = tls_error,
  .below = tls_below,
  .close = tls_close,
};

/* How many layers of ours are under the socket at 'idx'. */
static unsigned depth_of(struct net_stream *s) {
  unsigned depth = 0;
  for (struct net_handle *h = net_tls_net->handle(s); h;
       h = h->via->below ? h->via->below(h) : NULL)
    depth += h->via == &tls;
  return depth;
}

/* install(socket, connection [, bytes [, counted]]): puts it under the socket, which is
 * open. 'bytes' is ciphertext that was read already; 'counted' the socket that its
 * ciphertext counts for. */
static int core_install(lua_State *L) {
  struct net_tls *t = net_tls_check(L, 2);
  struct net_stream *s = net_tls_net->stream_test(L, 1, NULL);
  size_t len = 0;
  const char *bytes = luaL_optlstring(L, 3, "", &len);
  luaL_argcheck(L, s != NULL, 1, "no socket");
  luaL_argcheck(L, t->ssl != NULL && !t->installed, 2, "it is in use");
  t->depth = depth_of(s);
  if (net_tls_buffers_of(t->shared, t->depth) == NULL || !net_tls_bytes_add(&t->in, bytes, len))
    return net_tls_raise_memory(L);
  net_tls_net->install(L, 1, &tls, t, &t->below);
  t->installed = 1;
  t->refs++;
  t->counts = lua_isnoneornil(L, 4) ? NULL : net_tls_net->stream_test(L, 4, NULL);
  net_tls_turns_join(t);
  return 0;
}

void net_tls_transport_open(lua_State *L) {
  lua_pushcfunction(L, core_install);
  lua_setfield(L, -2, "install");
}
