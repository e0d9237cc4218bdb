/* SPDX-License-Identifier: MIT
 *
 * jsontext.h - a JSON text that grows: room for it, and strings in it. */
#ifndef NET_JSONTEXT_H
#define NET_JSONTEXT_H

#include <lua.h>
#include <string.h>

#define NET_JSONTEXT_FIRST 16384 /* bytes in the C stack */
#define NET_JSONTEXT_SPARE 64    /* bytes before a value or a name: what is no string fits in */

/* What a long text stands in. */
struct net_jsonbox {
  char *text; /* owned; NULL: none */
  size_t room;
};

struct net_jsontext {
  lua_State *L;
  char *start, *at, *end;  /* the text, its next byte, the end of the room */
  struct net_jsonbox *box; /* NULL as long as it is in 'first' */
  int slot;                /* stack index for the box */
  char first[NET_JSONTEXT_FIRST];
};

/* Begins one; pushes nil, in the place of a box. [-0, +1, -] */
void net_jsontext_init(struct net_jsontext *t, lua_State *L);
/* Drops its box and what is above. [-n, +0, -] */
void net_jsontext_finish(struct net_jsontext *t);
/* Makes room for 'n' bytes more. [-0, +0, m] */
void net_jsontext_grow(struct net_jsontext *t, size_t n);
/* Writes a string in quotes, into room of which there are NET_JSONTEXT_SPARE bytes before and
 * behind; returns whether it is UTF-8. [-0, +0, m] */
int net_jsontext_string(struct net_jsontext *t, const char *text, size_t len);
/* Writes {"$b":"base64"}, as well. [-0, +0, m] */
void net_jsontext_binary(struct net_jsontext *t, const char *text, size_t len);
/* Before one is begun. [-0, +0, m] */
void net_jsontext_open(lua_State *L);

/* The same, if there is not. [-0, +0, m] */
static inline void net_jsontext_reserve(struct net_jsontext *t, size_t n) {
  if ((size_t)(t->end - t->at) < n)
    net_jsontext_grow(t, n);
}

/* The next two write into room that there is. */

static inline void net_jsontext_byte(struct net_jsontext *t, char c) { *t->at++ = c; }

static inline void net_jsontext_literal(struct net_jsontext *t, const char *text, size_t len) {
  memcpy(t->at, text, len);
  t->at += len;
}

#endif
