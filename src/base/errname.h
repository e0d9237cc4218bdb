/* SPDX-License-Identifier: MIT
 *
 * errname.h - the names and texts of error numbers, as libuv has them. No Lua in here. */
#ifndef NET_ERRNAME_H
#define NET_ERRNAME_H

/* "ECONNRESET" for -ECONNRESET; "UNKNOWN", as in Node, for what has no name.
 * Also the resolver's codes (see lookup.h), which carry libuv's numbers: -3001
 * is "EAI_AGAIN", -3007 and -3008 are both "ENOTFOUND". */
const char *net_errname(int err);
/* The sentence listen errors carry ("address already in use"), as in libuv;
 * strerror's text for what libuv's table does not have, "unknown error" for
 * what has no name. */
const char *net_errname_text(int err);
/* The way back: -ECONNRESET for "ECONNRESET", 0 for a name that is unknown. */
int net_errname_number(const char *name);

#endif
