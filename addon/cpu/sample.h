#pragma once
// Drawing tokens from logits. Rows are independent and each is done by one thread.

#include <vector>

#include "kernels.h"

namespace cpu {

// What one thread needs to sample a row; grows to the vocabulary once.
struct SampleScratch {
  std::vector<f32> masked;         // the row with a token mask applied; empty until there is one
  std::vector<f32> logits;         // after bias and penalties, then (logit - max) / temperature
  std::vector<f32> weights;        // exp of them
  std::vector<double> chunk_sums;  // sums of kLogitsChunk weights
  std::vector<i32> candidates;

  void reserve(i32 vocab_size);
};

// Draws row `row`, in this order: mask, bias, penalties, temperature, top-k and min-p, top-p, draw.
// Top-p is over what top-k and min-p left. Logprobs are of the masked logits, before bias and
// penalties. A row without any finite value counts as non-finite too.
void sample_row(const Kernels& kernels, const SampleParams& params, i32 row,
                SampleScratch* scratch);

}  // namespace cpu
