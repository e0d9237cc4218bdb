/* SPDX-License-Identifier: MIT
 *
 * census.h - lists of the objects that the loop can call. */
#ifndef NET_CENSUS_H
#define NET_CENSUS_H

#include "loop/object.h"

/* Is it one of those that 'arg' says? Runs no Lua. */
typedef int net_census_test(const struct net_object *o, const void *arg);

/* Pushes a new list of the objects of 'cls', or of a class derived from it, that are
 * anchored or queued and pass the test, in no order. Looks at the whole registry.
 * [-0, +1, m] */
void net_census_list(lua_State *L, const struct net_class *cls, net_census_test *is,
                     const void *arg);

#endif
