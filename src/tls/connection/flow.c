/* SPDX-License-Identifier: MIT
 *
 * flow.c - bytes between a connection and what is below it. See flow.h.
 *
 * One read below and one send a call, whatever OpenSSL makes of it. What a connection keeps
 * between two calls is on the heap, and most keep nothing. */
#include "tls/connection/flow.h"

#include <errno.h>

/* The window is what waits on the heap, or a part of it. */
static void offer(const struct net_tls *t, struct net_tls_buffers *s) {
  s->offered = t->in.len < NET_TLS_WINDOW ? t->in.len : NET_TLS_WINDOW;
  s->window = t->in.len > 0 ? net_tls_bytes_first(&t->in) : NULL;
  s->window_len = s->offered;
}

/* What OpenSSL has had of it goes. */
static void drop_offered(struct net_tls *t, struct net_tls_buffers *s) {
  net_tls_bytes_drop(&t->in, s->offered - s->window_len, 0);
  s->offered = 0;
}

/* OpenSSL clears all that there could be, 840 instructions each time; there hardly ever is
 * anything. */
static void clear_errors(void) {
  if (ERR_peek_error() != 0)
    ERR_clear_error();
}

int net_tls_enter(struct net_tls *t) {
  struct net_tls_buffers *s = net_tls_buffers_of(t->shared, t->shared->nested + t->depth);
  if (s == NULL)
    return -ENOMEM;
  offer(t, s);
  s->out_len = 0;
  if (t->out.len > 0 && !t->blocked && t->out.len <= NET_TLS_SENT / 2) {
    s->out_len = t->out.len;
    memcpy(s->out, net_tls_bytes_first(&t->out), t->out.len);
    net_tls_bytes_free(&t->out, 0);
  }
  t->s = s;
  net_tls_buffers_use(t->ssl, s);
  clear_errors();
  return 0;
}

/* Counts what a wrapped socket has moved. */
static void count(const struct net_tls *t, size_t in, size_t out) {
  if (t->counts)
    net_tls_net->count(t->counts, in, out);
}

ssize_t net_tls_fill(struct net_tls *t, size_t size) {
  struct net_tls_buffers *s = t->s;
  if (s->offered > 0)
    drop_offered(t, s);
  if (t->in.len > 0) {
    offer(t, s);
    return (ssize_t)s->window_len;
  }
  ssize_t n = t->below.via->read(&t->below, s->in, size);
  if (n > 0) {
    s->window = s->in;
    s->window_len = (size_t)n;
    count(t, (size_t)n, 0);
  }
  return n;
}

/* How many of the bytes below takes; what fails is noted. */
static size_t send_below(struct net_tls *t, const unsigned char *bytes, size_t n, int more) {
  struct iovec iov = { (void *)(uintptr_t)bytes, n };
  ssize_t sent;
  t->holds = 0;
  if (t->unsendable)
    return 0;
  if (more)
    sent = t->below.via->writev(&t->below, &iov, 1, 1);
  else
    sent = t->below.via->send(&t->below, bytes, n);
  if (sent < 0 && sent != -EAGAIN) {
    t->unsendable = (int)sent;
    t->below_failed |= sent == NET_OWN_ERROR;
  }
  t->blocked = sent < (ssize_t)n;
  if (sent <= 0)
    return 0;
  count(t, 0, (size_t)sent);
  return (size_t)sent;
}

void net_tls_flush(struct net_tls *t, int more) {
  if (t->out.len == 0)
    return;
  size_t sent = send_below(t, net_tls_bytes_first(&t->out), t->out.len, more);
  net_tls_bytes_drop(&t->out, sent, 0);
}

int net_tls_make_room(struct net_tls *t) {
  if (t->s->out_len == 0 || !net_tls_bytes_add(&t->out, t->s->out, t->s->out_len))
    return 0;
  t->s->out_len = 0;
  return 1;
}

/* What is left of the window waits for the next call. */
static void keep_window(struct net_tls *t, struct net_tls_buffers *s) {
  if (s->offered > 0)
    drop_offered(t, s);
  else if (s->window_len > 0 && !net_tls_bytes_add(&t->in, s->window, s->window_len))
    t->broken = -ENOMEM;
}

void net_tls_leave(struct net_tls *t, int hold) {
  struct net_tls_buffers *s = t->s;
  size_t sent = 0;
  if (t->ended || t->failed) {
    net_tls_bytes_free(&t->in, 0); /* what follows the end is nobody's */
    s->window_len = 0;
  } else
    keep_window(t, s);
  if (s->out_len > 0 && !hold && t->out.len == 0)
    sent = send_below(t, s->out, s->out_len, 0);
  if (sent < s->out_len && !net_tls_bytes_add(&t->out, s->out + sent, s->out_len - sent))
    t->broken = t->unsendable = -ENOMEM; /* what follows would come behind a hole */
  s->window_len = s->out_len = 0;
  net_tls_buffers_use(t->ssl, NULL);
  clear_errors();
  t->s = NULL;
}

void net_tls_abandon(struct net_tls *t) {
  t->s->window_len = t->s->out_len = 0;
  net_tls_buffers_use(t->ssl, NULL);
  t->s = NULL;
  net_tls_end(t);
  ERR_clear_error();
  net_tls_release(t);
}

int net_tls_is_here(const struct net_tls *t) {
  return t->plain.len > 0 || t->in.len > 0 || t->failed || t->ended || t->broken;
}

/* What OpenSSL's TLS says comes before what its ciphers say, as with some of its versions
 * these are in the queue, too, and first. */
void net_tls_fail(struct net_tls *t) {
  struct net_tls_failure *f = &t->failure;
  unsigned i = 0;
  if (t->failed)
    return; /* asked once more, OpenSSL says less: a listener raised amid the first telling */
  net_tls_failure_take(f);
  while (i < f->count && ERR_GET_LIB(f->entry[i].code) != ERR_LIB_SSL)
    i++;
  for (; i > 0 && i < f->count; i--) {
    struct net_tls_entry entry = f->entry[i];
    f->entry[i] = f->entry[i - 1];
    f->entry[i - 1] = entry;
  }
  t->failed = 1;
}

int net_tls_has_ended(const struct net_tls *t, int why) {
  return why == SSL_ERROR_ZERO_RETURN || (why == SSL_ERROR_SYSCALL && ERR_peek_error() == 0 &&
                                          (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN));
}

void net_tls_stop(struct net_tls *t) {
  int why = SSL_get_error(t->ssl, 0);
  if (net_tls_has_ended(t, why))
    t->ended = t->got_notify = 1;
  else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
    net_tls_fail(t);
}
