/* SPDX-License-Identifier: MIT
 *
 * fail.c - a C program in which one system call, or memory, fails. See run.lua.
 *
 *     fail SCRIPT CALL ERROR LENGTH FIRST [grown]
 *
 * Runs the script again and again, each time in a new Lua state. What the script runs
 * by play() meets, the n-th time, a failure of the n-th CALL and of those behind it,
 * LENGTH in all, or all for as long as play() likes if that is 0; the last time there
 * is none. ERROR is an errno (of getaddrinfo an EAI_*), -1 for a call that does one
 * byte's work, or -2 for one that does it and says EINTR. CALL "memory" refuses Lua what
 * it asks for, "openssl" OpenSSL, where this is built with it: of its thousands of requests,
 * most of them for keys, each of the first hundred and then one in some, unless EVERY is set.
 * "none" only counts, and prints how often each call was made. FIRST, if not 0, is the only
 * n, and the failure may come from the start of the program on.
 *
 * A child that the script starts counts with us until it runs its program: what is counted
 * is in memory that both share, and vfork is fork, whose child may return.
 *
 * The calls are this program's own functions, which the dynamic linker finds before the C
 * library's. What fails in the C library itself is not seen: that is its affair. */
#define _GNU_SOURCE 1

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef WITH_OPENSSL
#include <openssl/crypto.h>
#include <openssl/err.h>
#endif

#define SHORT (-1)
#define LATE (-2)
#define PATIENCE 20 /* s; for one run, then SIGALRM ends it */
#define EACH 100    /* requests of OpenSSL's that fail one by one */

static const char *victim;
static int error, grown;
static long length, wanted, first;
static atomic_int armed;

/* --- counting ------------------------------------------------------------------ */

static struct shared {
  atomic_long seen;
  struct {
    const char *name;
    long times;
  } counts[64];
} *shared;

static void count(const char *name) {
  int i = 0;
  while (shared->counts[i].name && strcmp(shared->counts[i].name, name) != 0)
    i++;
  shared->counts[i].name = name;
  shared->counts[i].times++;
}

/* The error that this call is to have, or 0. */
static int fails(const char *name) {
  if (!armed)
    return 0;
  if (strcmp(victim, "none") == 0)
    count(name);
  if (strcmp(victim, name) != 0)
    return 0;
  long n = ++shared->seen;
  return n >= first && n - first < length ? error : 0;
}

/* --- the calls ------------------------------------------------------------------- */

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

/* The C library's function of this name, looked up once. */
#define REAL(ret, name, ...)                                        \
  static ret (*real)(__VA_ARGS__);                                  \
  if (real == NULL)                                                 \
    *(void **)&real = next(#name);                                  \
  int err = fails(#name)

#define PLAIN(ret, name, params, args, ...)                         \
  ret name params;                                                  \
  ret name params {                                                 \
    REAL(ret, name, __VA_ARGS__);                                   \
    if (err == LATE) {                                              \
      (void)real args;                                              \
      err = EINTR;                                                  \
    }                                                               \
    if (err == 0)                                                   \
      return real args;                                             \
    errno = err;                                                    \
    return -1;                                                      \
  }

PLAIN(int, socket, (int d, int t, int p), (d, t, p), int, int, int)
PLAIN(int, listen, (int fd, int n), (fd, n), int, int)
PLAIN(int, shutdown, (int fd, int how), (fd, how), int, int)
PLAIN(int, pipe2, (int fds[2], int flags), (fds, flags), int *, int)
PLAIN(int, socketpair, (int d, int t, int p, int fds[2]), (d, t, p, fds), int, int, int, int *)
PLAIN(int, dup2, (int fd, int at), (fd, at), int, int)
PLAIN(int, chdir, (const char *path), (path), const char *)
PLAIN(int, setgid, (gid_t id), (id), gid_t)
PLAIN(int, setuid, (uid_t id), (id), uid_t)
PLAIN(int, kill, (pid_t pid, int n), (pid, n), pid_t, int)
PLAIN(int, execve, (const char *path, char *const *argv, char *const *envp), (path, argv, envp),
      const char *, char *const *, char *const *)
PLAIN(pid_t, fork, (void), (), void)
PLAIN(pid_t, waitpid, (pid_t pid, int *status, int how), (pid, status, how), pid_t, int *, int)
PLAIN(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), int, void *, size_t)
PLAIN(int, pipe, (int fds[2]), (fds), int *)
PLAIN(int, eventfd, (unsigned n, int flags), (n, flags), unsigned, int)
PLAIN(int, timerfd_create, (int clock, int flags), (clock, flags), int, int)
PLAIN(int, epoll_create1, (int flags), (flags), int)
PLAIN(int, unlink, (const char *path), (path), const char *)
PLAIN(int, fchmod, (int fd, mode_t mode), (fd, mode), int, mode_t)
PLAIN(int, chmod, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
PLAIN(int, bind, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n), int,
      const struct sockaddr *, socklen_t)
PLAIN(int, connect, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n), int,
      const struct sockaddr *, socklen_t)
