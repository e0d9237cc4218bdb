/* SPDX-License-Identifier: MIT
 *
 * events.h - the events that C knows by number, and who listens to them.
 *
 * Any other event is known by its name alone: NET_EVENTS stands for it. */
#ifndef NET_EVENTS_H
#define NET_EVENTS_H

#include "loop/object.h"

/* The events that C emits or watches; a bit of net_object.events each. */
enum net_event {
  ON_DATA,
  ON_READABLE,
  ON_END,
  ON_ERROR,
  ON_CLOSE,
  ON_FINISH,
  ON_PREFINISH,
  ON_DRAIN,
  ON_CONNECT,
  ON_READY,
  ON_TIMEOUT,
  ON_PAUSE,
  ON_RESUME,
  ON_PIPE,
  ON_UNPIPE,
  ON_LISTENING,
  ON_CONNECTION,
  ON_DROP,
  ON_NEW_LISTENER,
  ON_REMOVE_LISTENER,
  NET_EVENTS /* how many */
};

_Static_assert(NET_EVENTS <= NET_EVENT_BITS, "net_object.events has no bit for the last event");

/* Has the event a listener? */
static inline int net_has(const struct net_object *o, enum net_event ev) {
  return (o->events >> ev) & 1;
}

#endif
