/* SPDX-License-Identifier: MIT
 *
 * errname.c - the names and texts of error numbers, as libuv has them.
 *
 * Beside sys.c and transfer.c the only file with #ifdefs: not every system has every error. Linear
 * search: an error is looked up once, when it is told. */
#include "base/errname.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Numbers of libuv's own, the same on every system. */
enum { EAI_LAST_NUMBER = -3014, EAI_FIRST_NUMBER = -3000 };

struct error_text {
  int number; /* as in errno, positive; libuv's negative for EAI_* */
  const char *name;
  const char *text; /* libuv's; NULL where strerror has to do */
};

/* libuv's names and texts first (uv.h, UV_ERRNO_MAP), in its order; then what
 * else a Linux socket may answer. Where two names share a number, the first
 * one wins. */
static const struct error_text error_texts[] = {
#define E(name, text)                                                                              \
  { name, #name, text }
  E(E2BIG, "argument list too long"),
  E(EACCES, "permission denied"),
  E(EADDRINUSE, "address already in use"),
  E(EADDRNOTAVAIL, "address not available"),
  E(EAFNOSUPPORT, "address family not supported"),
  E(EAGAIN, "resource temporarily unavailable"),
  E(EALREADY, "connection already in progress"),
  E(EBADF, "bad file descriptor"),
  E(EBUSY, "resource busy or locked"),
  E(ECANCELED, "operation canceled"),
  E(ECONNABORTED, "software caused connection abort"),
  E(ECONNREFUSED, "connection refused"),
  E(ECONNRESET, "connection reset by peer"),
  E(EDESTADDRREQ, "destination address required"),
  E(EEXIST, "file already exists"),
  E(EFAULT, "bad address in system call argument"),
  E(EFBIG, "file too large"),
  E(EHOSTUNREACH, "host is unreachable"),
  E(EINTR, "interrupted system call"),
  E(EINVAL, "invalid argument"),
  E(EIO, "i/o error"),
  E(EISCONN, "socket is already connected"),
  E(EISDIR, "illegal operation on a directory"),
  E(ELOOP, "too many symbolic links encountered"),
  E(EMFILE, "too many open files"),
  E(EMSGSIZE, "message too long"),
  E(ENAMETOOLONG, "name too long"),
  E(ENETDOWN, "network is down"),
  E(ENETUNREACH, "network is unreachable"),
  E(ENFILE, "file table overflow"),
  E(ENOBUFS, "no buffer space available"),
  E(ENODEV, "no such device"),
  E(ENOENT, "no such file or directory"),
  E(ENOMEM, "not enough memory"),
  E(ENOPROTOOPT, "protocol not available"),
  E(ENOSPC, "no space left on device"),
  E(ENOSYS, "function not implemented"),
  E(ENOTCONN, "socket is not connected"),
  E(ENOTDIR, "not a directory"),
  E(ENOTEMPTY, "directory not empty"),
  E(ENOTSOCK, "socket operation on non-socket"),
  E(ENOTSUP, "operation not supported on socket"),
  { EOPNOTSUPP, "ENOTSUP", "operation not supported on socket" },
  E(EOVERFLOW, "value too large for defined data type"),
  E(EPERM, "operation not permitted"),
  E(EPIPE, "broken pipe"),
  E(EPROTO, "protocol error"),
  E(EPROTONOSUPPORT, "protocol not supported"),
  E(EPROTOTYPE, "protocol wrong type for socket"),
  E(ERANGE, "result too large"),
  E(EROFS, "read-only file system"),
  E(ESPIPE, "invalid seek"),
  E(ESRCH, "no such process"),
  E(ETIMEDOUT, "connection timed out"),
  E(ETXTBSY, "text file is busy"),
  E(EXDEV, "cross-device link not permitted"),
  E(ENXIO, "no such device or address"),
  E(EMLINK, "too many links"),
  E(ENOTTY, "inappropriate ioctl for device"),
  E(EILSEQ, "illegal byte sequence"),
  E(ENOEXEC, "exec format error"),
#ifdef ESHUTDOWN
  E(ESHUTDOWN, "cannot send after transport endpoint shutdown"),
#endif
#ifdef EHOSTDOWN
  E(EHOSTDOWN, "host is down"),
#endif
#ifdef EREMOTEIO
  E(EREMOTEIO, "remote I/O error"),
#endif
#ifdef ENONET
  E(ENONET, "machine is not on the network"),
#endif
#ifdef ENODATA
  E(ENODATA, "no data available"),
#endif
#ifdef EUNATCH
  E(EUNATCH, "protocol driver not attached"),
#endif
#ifdef ESOCKTNOSUPPORT
  E(ESOCKTNOSUPPORT, "socket type not supported"),
#endif
  E(EINPROGRESS, NULL),
  E(EWOULDBLOCK, NULL),
  E(ENETRESET, NULL),
  E(ECHILD, NULL),
  E(EDEADLK, NULL),
  E(ENOLCK, NULL),
  E(EDOM, NULL),
  E(EBADMSG, NULL),
  E(EIDRM, NULL),
  E(ENOMSG, NULL),
#ifdef EPFNOSUPPORT
  E(EPFNOSUPPORT, NULL),
#endif
#ifdef ETOOMANYREFS
  E(ETOOMANYREFS, NULL), /* too many descriptors in flight */
#endif
#ifdef EUSERS
  E(EUSERS, NULL),
#endif
#ifdef EDQUOT
  E(EDQUOT, NULL),
#endif
#ifdef ESTALE
  E(ESTALE, NULL),
#endif
#ifdef EREMOTE
  E(EREMOTE, NULL),
#endif
#ifdef EMULTIHOP
  E(EMULTIHOP, NULL),
#endif
#ifdef ENOLINK
  E(ENOLINK, NULL),
#endif
#ifdef ETIME
  E(ETIME, NULL),
#endif
#ifdef ENOSR
  E(ENOSR, NULL),
#endif
#ifdef ENOSTR
  E(ENOSTR, NULL),
#endif
#ifdef ECOMM
  E(ECOMM, NULL),
#endif
#ifdef EBADFD
  E(EBADFD, NULL),
#endif
#ifdef ENOTUNIQ
  E(ENOTUNIQ, NULL),
#endif
#ifdef ENOPKG
  E(ENOPKG, NULL),
#endif
#ifdef ENOKEY
  E(ENOKEY, NULL), /* kernel TLS and IPsec */
  E(EKEYEXPIRED, NULL),
  E(EKEYREVOKED, NULL),
  E(EKEYREJECTED, NULL),
#endif
#undef E
  { EAI_FIRST_NUMBER, "EAI_ADDRFAMILY", "address family not supported" },
  { -3001, "EAI_AGAIN", "temporary failure" },
  { -3002, "EAI_BADFLAGS", "bad ai_flags value" },
  { -3003, "EAI_CANCELED", "request canceled" },
  { -3004, "EAI_FAIL", "permanent failure" },
  { -3005, "EAI_FAMILY", "ai_family not supported" },
  { -3006, "EAI_MEMORY", "out of memory" },
  { -3008, "ENOTFOUND", "unknown node or service" }, /* EAI_NONAME */
  { -3007, "ENOTFOUND", "no address" },              /* EAI_NODATA */
  { -3009, "EAI_OVERFLOW", "argument buffer overflow" },
  { -3010, "EAI_SERVICE", "service not available for socket type" },
  { -3011, "EAI_SOCKTYPE", "socket type not supported" },
  { -3013, "EAI_BADHINTS", "invalid value for hints" },
  { EAI_LAST_NUMBER, "EAI_PROTOCOL", "resolved protocol is unknown" },
};

enum { ERROR_COUNT = sizeof error_texts / sizeof error_texts[0] };

/* The row of 'err', which is -errno or an EAI number; NULL for neither. */
static const struct error_text *error_find(int err) {
  int resolver = err <= EAI_FIRST_NUMBER && err >= EAI_LAST_NUMBER;
  int number = resolver ? err : -err;
  for (int i = 0; i < ERROR_COUNT; i++)
    if (error_texts[i].number == number)
      return &error_texts[i];
  return NULL;
}

const char *net_errname(int err) {
  const struct error_text *e = error_find(err);
  return e != NULL ? e->name : "UNKNOWN";
}

const char *net_errname_text(int err) {
  const struct error_text *e = error_find(err);
  if (e == NULL)
    return "unknown error";
  return e->text != NULL ? e->text : strerror(e->number);
}

int net_errname_number(const char *name) {
  for (int i = 0; i < ERROR_COUNT; i++)
    if (strcmp(error_texts[i].name, name) == 0)
      return error_texts[i].number < 0 ? error_texts[i].number : -error_texts[i].number;
  return 0;
}
