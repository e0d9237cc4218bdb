/* SPDX-License-Identifier: MIT
 *
 * load.c - the bench's load generator: drives a server and checks every byte.
 *
 *     load [OPTIONS] SCENARIO ADDRESS
 *
 * ADDRESS is a port on 127.0.0.1 or a Unix path. One epoll loop, all sockets
 * non-blocking. Scenarios:
 *
 *     echo     each connection keeps DEPTH messages of SIZE bytes in flight
 *     four     the same, but each message of 64 bytes is answered by 64 others
 *     sink     each connection sends without end; the server reads
 *     source   the server sends without end; each connection reads
 *     connect  CONNECTIONS at a time: connect, send one byte, get it back, close
 *     hold     CONNECTIONS are opened and held, and the server's memory is read
 *
 *     -c N  connections      -w S  seconds to warm up    -p PID  the server; further ones:
 *                                                              their CPU time counts, too
 *     -s N  bytes            -t S  seconds to measure    -i N    idle connections
 *     -d N  depth            -n N  messages on each connection, in place of -t
 *     -l S  seconds without a byte that are a failure (5)
 *
 * What is sent is a stream whose every byte is a function of its position, so
 * that a lost, doubled or swapped byte is seen wherever it happens. At the end
 * nothing new is sent, and what is in flight must come back: a server that kept
 * a byte is found then. Exit code 3: the server answered wrongly, 2: it, or we,
 * failed. Prints one line of JSON: units of work done, bytes, seconds, latency in
 * us, and the CPU time of both sides in ns, all of the same window. */
#include "client.h"
#include "pattern.h"

#define MAX_IO (256 * 1024)  /* bytes in one read or write */
#define PACE 128             /* connections that may wait to be accepted */

struct conn {
  int fd;                    /* -1: done with */
  uint32_t events;           /* watched for */
  uint64_t sent, got;        /* bytes */
  uint64_t *started;         /* ns, by message number modulo depth */
};

static int depth = 1; /* messages in flight */

static unsigned char stream[PERIOD + MAX_IO]; /* what is sent */
static unsigned char answer[PERIOD + MAX_IO]; /* what must come */
static unsigned char inbuf[MAX_IO];
static struct conn *conns;
static int *idle;            /* descriptors, o.idle of them */
static long others;          /* what the server had open before us */
static size_t answer_period = PERIOD;

/* --- connections -------------------------------------------------------------- */

static void watch(struct conn *c, uint32_t events, int op) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (op == EPOLL_CTL_MOD && c->events == events)
    return;
  c->events = events;
  if (epoll_ctl(ep, op, c->fd, &e) < 0)
    die("epoll_ctl");
}

static void start(struct conn *c) {
  c->fd = dial(SOCK_NONBLOCK);
  c->sent = c->got = 0;
  watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
  live++;
}

static void stop(struct conn *c) {
  close(c->fd);
  c->fd = -1;
  live--;
}

/* Opens a connection that stays idle. It waits for the server now and then, as
 * what overflows the backlog is only tried again after a second. */
static void start_idle(int turn) {
  idle[turn] = dial(0);
  uint64_t since = now_ns();
  while (server_pid && (turn % PACE == 0 || turn + 1 == o.idle) &&
         proc_fds(server_pid) < others + turn + 1) {
    usleep(200);
    if ((double)(now_ns() - since) > o.patience * 1e9)
      wrong("the server has accepted %ld of %d", proc_fds(server_pid) - others, turn + 1);
  }
}

/* Closes the idle ones, and waits until the server has closed all of ours, but a few:
 * it would be at it, on the core of all servers, while the next one is measured. */
static void leave(void) {
  long few = (o.idle + o.connections) / 100 + 4;
  uint64_t since = now_ns();
  for (int i = 0; i < o.idle; i++)
    close(idle[i]);
  while (server_pid && proc_fds(server_pid) > others + few && (double)(now_ns() - since) < o.patience * 1e9)
    usleep(1000);
}

/* Sends up to 'want' bytes of the stream; returns what the kernel took. */
static size_t put(struct conn *c, size_t want) {
  if (want > MAX_IO)
    want = MAX_IO;
  ssize_t n = send(c->fd, stream + c->sent % PERIOD, want, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN)
    die("send");
  if (n < 0)
    return 0;
  c->sent += (size_t)n;
  return (size_t)n;
}

/* Reads and checks; returns the number of bytes, 0 when dry. */
static size_t get(struct conn *c) {
  ssize_t n = recv(c->fd, inbuf, sizeof inbuf, 0);
  if (n < 0 && errno == EAGAIN)
    return 0;
  if (n < 0)
    die("recv");
  if (n == 0)
    wrong("the server closed a connection after %llu bytes", (unsigned long long)c->got);
  if (memcmp(inbuf, answer + c->got % answer_period, (size_t)n) != 0)
    wrong("a byte after the %lluth is wrong", (unsigned long long)c->got);
  c->got += (size_t)n;
  bytes += (uint64_t)n;
  return (size_t)n;
}

/* --- scenarios ---------------------------------------------------------------- */

/* How many bytes may have been sent by now: 'depth' messages in flight, whole
 * ones at the end. */
