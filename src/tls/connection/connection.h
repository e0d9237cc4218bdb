/* SPDX-License-Identifier: MIT
 *
 * connection.h - one TLS connection: what is under a TLSSocket beside the handle below.
 *
 * It is the state of the transport (transport.c), and Lua has it as a userdata, a
 * Connection, for as long as the socket knows it; either may go first. */
#ifndef NET_TLS_CONNECTION_H
#define NET_TLS_CONNECTION_H

#include <lua.h>

#include "tls/base/buffers.h"
#include "tls/base/bytes.h"
#include "tls/base/error.h"
#include "tls/base/forks.h"
#include "tls/base/net.h"
#include "tls/base/openssl.h"

/* Something that OpenSSL told amid a call, and Lua is to hear. */
struct net_tls_note {
  struct net_tls_note *next;
  enum net_tls_news { NET_TLS_KEYLOG, NET_TLS_SESSION, NET_TLS_NEW_SESSION, NET_TLS_STATUS } what;
  SSL_SESSION *session; /* owned */
  size_t len;
  char bytes[];
};

/* What a client's first message says; see callbacks.c. */
struct net_tls_hello {
  const char *name; /* server_name, or NULL */
  size_t name_len;
  const unsigned char *alpn; /* names as in ALPN's extension, or NULL */
  size_t alpn_len;
  const unsigned char *id; /* of a session that is to be resumed without a ticket, or NULL */
  size_t id_len;
  int is_13;             /* both sides know TLS 1.3 */
  unsigned char bytes[]; /* all of them */
};

struct net_tls {
  struct net_handle below;
  struct net_tls *before, *behind; /* in the queue of handshakes; see turns.c */
  struct net_tls_shared *shared;   /* a reference */
  SSL *ssl;                        /* owned until 'close' */
  BIO *trace;                      /* owned; where its messages are told, or NULL */
  struct net_tls_buffers *s;       /* amid a call; NULL else */
  struct net_tls_bytes in;         /* ciphertext that was read, and waits */
  struct net_tls_bytes out;        /* ciphertext that is not below yet */
  struct net_tls_bytes plain;      /* what a read had no room for */
  struct net_tls_bytes status;     /* what a server says of its certificate */
  struct net_tls_note *notes;
  SSL_SESSION *found;             /* owned; what the program has found for a client's id */
  SSL_CTX *tickets;               /* a reference; with the keys of its tickets, or NULL */
  SSL_SESSION *told;              /* owned; of a client, that of the last 'session', or NULL */
  struct net_tls_failure failure; /* what OpenSSL said of a fatal error, which is for good */
  struct net_stream *counts;      /* borrowed; whose handle was taken, or NULL */
  unsigned char *alpn;            /* owned; a server's names as in ALPN's extension, or NULL */
  unsigned alpn_len;              /* a client's too, which its SSL has */
  unsigned refs;
  unsigned forks; /* of the process that made it: a child has a copy, and may not use it */
  int broken;     /* errno of a read below, or -ENOMEM: of the next call */
  int unsendable; /* errno of a write below: for good */
  struct net_tls_hello *hello; /* owned; what the client has asked for, while Lua thinks */
  lua_State *amid;             /* borrowed; in a call of OpenSSL's that may ask Lua; NULL else */
  unsigned depth;
  unsigned is_server : 1;
  unsigned rejects : 1;      /* a peer without a good certificate is refused */
  unsigned wants_notify : 1; /* an end without close_notify is an error */
  unsigned installed : 1;
  unsigned secure : 1;       /* the handshake is over */
  unsigned refused : 1;      /* by the Lua half: its error is what writes fail with */
  unsigned open : 1;         /* and its verdict is good: bytes may pass */
  unsigned waits : 1;        /* the handshake waits for Lua */
  unsigned logs_keys : 1;    /* 'keylog' is told */
  unsigned stores : 1;       /* the program keeps a server's sessions */
  unsigned asks : 1;         /* Lua is to hear of the client's first message */
  unsigned asks_status : 1;  /* and of one that wants to have the status of a certificate */
  unsigned queued : 1;       /* its turn to go on with the handshake comes */
  unsigned failed : 1;       /* see 'failure' */
  unsigned below_failed : 1; /* NET_OWN_ERROR came from below */
  unsigned blocked : 1;      /* below did not take all of 'out' */
  unsigned holds : 1;        /* 'out' is the last flight, and leaves with what is written first */
  unsigned ended : 1;        /* nothing more is to be read */
  unsigned got_notify : 1;
  unsigned sent_notify : 1;
  unsigned raised : 1; /* by Lua, amid a call of OpenSSL's: the refusal is what */
  unsigned closed : 1; /* amid such a call, behind which the rest follows */
};

#define NET_TLS_CONNECTION "net.tls.Connection" /* its metatable */

/* The connection at 'idx'; raises where it is none. [-0, +0, e] */
struct net_tls *net_tls_check(lua_State *L, int idx);
/* The one at index 1, which has an SSL still; raises where it has none. [-0, +0, e] */
struct net_tls *net_tls_check_open(lua_State *L);
/* Is it the connection of the process that has made this one by fork(2)? Each record has a number
 * of its own, so what a child sends or reads would break it for both. */
static inline int net_tls_is_parents(const struct net_tls *t) {
  return t->forks != net_tls_forks();
}
/* Lets go of one of its references. */
void net_tls_release(struct net_tls *t);
/* Frees the first note, and wipes it. */
void net_tls_drop_note(struct net_tls *t);
/* Frees all but the struct itself; the layer is closed. */
void net_tls_end(struct net_tls *t);
/* Pushes the socket that it was made for, or nil. [-0, +1, -] */
void net_tls_push_socket(lua_State *L, const struct net_tls *t);
/* Pushes the error with which the Lua half has refused it, or nil. [-0, +1, -] */
void net_tls_push_refusal(lua_State *L, const struct net_tls *t);
/* Makes the value on the top that error. [-1, +0, -] */
void net_tls_keep_refusal(lua_State *L, const struct net_tls *t);
/* Calls the Lua half: handler(socket, event, the 'nargs' values on the top).
 * [-nargs, +nresults, e] */
void net_tls_ask(lua_State *L, const struct net_tls *t, const char *event, int nargs, int nresults);
/* The same, without an answer. [-nargs, +0, e] */
void net_tls_tell(lua_State *L, const struct net_tls *t, const char *event, int nargs);

/* Into the table on the top: connection(context, is_server), on_event(fn), and Connection, a
 * table of methods. [-0, +0, e] */
void net_tls_connection_open(lua_State *L);

#endif
