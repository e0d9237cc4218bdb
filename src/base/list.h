/* SPDX-License-Identifier: MIT
 *
 * list.h - a doubly linked list whose links are embedded in its members.
 *
 * Joining and leaving allocate nothing and cannot fail. A list is a link itself, the one
 * before the first and behind the last; a link that is in no list points at itself. */
#ifndef NET_LIST_H
#define NET_LIST_H

struct net_link {
  struct net_link *next, *prev;
};

static inline void net_list_init(struct net_link *l) { l->next = l->prev = l; }
static inline int net_list_is_empty(const struct net_link *list) { return list->next == list; }
/* Puts a link that is in no list at the end of one. */
static inline void net_list_append(struct net_link *list, struct net_link *l) {
  l->prev = list->prev;
  l->next = list;
  list->prev->next = l;
  list->prev = l;
}
/* Takes it out of the list that it is in, if any. */
static inline void net_list_remove(struct net_link *l) {
  l->prev->next = l->next;
  l->next->prev = l->prev;
  net_list_init(l);
}
/* Takes out the first of a list that is not empty. */
static inline struct net_link *net_list_take(struct net_link *list) {
  struct net_link *first = list->next;
  net_list_remove(first);
  return first;
}

#endif