PLAIN(int, accept4, (int fd, struct sockaddr *sa, socklen_t *n, int flags), (fd, sa, n, flags),
      int, struct sockaddr *, socklen_t *, int)
PLAIN(int, getsockname, (int fd, struct sockaddr *sa, socklen_t *n), (fd, sa, n), int,
      struct sockaddr *, socklen_t *)
PLAIN(int, getpeername, (int fd, struct sockaddr *sa, socklen_t *n), (fd, sa, n), int,
      struct sockaddr *, socklen_t *)
PLAIN(int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n), int,
      int, int, const void *, socklen_t)
PLAIN(int, getsockopt, (int fd, int l, int o, void *v, socklen_t *n), (fd, l, o, v, n), int, int,
      int, void *, socklen_t *)
PLAIN(int, epoll_wait, (int ep, struct epoll_event *e, int n, int ms), (ep, e, n, ms), int,
      struct epoll_event *, int, int)

pid_t vfork(void) {
  int err = fails("vfork");
  if (err == 0)
    return fork();
  errno = err;
  return -1;
}

/* Those that the C library may have no name for. */
static const char *name_of(long number) {
  switch (number) {
    case SYS_pidfd_open: return "pidfd_open";
    case SYS_close_range: return "close_range";
    default: return "syscall";
  }
}

long syscall(long number, ...) {
  static long (*real)(long, long, long, long, long, long, long);
  long args[6];
  va_list list;
  if (real == NULL)
    *(void **)&real = next("syscall");
  va_start(list, number);
  for (int i = 0; i < 6; i++)
    args[i] = va_arg(list, long);
  va_end(list);
  int err = fails(name_of(number));
  if (err == 0)
    return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
  errno = err;
  return -1;
}

/* The system may refuse to watch another descriptor; a change of one that is watched asks
 * for nothing. */
int epoll_ctl(int ep, int op, int fd, struct epoll_event *e) {
  static int (*real)(int, int, int, struct epoll_event *);
  if (real == NULL)
    *(void **)&real = next("epoll_ctl");
  int err = op == EPOLL_CTL_ADD ? fails("epoll_ctl") : 0;
  if (err == 0)
    return real(ep, op, fd, e);
  errno = err;
  return -1;
}

/* A descriptor that cannot be closed is gone all the same, close(2). */
int close(int fd) {
  REAL(int, close, int);
  int result = real(fd);
  if (err == 0)
    return result;
  errno = err;
  return -1;
}

/* Without sendfile(2) a file is read. */
static int refused(const char *name) {
  return armed && strcmp(victim, "pread") == 0 && strcmp(name, "sendfile") == 0;
}

