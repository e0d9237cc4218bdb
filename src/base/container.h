/* SPDX-License-Identifier: MIT
 *
 * container.h - from a struct to the one that it is embedded in. */
#ifndef NET_CONTAINER_H
#define NET_CONTAINER_H

#include <stddef.h>

/* The 'type' whose field 'member' is at 'ptr'. */
#define net_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
