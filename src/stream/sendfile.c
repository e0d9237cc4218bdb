/* SPDX-License-Identifier: MIT
 *
 * sendfile.c - a part of a file as a piece of a write queue.
 *
 * How many bytes there are is settled when the piece is made, as they count in
 * writableLength and bytesWritten like those of a string. A file that grows later
 * does not matter; one that shrinks breaks the promise that was made to the peer, and
 * with it the stream.
 *
 * A disk that is slow blocks the loop, as it does under sendfile(2) in any server;
 * threads, which would not, were refused: what is in the page cache, the usual case,
 * would pay for them. */
#include "stream/sendfile.h"

#include "stream/piece.h"
#include "loop/loop.h"
#include "stream/transport.h"

#define SLICE (1 << 20) /* bytes; what one file sends before others have a turn */

struct file_piece {
  struct net_piece piece;
  int fd;          /* owned; -1: none */
  uint64_t offset; /* bytes; where the piece begins in the file */
};

/* The way around sendfile(2): through the loop's buffer. */
static ssize_t copy_some(const struct file_piece *f, struct net_handle *to, char *rbuf,
                         uint64_t from, size_t size) {
  ssize_t got = net_sys_pread(f->fd, rbuf, size < NET_READ_SIZE ? size : NET_READ_SIZE, from);
  if (got <= 0)
    return got;
  return to->via->send(to, rbuf, (size_t)got);
}

static int file_send(struct net_piece *p, struct net_handle *to, struct net_loop *loop, size_t off,
                     size_t *n) {
  struct file_piece *f = (struct file_piece *)p;
  size_t left = p->len - off, size = left < SLICE ? left : SLICE;
  ssize_t put = -ENOTSUP;
  if (to->via->can & NET_CAN_SENDFILE)
    put = net_sys_sendfile(net_transport_fd(to), f->fd, f->offset + off, size);
  if (put == -ENOTSUP)
    put = copy_some(f, to, loop->rbuf, f->offset + off, size);
  if (put <= 0)
    return put < 0 ? (int)put : NET_SHORT_FILE;
  *n = (size_t)put;
  return *n < left ? -EAGAIN : 0;
}

static void file_close(struct net_piece *p, struct net_loop *loop) {
  struct file_piece *f = (struct file_piece *)p;
  (void)loop;
  net_sys_close(f->fd);
  f->fd = -1;
}

static const struct net_piece_class file_piece_class = { file_send, file_close };

/* Has the piece own the file that 'file' names. */
static int file_open(lua_State *L, struct file_piece *f, int file, const char **syscall) {
  if (lua_type(L, file) == LUA_TSTRING) {
    *syscall = "open";
    return net_sys_open(lua_tostring(L, file), &f->fd);
  }
  *syscall = "dup";
  return net_sys_dup((int)lua_tointeger(L, file), &f->fd);
}

/* Settles how many bytes it is about. A descriptor of the user's may be open for
 * writing only, which a read of nothing tells. */
static int file_measure(lua_State *L, struct file_piece *f, int file) {
  uint64_t size;
  int err = net_sys_file_size(f->fd, &size);
  if (err == 0 && lua_type(L, file) == LUA_TNUMBER)
    err = (int)net_sys_pread(f->fd, &size, 0, 0);
  if (err < 0)
    return err;
  f->offset = (uint64_t)lua_tointeger(L, file + 1);
  uint64_t left = f->offset < size ? size - f->offset : 0;
  f->piece.len = (size_t)(lua_isnil(L, file + 2) ? left : (uint64_t)lua_tointeger(L, file + 2));
  return f->piece.len > left ? NET_SHORT_FILE : 0;
}

int net_sendfile_push(lua_State *L, int file, const char **syscall) {
  struct file_piece *f = net_piece_new(L, &file_piece_class, sizeof *f);
  f->fd = -1;
  int err = file_open(L, f, file, syscall);
  if (err == 0) {
    *syscall = "sendfile";
    err = file_measure(L, f, file);
  }
  if (err == 0 && f->piece.len > 0)
    return 0;
  net_piece_close(&f->piece, NULL);
  lua_pop(L, 1);
  if (err == 0)
    lua_pushliteral(L, "");
  return err;
}
