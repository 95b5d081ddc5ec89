#pragma once
// Parameters of the kernels that measure a GPU's ceilings and fill memory for benchmarks.

#include "params.h"

// sums[cta] = xor of the words that the CTA read. Reads num_vecs pieces of 16 bytes.
struct ReadBytesParams {
  const void* data;  // 16-byte aligned
  u32* sums;         // [grid]
  i64 num_vecs;
};

struct CopyBytesParams {
  void* destination;
  const void* source;
  i64 num_vecs;
};

// data[i] = uniform in [-scale, scale], drawn from (seed, i) and rounded to the dtype.
struct FillRandomParams {
  void* data;
  i64 count;
  u64 seed;
  f32 scale;
};
