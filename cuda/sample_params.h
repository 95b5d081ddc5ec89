#pragma once
// Parameters of the sampling kernels, and what they and their launch agree on.

#include "params.h"

struct SampleKernelParams {
  SampleParams op;
  f32* adjusted;       // [num_rows, adjusted_pitch] scratch: rows after mask, bias, penalties
  i64 adjusted_pitch;  // elements, a multiple of 4
};

// A sum of masses (sample_select.cuh) of so many tokens fits 64 bits.
constexpr i32 kMaxSampleVocab = 1 << 19;

constexpr i32 kSampleThreads = 512;  // of the CTA that draws one row
constexpr i32 kDigestThreads = 32;
