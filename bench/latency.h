/* SPDX-License-Identifier: MIT
 *
 * latency.h - a histogram of times, of which percentiles are read.
 *
 * Each bucket is 1/32 of an octave, so that a percentile is exact to about 3 %
 * whatever its size, and noting one costs a few instructions. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>
#include <string.h>

#define BUCKETS 2048

static uint64_t histogram[BUCKETS];

static void forget_latencies(void) { memset(histogram, 0, sizeof histogram); }

/* In ns. */
static void note_latency(uint64_t ns) {
  int octave = 63 - __builtin_clzll(ns | 32);
  histogram[octave * 32 + (int)((ns >> (octave - 5)) & 31)]++;
}

/* In us; 0 when none were noted. */
static double percentile(double p) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < BUCKETS; i++)
    total += histogram[i];
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram[i];
    if (total && (double)seen >= p * (double)total)
      return (double)((uint64_t)(32 + i % 32) << (i / 32 - 5)) / 1000.0;
  }
  return 0;
}

#endif
