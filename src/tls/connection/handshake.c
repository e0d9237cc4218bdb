/* SPDX-License-Identifier: MIT
 *
 * handshake.c - from the first byte to the verdict. See handshake.h.
 *
 * All that is decided by the program is decided by the Lua half: see net_tls_tell. */
#include "tls/connection/handshake.h"

#include <errno.h>
#include <time.h>

#include "tls/connection/callbacks.h"
#include "tls/connection/flow.h"
#include "tls/connection/inspect.h"
#include "tls/connection/turns.h"

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long)t.tv_sec * 1000000000L + t.tv_nsec;
}

int net_tls_is_there(struct net_stream *stream, const struct net_tls *t) {
  struct net_handle *h = net_tls_net->handle(stream);
  while (h && h->state != t)
    h = h->via->below ? h->via->below(h) : NULL;
  return h != NULL;
}

/* --- news for Lua ----------------------------------------------------------------------- */

/* Pushes what is in the note, and its event; returns how many values that are.
 * [-0, +(1|2), m] */
static int push_note(lua_State *L, const struct net_tls_note *note, const char **event) {
  unsigned id_len = 0;
  if (note->what == NET_TLS_KEYLOG || note->what == NET_TLS_STATUS) {
    *event = note->what == NET_TLS_KEYLOG ? "keylog" : "response";
    lua_pushlstring(L, note->bytes, note->len);
    return 1;
  }
  *event = note->what == NET_TLS_SESSION ? "session" : "new_session";
  net_tls_inspect_session(L, note->session);
  if (note->what == NET_TLS_SESSION)
    return 1;
  const unsigned char *id = SSL_SESSION_get_id(note->session, &id_len);
  lua_pushlstring(L, (const char *)id, id_len);
  lua_insert(L, -2);
  return 2;
}

/* What the first note tells of is the client's session until the next one is told: two tickets
 * of TLS 1.3 come together, and a listener may ask for each. */
static void keep_told(struct net_tls *t) {
  if (t->notes->what != NET_TLS_SESSION)
    return;
  SSL_SESSION_free(t->told);
  t->told = t->notes->session;
  t->notes->session = NULL;
}

void net_tls_tell_notes(lua_State *L, struct net_stream *stream, struct net_tls *t) {
  while (net_tls_is_there(stream, t) && t->notes) {
    const char *event = NULL;
    int nargs = push_note(L, t->notes, &event);
    keep_told(t);
    net_tls_drop_note(t);
    net_tls_tell(L, t, event, nargs);
  }
}

/* --- the handshake --------------------------------------------------------------------- */

/* How it stands; behind those that are no end. */
enum step {
  WANTS_MORE,
  WANTS_ROOM,
  IS_DONE,
  WAITS,
  ASKS_STATUS,
  HAS_FAILED,
  HAS_ENDED,
  IS_BROKEN,
  CANNOT_SEND,
  HAS_RAISED
};

static enum step step_of(struct net_tls *t, int result) {
  int why = SSL_get_error(t->ssl, result);
  switch (why) {
    case SSL_ERROR_NONE: return IS_DONE;
    case SSL_ERROR_WANT_READ: return WANTS_MORE;
    case SSL_ERROR_WANT_WRITE: return WANTS_ROOM;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: return WAITS;
    case SSL_ERROR_WANT_X509_LOOKUP: return ASKS_STATUS;
    default: break;
  }
  if (net_tls_has_ended(t, why))
    return HAS_ENDED;
  net_tls_fail(t);
  return HAS_FAILED;
}

/* There was nothing to be read, for that reason. Where our part cannot be sent either, no
 * answer comes. The system tells of a reset once, which may have been by our last flight: to
 * read gives an end then. */
static enum step not_read(struct net_tls *t, int n) {
  if (n == -EAGAIN)
    return t->unsendable ? CANNOT_SEND : WANTS_MORE;
  if (n == 0 && t->unsendable != -ECONNRESET)
    return HAS_ENDED;
  if (n == 0)
    n = t->unsendable;
  t->broken = n;
  t->below_failed = n == NET_OWN_ERROR;
  return IS_BROKEN;
}

/* What OpenSSL makes of what it has. Lua may have been asked for a key (psk.c), which has
 * closed the connection, or raised. */
static enum step one_step(lua_State *L, struct net_tls *t) {
  t->amid = L;
  enum step step = step_of(t, SSL_do_handshake(t->ssl));
  t->amid = NULL;
  return t->closed || t->raised ? HAS_RAISED : step;
}

/* As far as what has arrived allows. A read that was short has brought all of it. */
static enum step advance(lua_State *L, struct net_tls *t) {
  int more = 1;
  for (;;) {
    enum step step = one_step(L, t);
    if (step == WANTS_ROOM && net_tls_make_room(t))
      continue;
    if (step == WANTS_ROOM) {
      t->broken = -ENOMEM;
      return IS_BROKEN;
    }
    if (step != WANTS_MORE || !more)
      return step;
    ssize_t n = net_tls_fill(t, NET_TLS_WINDOW);
    if (n <= 0)
      return not_read(t, (int)n);
    more = t->s->offered > 0 || n == NET_TLS_WINDOW;
  }
}

