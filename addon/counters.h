#pragma once
// Totals of one device. Written on the engine thread while it executes, read from any thread.

#include <atomic>

#include "../cuda/params.h"

// What one step adds to the totals.
struct StepCounts {
  i32 tokens_computed = 0;
  i32 kv_slots_written = 0;
  i32 blocks_copied = 0;
  i32 logit_rows = 0;
  i32 tokens_sampled = 0;
  double run_ms = 0;
};

// Mirrors the list in lib/device/counters.ts, in order; its last two come from Memory.
struct Counters {
  std::atomic<u64> steps_run{0};
  std::atomic<u64> tokens_computed{0};
  std::atomic<u64> kv_slots_written{0};
  std::atomic<u64> blocks_copied{0};
  std::atomic<u64> logit_rows{0};
  std::atomic<u64> tokens_sampled{0};

  void add(const StepCounts& counts) {
    steps_run++;
    tokens_computed += static_cast<u64>(counts.tokens_computed);
    kv_slots_written += static_cast<u64>(counts.kv_slots_written);
    blocks_copied += static_cast<u64>(counts.blocks_copied);
    logit_rows += static_cast<u64>(counts.logit_rows);
    tokens_sampled += static_cast<u64>(counts.tokens_sampled);
  }
};