/* Calls that move bytes, and may move one; 'alias' is another name of the same call. */
#define MOVES(name, alias, params, args, size, ...)                 \
  ssize_t alias params;                                             \
  ssize_t alias params {                                            \
    static ssize_t (*real)(__VA_ARGS__);                            \
    if (real == NULL)                                               \
      *(void **)&real = next(#alias);                               \
    int err = fails(#name);                                         \
    if (refused(#name))                                             \
      err = EINVAL;                                                 \
    if (err == SHORT && size > 1)                                   \
      size = 1;                                                     \
    if (err <= 0)                                                   \
      return real args;                                             \
    errno = err;                                                    \
    return -1;                                                      \
  }

MOVES(recv, recv, (int fd, void *b, size_t n, int f), (fd, b, n, f), n, int, void *, size_t, int)
MOVES(recv, __recv_chk, (int fd, void *b, size_t n, size_t room, int f), (fd, b, n, room, f), n,
      int, void *, size_t, size_t, int)
MOVES(send, send, (int fd, const void *b, size_t n, int f), (fd, b, n, f), n, int, const void *,
      size_t, int)
MOVES(sendfile, sendfile, (int to, int fd, off_t *at, size_t n), (to, fd, at, n), n, int, int,
      off_t *, size_t)
MOVES(sendfile, sendfile64, (int to, int fd, off_t *at, size_t n), (to, fd, at, n), n, int, int,
      off_t *, size_t)
MOVES(pread, pread, (int fd, void *b, size_t n, off_t at), (fd, b, n, at), n, int, void *, size_t,
      off_t)
MOVES(pread, pread64, (int fd, void *b, size_t n, off_t at), (fd, b, n, at), n, int, void *,
      size_t, off_t)
MOVES(splice, splice,
      (int fd, loff_t *o, int to, loff_t *p, size_t n, unsigned f), (fd, o, to, p, n, f), n, int,
      loff_t *, int, loff_t *, size_t, unsigned)

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) {
  REAL(ssize_t, sendmsg, int, const struct msghdr *, int);
  struct msghdr one = *msg;
  struct iovec part = {one.msg_iov[0].iov_base, 1};
  if (err == SHORT && one.msg_iov[0].iov_len > 0) {
    one.msg_iov = &part;
    one.msg_iovlen = 1;
    return real(fd, &one, flags);
  }
  if (err <= 0)
    return real(fd, msg, flags);
  errno = err;
  return -1;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags) {
  REAL(ssize_t, recvmsg, int, struct msghdr *, int);
  size_t size = msg->msg_iov[0].iov_len;
  if (err == SHORT && size > 0)
    msg->msg_iov[0].iov_len = 1;
  ssize_t n = err <= 0 ? real(fd, msg, flags) : -1;
  msg->msg_iov[0].iov_len = size;
  if (err > 0)
    errno = err;
  return n;
}

/* What takes further arguments, each of which fits a long. */
#define VARIADIC(name, alias, type, ...)                            \
  int alias(type a, int b, ...) {                                   \
    static int (*real)(type, int, long);                            \
    va_list list;                                                   \
    if (real == NULL)                                               \
      *(void **)&real = next(#alias);                               \
    va_start(list, b);                                              \
    long c = va_arg(list, long);                                    \
    va_end(list);                                                   \
    int err = fails(#name);                                         \
    if (err == 0)                                                   \
      return real(a, b, c);                                         \
    errno = err;                                                    \
    return -1;                                                      \
  }

VARIADIC(open, open, const char *)
VARIADIC(open, open64, const char *)
VARIADIC(fcntl, fcntl, int)
VARIADIC(fcntl, fcntl64, int)

/* What a fortified open without a mode is. */
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags) { return open64(path, flags, 0L); }

#define STATS(alias)                                                \
  int alias(int fd, struct stat *st) {                              \
    static int (*real)(int, struct stat *);                         \
    if (real == NULL)                                               \
      *(void **)&real = next(#alias);                               \
    int err = fails("fstat");                                       \
    if (err == 0)                                                   \
      return real(fd, st);                                          \
    errno = err;                                                    \
    return -1;                                                      \
  }

STATS(fstat)
int fstat64(int fd, struct stat64 *st) { return fstat(fd, (struct stat *)st); }

int lstat(const char *path, struct stat *st) {
  REAL(int, lstat, const char *, struct stat *);
  if (err == 0)
    return real(path, st);
  errno = err;
  return -1;
}
int lstat64(const char *path, struct stat64 *st) { return lstat(path, (struct stat *)st); }

int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
  REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  return err ? err : real(id, attr, fn, arg);
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **answer) {
  REAL(int, getaddrinfo, const char *, const char *, const struct addrinfo *, struct addrinfo **);
  errno = ENOMEM;  /* for EAI_SYSTEM */
  return err ? -err : real(host, port, hints, answer);
}

/* --- memory ------------------------------------------------------------------------ */

/* What grows always moves. */
static void *allocate(void *ud, void *old, size_t had, size_t size) {
  size_t before = old ? had : 0;
  (void)ud;
  if (size > before && fails("memory"))
    return NULL;
  void *new = size ? malloc(size) : NULL;
  if (size && new == NULL)
    return NULL;
  if (old && size)
    memcpy(new, old, before < size ? before : size);
  free(old);
  return new;
}

#ifdef WITH_OPENSSL

static void *ssl_malloc(size_t size, const char *file, int line) {
  (void)file, (void)line;
  return fails("openssl") ? NULL : malloc(size);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return fails("openssl") ? NULL : realloc(old, size);
}

static void ssl_free(void *old, const char *file, int line) {
  (void)file, (void)line;
  free(old);
}

static int hold_openssl(void) {
  return CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free);
}

/* An error that is left in its queue would be told to the next connection. */
static void check_openssl(void) {
  if (ERR_peek_error())
    printf("%ld: left in OpenSSL's queue: %s\n", first, ERR_error_string(ERR_get_error(), NULL));
  ERR_clear_error();
}

#else

static int hold_openssl(void) { return 1; }
static void check_openssl(void) {}

#endif

/* How far it is to the next n. */
static long step(void) {
  int skips = strcmp(victim, "openssl") == 0 && getenv("EVERY") == NULL;
  return skips ? 1 + first / EACH : 1;
}

/* --- for the script ------------------------------------------------------------------ */

/* libev's poller, which can be read when it has something to tell; -1: none. */
static int poller(void) {
  char path[32], target[32];
  for (int fd = 3; fd < 32; fd++) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    if (strcmp(target, "anon_inode:[eventpoll]") == 0)
      return fd;
  }
  return -1;
}

/* Until the loop has something to do, or for a moment: what it waits for may never
 * come. */
static void await(void) {
  struct timeval moment = {0, 500};
  int fd = poller();
  fd_set set;
  FD_ZERO(&set);
  if (fd >= 0)
    FD_SET(fd, &set);
  (void)select(fd + 1, &set, NULL, NULL, &moment);
}

enum { PLAY_FN = 1, PLAY_RUN, PLAY_NOTE, PLAY_MODE };

/* Calls what is under its 'nargs' arguments; an error is noted, unharmed. Leaves the
 * result, true for an error. */
static void call(lua_State *L, int nargs) {
  int was = armed;
  if (lua_pcall(L, nargs, 1, 0) == LUA_OK)
    return;
  armed = 0;
  lua_pushvalue(L, PLAY_NOTE);
  lua_insert(L, -2);
  lua_call(L, 1, 0);
  armed = was;
  lua_pushboolean(L, 1);
}

/* play(fn, run, note, turns) -> boolean: fn() and then run("nowait") as long as it returns
 * true, at most so many times; called from here, as without memory Lua code might not even
 * get that far. note(err) hears of errors. Returns whether something still holds the loop. */
static int lua_play(lua_State *L) {
  int alive = 1, turns = (int)luaL_checkinteger(L, 4);
  lua_settop(L, PLAY_NOTE);
  lua_pushliteral(L, "nowait");
  for (int i = 0; i < 20 && !grown; i++)
    lua_gc(L, LUA_GCCOLLECT);
  armed = 1;
  lua_pushvalue(L, PLAY_FN);
  call(L, 0);
  lua_pop(L, 1);
  for (int i = 0; i < turns && alive; i++) {
    lua_pushvalue(L, PLAY_RUN);
    lua_pushvalue(L, PLAY_MODE);
    call(L, 1);
    alive = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (alive)
      await();
  }
  armed = 0;
  lua_pushboolean(L, alive);
  return 1;
}

/* mend(): nothing fails any more */
static int lua_mend(lua_State *L) {
  (void)L;
  length = 0;
  return 0;
}

/* Descriptors that are given to a program by their numbers, 3 and 4, are the same in each
 * run: nothing else may be there meanwhile. */
enum { GIVEN = 3, GIVEN_END = 5 };

static void hold_given(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC, 0L);
  for (int fd = GIVEN; fd < GIVEN_END; fd++)
    if (fd != null)
      (void)dup3(null, fd, O_CLOEXEC);
  if (null >= GIVEN_END)
    close(null);
}

static void set_number(const char *name, long n) {
  char text[32];
  snprintf(text, sizeof text, "%ld", n);
  setenv(name, text, 1);
}

/* activate() -> fd: what is loaded next is started as by socket activation, with a server,
 * "web", and a connection, "peer", whose other end is returned. */
static int lua_activate(lua_State *L) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];
  if (bind(server, (struct sockaddr *)&in, sizeof in) < 0 || listen(server, 8) < 0 ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || dup2(server, GIVEN) < 0 ||
      dup2(ends[0], GIVEN + 1) < 0)
    return luaL_error(L, "activate: %s", strerror(errno));
  close(server);
  close(ends[0]);
  set_number("LISTEN_PID", getpid());
  set_number("LISTEN_FDS", GIVEN_END - GIVEN);
  setenv("LISTEN_FDNAMES", "web:peer", 1);
  lua_pushinteger(L, ends[1]);
  return 1;
}

