/* SPDX-License-Identifier: MIT
 *
 * platform.h - which Unix it is, for sys.c and transfer.c, which include this first: what
 * a system shows depends on it. */
#ifndef NET_PLATFORM_H
#define NET_PLATFORM_H

/* accept4, SO_REUSEPORT, IOV_MAX and friends, which -std=c11 hides. */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#elif defined(__NetBSD__)
#define _NETBSD_SOURCE 1
#elif defined(__sun)
#define __EXTENSIONS__ 1
#elif !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>

/* Else sendFile could not open a file of 2 GiB on a 32-bit system. */
_Static_assert(sizeof(off_t) == 8, "compile with -D_FILE_OFFSET_BITS=64");

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE is set at birth instead */
#endif

#ifndef MSG_MORE
#define MSG_MORE 0
#endif

#ifndef IOV_MAX
#define IOV_MAX 16 /* what POSIX grants */
#endif

#if !defined(__APPLE__) && defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
#define HAVE_SOCK_FLAGS 1
#endif

/* -DNET_PORTABLE leaves out what only Linux has, to try the ways around it. */
#if defined(__linux__) && !defined(NET_PORTABLE)
#include <sys/syscall.h>
#define HAVE_SENDFILE 1 /* others have one too, each with arguments of its own */
#if defined(SYS_pidfd_open)
#define HAVE_PIDFD 1
#endif
#if defined(SPLICE_F_MOVE) && defined(F_SETPIPE_SZ)
#define HAVE_SPLICE 1
#endif
#endif

#endif
