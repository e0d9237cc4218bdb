/* SPDX-License-Identifier: MIT
 *
 * proc.h - what the kernel knows about the process that is measured.
 *
 * Read from /proc by load.c at the very edges of its window, so that what is
 * spent and what was done belong to the same time. CPU time is the scheduler's
 * own count (schedstat, ns) and not the ticks of /proc/PID/stat (10 ms). */
#ifndef BENCH_PROC_H
#define BENCH_PROC_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The first number in a file, or -1. 'key' is what the line begins with. */
static long long proc_number(const char *path, const char *key) {
  char line[256];
  long long n = -1;
  FILE *f = fopen(path, "r");
  while (f != NULL && n < 0 && fgets(line, sizeof line, f) != NULL)
    if (strncmp(line, key, strlen(key)) == 0)
      sscanf(line + strlen(key), "%lld", &n);
  if (f != NULL)
    fclose(f);
  return n;
}

/* User and system time of all its threads, ns; -1 if it is gone. */
static long long proc_cpu(int pid) {
  char path[512];
  long long sum = -1;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  for (struct dirent *e; tasks != NULL && (e = readdir(tasks)) != NULL;) {
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, e->d_name);
    long long ns = *e->d_name == '.' ? -1 : proc_number(path, "");
    if (ns >= 0)
      sum = (sum < 0 ? 0 : sum) + ns;
  }
  if (tasks != NULL)
    closedir(tasks);
  return sum;
}

/* Resident memory, KiB. The figures of statm lag behind; these are counted now. */
static long long proc_rss(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
  return proc_number(path, "Rss:");
}

/* How often it went to sleep. */
static long long proc_sleeps(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  return proc_number(path, "voluntary_ctxt_switches:");
}

/* Number of descriptors it has. Newer kernels (6.2) tell it as a size. */
static inline long proc_fds(int pid) {
  char path[64];
  struct stat st;
  long n = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  if (stat(path, &st) == 0 && st.st_size > 0)
    return (long)st.st_size;
  DIR *dir = opendir(path);
  for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
    n += *e->d_name != '.';
  if (dir != NULL)
    closedir(dir);
  return n;
}

#endif
