/* SPDX-License-Identifier: MIT
 *
 * luasec.h - LuaSec's contexts, connections and certificates: the C half of net.luasec.
 *
 * They share nothing with net.tls but OpenSSL: LuaSec judges, names and asks otherwise, and
 * its connections are over plain sockets. What is wrong in an argument raises as LuaSec's
 * functions do; what OpenSSL refuses is nil and a word of its, without a code. */
#ifndef NET_LUASEC_H
#define NET_LUASEC_H

#include <lua.h>

#include "tls/base/buffers.h"
#include "tls/base/bytes.h"
#include "tls/base/net.h"
#include "tls/base/openssl.h"

/* What a context does beyond OpenSSL's own verification: bits of 'ext'. */
enum {
  NET_SEC_CONTINUE = 1, /* a bad certificate is noted, and the handshake goes on */
  NET_SEC_AS_SERVER = 2 /* a client's certificate may be a server's */
};

#define NET_SEC_CONTEXT_CLASS "net.luasec.Context" /* the metatable of contexts */

/* A context, with these as user values. */
enum { NET_SEC_ON_ALPN = 1, NET_SEC_ON_DH, NET_SEC_CONTEXT_VALUES = NET_SEC_ON_DH };

struct net_sec_context {
  struct net_kept kept;
  SSL_CTX *ctx; /* owned; NULL: collected */
  int is_server;
  int has_mode;
  int ext;
};

/* A fault of the peer's certificates. */
struct net_sec_fault {
  int depth; /* 0: its own */
  int code;  /* X509_V_ERR_* */
};

enum { NET_SEC_FAULTS = 64 };

/* User values of a connection. ERROR: what Lua code that OpenSSL called has raised. SENDING:
 * the string of which a record is with OpenSSL, but not yet with the kernel. */
enum {
  NET_SEC_CONTEXT = 1,
  NET_SEC_NAMES,
  NET_SEC_ERROR,
  NET_SEC_SENDING,
  NET_SEC_VALUES = NET_SEC_SENDING
};

/* One for all connections of a Lua state: it is empty between two calls. */
struct net_sec_buffers {
  int in_use;
  unsigned char in[NET_TLS_WINDOW];
  unsigned char plain[NET_TLS_PLAIN];
};

/* A connection. It has no descriptor of its own: each call is told one. */
struct net_sec {
  struct net_kept kept;
  SSL *ssl;     /* owned; NULL: closed */
  lua_State *L; /* amid a call of OpenSSL's, whose first argument is the connection; else NULL */
  int fd;       /* amid a call */
  int refused;  /* negative errno of a system call amid it; 0: none */
  int at_end;   /* the peer's FIN was seen */
  int is_server;
  int connected;
  int ended;                /* its close_notify was */
  const char *word;         /* why nothing goes on, for good; NULL: it does */
  int broken;               /* the same, by the system: a negative errno */
  int unsendable;           /* the same, of a send alone */
  const unsigned char *win; /* ciphertext that OpenSSL may have */
  size_t win_len;
  int may_read; /* and more of it */
  struct net_sec_buffers *buffers;
  struct net_tls_bytes rest;    /* ciphertext that waits for the next call */
  size_t record_at, record_len; /* in the string SENDING; 0: there is none */
  int is_strict;                /* a name that is not known ends the handshake */
  int raised;
  int asked_dh;
  int fault_count;
  struct net_sec_fault faults[NET_SEC_FAULTS];
};

/* The context at 'idx'; raises where it is none. [-0, +0, e] */
struct net_sec_context *net_sec_context_check(lua_State *L, int idx);
/* The same for a connection. [-0, +0, e] */
struct net_sec *net_sec_check(lua_State *L, int idx);

/* --- arguments and answers: answers.c --- */

/* The string at 'idx', which C is to have whole: raises for what is none, or has a NUL in it.
 * [-0, +0, e] */
const char *net_sec_text(lua_State *L, int idx);
/* The word for an entry of the error queue; NULL: there is none. [-] */
const char *net_sec_word(unsigned long code);

/* Those that answer return how many values they have pushed, for a method to return. */

/* true; the error queue is empty then. [-0, +1, m] */
int net_sec_yes(lua_State *L);
/* nil, and 'text' with 'word' for its one %s; the error queue likewise. [-0, +2, m] */
int net_sec_no(lua_State *L, const char *text, const char *word);
/* The same with what OpenSSL says of the call that has just failed. [-0, +2, m] */
int net_sec_refuse(lua_State *L, const char *text);
/* net_sec_yes, or net_sec_refuse. [-0, +(1|2), m] */
int net_sec_answer(lua_State *L, int ok, const char *text);
/* nil, "closed": before the handshake, and behind the end of it all. [-0, +2, m] */
int net_sec_closed(lua_State *L);
/* Pushes the metatable of a class, made if there is none: 'key' is its name in the registry,
 * 'name' the one that programs see. [-0, +1, m] */
void net_sec_class_push(lua_State *L, const char *key, const char *name, lua_CFunction gc,
                        lua_CFunction tostring);

/* --- what the others do for each other --- */

/* Has the context ask and judge by the callbacks of callbacks.c; 0: no memory. [-] */
int net_sec_callbacks_install(struct net_sec_context *c);
/* Gives a new SSL the BIO over its connection's descriptor; 0: no memory. [-] */
int net_sec_bio_attach(SSL *ssl, struct net_sec *e);
/* Reads what has come and nobody will read, before the descriptor is closed: Linux ends a
 * connection that is closed with something unread by a reset, and forgets what it has not sent
 * yet, as it waits for an ACK of what was before. A client that only sends never reads the
 * tickets of TLS 1.3, so its last record was lost so, or its close_notify. [-] */
void net_sec_drop_unread(int fd);
/* The struct of a connection that OpenSSL calls back for. [-] */
struct net_sec *net_sec_of(const SSL *ssl);
/* Has a server's connection use what its context's function of DH parameters gives.
 * [-0, +0, e] */
void net_sec_callbacks_dh(lua_State *L, struct net_sec *e);
/* Pushes an object for a certificate, which it owns from here on, also where it raises; nil for
 * NULL. [-0, +1, e] */
void net_sec_certificate_push(lua_State *L, X509 *certificate);

/* Each adds its functions to the table on the top. [-0, +0, e] */
void net_sec_context_open(lua_State *L);
void net_sec_options_open(lua_State *L);
void net_sec_connection_open(lua_State *L);
void net_sec_facts_open(lua_State *L);
void net_sec_certificate_open(lua_State *L);
/* sec(): the table of all of them, made when it is first asked for, into the core table on the
 * top. [-0, +0, e] */
void net_sec_open(lua_State *L);

#endif
