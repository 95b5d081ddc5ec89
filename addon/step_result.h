#pragma once
// Where the arrays of a step's result lie in its bytes. Mirrors layoutResult in
// lib/device/step-result.ts.

#include "../cuda/params.h"

struct ResultShape {
  i32 num_rows = 0;  // logit rows
  bool has_digests = false;
  i64 num_values = 0;  // f32 elements of logits or hidden states
};

struct ResultLayout {
  explicit ResultLayout(const ResultShape& shape) {
    const size_t rows = static_cast<size_t>(shape.num_rows);
    digests = kNumCounters * sizeof(double);
    samples = digests + (shape.has_digests ? rows * sizeof(u64) : 0);
    logprobs = samples + rows * sizeof(i32);
    top_ids = logprobs + rows * sizeof(f32);
    top_logprobs = top_ids + rows * kMaxTopLogprobs * sizeof(i32);
    values = top_logprobs + rows * kMaxTopLogprobs * sizeof(f32);
    non_finite = values + static_cast<size_t>(shape.num_values) * sizeof(f32);
    bytes = non_finite + rows;
  }

  static constexpr size_t kNumCounters = 8;
  size_t digests, samples, logprobs, top_ids, top_logprobs, values, non_finite, bytes;
};