static uint64_t due(const struct conn *c) {
  uint64_t n = c->got / o.size + (uint64_t)depth;
  if (draining)
    n = (c->sent + o.size - 1) / o.size;
  if (o.quota && n > o.quota)
    n = o.quota;
  return n * o.size;
}

/* All that is due leaves in one call, as a pipelining client's would. */
static void echo_fill(struct conn *c, uint64_t t) {
  uint64_t limit = due(c);
  if (c->sent < limit) {
    for (uint64_t k = (c->sent + o.size - 1) / o.size; k * o.size < limit; k++)
      c->started[k % (uint64_t)depth] = t;
    while (c->sent < limit && put(c, (size_t)(limit - c->sent)) > 0) {}
  }
  watch(c, EPOLLIN | (c->sent < limit ? (uint32_t)EPOLLOUT : 0), EPOLL_CTL_MOD);
}

static void on_echo(struct conn *c, uint32_t events) {
  uint64_t before = c->got / o.size, t;
  size_t n = events & ~(uint32_t)EPOLLOUT ? get(c) : 0;
  if (c->got > c->sent)
    wrong("more came back than was sent");
  t = now_ns();
  for (uint64_t i = before; n && i < c->got / o.size; i++)
    note_latency(t - c->started[i % (uint64_t)depth]);
  done += c->got / o.size - before;
  echo_fill(c, t);
  if (c->got == c->sent && (draining || (o.quota && c->got == o.quota * o.size)))
    stop(c);
}

/* At the end the server closes when it has read all: a reset means it had not. */
static void on_sink(struct conn *c, uint32_t events) {
  if (events & ~(uint32_t)EPOLLOUT) {
    ssize_t n = recv(c->fd, inbuf, 1, 0);
    if (n != 0 || !draining)
      wrong(n > 0 ? "a byte came" : n < 0 ? "reset: not all was read" : "closed too early");
    stop(c);
  } else if (draining) {
    shutdown(c->fd, SHUT_WR);
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
  } else {
    size_t n = put(c, MAX_IO);
    bytes += n;
    done += n;
  }
}

static void on_source(struct conn *c) {
  watch(c, EPOLLIN, EPOLL_CTL_MOD);
  done += get(c);
  if (draining)
    stop(c);
}

static void on_connect(struct conn *c, uint32_t events) {
  if (c->sent == 0 && events == EPOLLOUT) {
    c->started[0] = now_ns();
    put(c, 1);
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
  } else if (get(c)) {
    note_latency(now_ns() - c->started[0]);
    done++;
    stop(c);
    if (!draining && (o.quota == 0 || done < o.quota))
      start(c);
  }
}

static void dispatch(void *conn, uint32_t events) {
  struct conn *c = conn;
  switch (*o.scenario) {
    case 'c': on_connect(c, events); break;
    case 's': o.scenario[1] == 'i' ? on_sink(c, events) : on_source(c); break;
    default: on_echo(c, events);
  }
}

/* --- the run ------------------------------------------------------------------ */

/* Has what is in flight come back. Connections that wait for nothing hear of the
 * end here, the others in their callbacks. */
static void drain(void) {
  for (int i = 0; i < o.connections; i++)
    if (conns[i].fd >= 0)
      switch (*o.scenario) {
        case 'c': break;
        case 's': watch(&conns[i], EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD); break;
        default: on_echo(&conns[i], EPOLLOUT);
      }
}

/* Starts all, and measures. */
static void run(void) {
  for (int i = 0; i < o.connections; i++)
    start(&conns[i]);
  measure();
}

static void hold(void) {
  long long before = settled_rss();
  others = server_pid ? proc_fds(server_pid) : 0; /* it may have been closing some */
  for (int i = 0; i < o.idle; i++)
    start_idle(i);
  printf("{\"done\":%d,\"before\":%lld,\"rss\":%lld}\n", o.idle, before, settled_rss());
  leave();
}

static int parse(int argc, char **argv) {
  for (int opt; (opt = getopt(argc, argv, "c:s:d:w:t:n:p:i:l:")) != -1;)
    if (opt == 'd')
      depth = atoi(optarg);
    else if (!take_option(opt))
      return 0;
  return depth >= 1 && take_words(argc, argv);
}

int main(int argc, char **argv) {
  if (!parse(argc, argv))
    return fprintf(stderr, "usage: load [-cN -sN -dN -wS -tS -nN -pPID -iN -lS] SCENARIO ADDRESS\n"), 2;
  allow_files();
  others = server_pid ? proc_fds(server_pid) : 0;
  idle = calloc((size_t)o.idle + 1, sizeof *idle);
  fill_pattern(stream, sizeof stream);
  fill_pattern(answer, sizeof answer);
  if (*o.scenario == 'f')
    fill_four(answer, sizeof answer), answer_period = 64;
  if (*o.scenario == 'h')
    return hold(), 0;
  ep = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < o.idle; i++)
    start_idle(i);
  conns = calloc((size_t)o.connections, sizeof *conns);
  for (int i = 0; i < o.connections; i++)
    conns[i].started = calloc((size_t)depth, sizeof(uint64_t));
  run();
  leave();
  return 0;
}
