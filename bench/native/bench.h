#pragma once
// Shared by the native benchmarks: timing and the ceilings that results stand beside.

#include <algorithm>
#include <string>
#include <vector>

#include "../../addon/backend.h"

// Seconds on the clock that results are measured with: the wall's, or, with BENCH_CPU_TIME set, the
// processor time of this process, for a machine that is busy otherwise (use it with THREADS=1).
double clock_seconds();

// Shortest of several runs, in seconds: what the code can do when nothing disturbs it.
template <class Run>
double best_seconds(Run&& run, double budget_seconds = 0.4) {
  const double start = clock_seconds();
  double best = 1e30;
  run();
  for (int i = 0; i < 3 || clock_seconds() - start < budget_seconds; ++i) {
    const double before = clock_seconds();
    run();
    best = std::min(best, clock_seconds() - before);
  }
  return best;
}

// The middle one; the upper middle one of an even number. Not empty.
inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + i64(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Ceilings {
  double gigabytes_per_second;  // read from memory, all threads
  double f32_gflops;            // independent fused multiply-adds, all threads
  double bf16_gflops;           // vdpbf16ps where there is one, else as f32
  double int8_gops;             // vpdpbusd where there is one, else vpmaddubsw and vpmaddwd
};

// What `isa` could reach on this machine with `threads` threads, measured now, each of the four for
// `budget_seconds`.
Ceilings measure_ceilings(const std::string& isa, int threads, double budget_seconds = 0.4);
double read_gigabytes_per_second(const std::string& isa, int threads, double budget_seconds);

void bench_matmul(Backend& backend, const Ceilings& ceilings);
void bench_attention(Backend& backend, const Ceilings& ceilings);
// Attention alone over contiguous and paged K and V, in rounds by turns; prints a line of JSON each.
void bench_paging(Backend& backend, int num_rounds, bool is_quick);