/* --- the program ------------------------------------------------------------------------ */

static int descriptors(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir && readdir(dir))
    n++;
  if (dir)
    closedir(dir);
  return n;
}

static int panic(lua_State *L) {
  printf("%ld: panic: %s\n", first, lua_tostring(L, -1));
  exit(2);
}

/* Whether a call has failed. */
static int run(const char *script) {
  lua_State *L = lua_newstate(allocate, NULL);
  (void)alarm(PATIENCE);
  shared->seen = 0;
  lua_atpanic(L, panic);
  luaL_openlibs(L);
  lua_register(L, "play", lua_play);
  lua_register(L, "mend", lua_mend);
  lua_register(L, "activate", lua_activate);
  lua_pushboolean(L, grown);
  lua_setglobal(L, "grown");
  length = wanted;
  lua_pushboolean(L, length == LONG_MAX);
  lua_setglobal(L, "lasting");
  lua_pushstring(L, victim);
  lua_setglobal(L, "victim");
  lua_pushinteger(L, error);
  lua_setglobal(L, "failure");
  int failed = luaL_dofile(L, script);
  armed = 0;
  if (failed || !lua_isnil(L, -1))
    printf("%ld: %s\n", first, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  check_openssl();
  hold_given();
  return shared->seen >= first;
}

int main(int argc, char **argv) {
  int before = 0, failed = 1;
  long cases = 0;
  if (argc < 6 || !hold_openssl())
    return 1;
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return 1;
  victim = argv[2];
  error = atoi(argv[3]);
  wanted = atol(argv[4]) ? atol(argv[4]) : LONG_MAX;
  grown = argc > 6;
  hold_given();
  if (atol(argv[5])) {
    first = atol(argv[5]);
    armed = 1;
    failed = run(argv[1]);
    printf(failed ? "" : "end %ld\n", first - 1);
    return 0;
  }
  long some = wanted;
  if (strcmp(victim, "openssl") == 0)
    wanted = 0; /* what it makes once for all, and would lack for good */
  (void)run(argv[1]);  /* what is opened once for all: the poller, a resolver's thread */
  wanted = some;
  for (first = 1; failed; first += step(), cases++) {
    failed = run(argv[1]);
    int now = descriptors();
    if (first > 1 && now != before)
      printf("%ld: %d descriptors, not %d\n", first, now, before);
    before = now;
  }
  for (int i = 0; shared->counts[i].name; i++)
    printf("%s %ld\n", shared->counts[i].name, shared->counts[i].times);
  printf("end %ld\n", cases - 1);
  return 0;
}