/* Pushes the error of what is broken below, or of that call. [-0, +1, e] */
static void push_broken(lua_State *L, const struct net_tls *t, int err, const char *call) {
  const struct net_handle *b = &t->below;
  while (t->below_failed && b->via->error == NULL && b->via->below)
    b = b->via->below(b);
  if (t->below_failed && b->via->error)
    b->via->error(L, (struct net_handle *)(uintptr_t)b);
  else
    net_tls_net->error_sys(L, err, call);
}

/* Tells the Lua half how it stands; what it does then is its own. [-0, +0, e] */
static void tell_step(lua_State *L, struct net_tls *t, enum step step) {
  switch (step) {
    case IS_DONE:
      t->secure = 1;
      net_tls_tell(L, t, "secure", 0);
      break;
    case WAITS:
    case ASKS_STATUS:
      t->waits = 1;
      net_tls_tell(L, t, step == WAITS ? "hello" : "status", 0);
      break;
    case HAS_FAILED:
      net_tls_failure_push(L, &t->failure);
      net_tls_tell(L, t, "failed", 1);
      break;
    case HAS_ENDED: net_tls_tell(L, t, "hangup", 0); break;
    case IS_BROKEN:
    case CANNOT_SEND:
      if (step == IS_BROKEN)
        push_broken(L, t, t->broken, "read");
      else
        push_broken(L, t, t->unsendable, "write");
      net_tls_tell(L, t, "failed", 1);
      break;
    case HAS_RAISED:
      t->waits = 1;
      net_tls_push_refusal(L, t);
      net_tls_tell(L, t, "raised", 1);
      break;
    case WANTS_ROOM:
    case WANTS_MORE: break;
  }
}

/* The keys of a client are told who listens. [-0, +0, e] */
static void look_for_listeners(lua_State *L, struct net_tls *t) {
  if (t->is_server)
    return;
  net_tls_push_socket(L, t);
  t->logs_keys = !lua_isnil(L, -1) && net_tls_net->listens(L, -1, "keylog");
  lua_pop(L, 1);
  if (t->logs_keys)
    net_tls_callbacks_log_keys(t->ssl);
}

/* Tells Lua what one go has brought, and then sends what it has held back; but for the last
 * flight, which what is written now may go along with: behind it, in a packet of its own, that
 * would wait until the other side has acknowledged the flight, 40 ms where it has nothing to say.
 * [-0, +0, e] */
static void tell(lua_State *L, struct net_tls *t, enum step step) {
  struct net_stream *stream = t->below.stream; /* not for sure the one of before */
  struct net_handle *h = net_tls_net->handle(stream);
  if (h && t->out.len > 0)
    net_tls_net->wake(h, NET_WRITE); /* also if Lua raises */
  net_tls_tell_notes(L, stream, t);
  if (!net_tls_is_there(stream, t))
    return;
  t->holds = step == IS_DONE && t->out.len > 0;
  tell_step(L, t, step);
  if (net_tls_is_there(stream, t) && t->out.len > 0 && !t->secure)
    net_tls_flush(t, 0);
  if (step == WANTS_MORE && t->unsendable && net_tls_is_there(stream, t))
    net_tls_net->wake(net_tls_net->handle(stream), NET_READ); /* what came before tells why */
}

/* One go. Its flight waits until Lua has been told, who may refuse the other side, and of the
 * last one whose first bytes may go along. [-0, +0, e] */
static void go_on(lua_State *L, struct net_tls *t) {
  long began = now();
  look_for_listeners(L, t);
  if (net_tls_enter(t) < 0) {
    t->broken = -ENOMEM;
    tell_step(L, t, IS_BROKEN);
    return;
  }
  enum step step = advance(L, t);
  if (t->closed) {
    net_tls_abandon(t);
    return;
  }
  if (step == HAS_RAISED)
    t->s->out_len = 0; /* as if it were destroyed */
  net_tls_leave(t, step == IS_DONE || (step == WANTS_MORE && t->notes));
  if (t->broken && step < HAS_FAILED)
    step = IS_BROKEN; /* its flight, or what it has still to read, found no memory */
  if (step == IS_DONE)
    (void)SSL_free_buffers(t->ssl); /* 32 KiB, until there is something to read or write */
  net_tls_turns_spent(t, now() - began);
  tell(L, t, step);
}

void net_tls_handshake(lua_State *L, struct net_tls *t) {
  if (t->waits || t->secure)
    return;
  if (!t->queued)
    net_tls_turns_join(t);
  else if (net_tls_turns_may(t))
    go_on(L, t);
}
