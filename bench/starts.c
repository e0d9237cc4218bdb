/* SPDX-License-Identifier: MIT
 *
 * starts.c - how long a server takes from its start until it listens.
 *
 *     starts TIMES COMMAND [ARGUMENT...]
 *
 * Starts the command, waits for the first byte it prints (the servers of the bench
 * print their port once they listen), and ends it; prints the median in ms. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* In ms; -1 if it printed nothing. */
static double start_once(char **command) {
  int out[2];
  char byte;
  if (pipe(out) < 0)
    return -1;
  double before = now_ms();
  pid_t pid = vfork();
  if (pid == 0) {
    dup2(out[1], 1);
    close(out[0]);
    execvp(*command, command);
    _exit(127);
  }
  close(out[1]);
  double took = read(out[0], &byte, 1) == 1 ? now_ms() - before : -1;
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  close(out[0]);
  return took;
}

static int compare(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(int argc, char **argv) {
  int times = argc > 2 ? atoi(argv[1]) : 0;
  double *took = calloc((size_t)(times > 0 ? times : 1), sizeof *took);
  if (times < 1)
    return fprintf(stderr, "usage: starts TIMES COMMAND [ARGUMENT...]\n"), 2;
  for (int i = 0; i < times; i++)
    if ((took[i] = start_once(argv + 2)) < 0)
      return fprintf(stderr, "starts: %s did not start\n", argv[2]), 1;
  qsort(took, (size_t)times, sizeof *took, compare);
  printf("%.4f\n", took[times / 2]);
  return 0;
}
