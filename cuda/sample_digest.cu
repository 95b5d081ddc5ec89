// Digests of rows of logits, for callers that compare them bit by bit.

#include <device.cuh>

#include "sample_params.h"

namespace sample_digests {

constexpr i32 kDigestLanes = 16;
constexpr i32 kWordsInFlight = 8;

DEVICE u32 mixed(u32 hash, u32 word, u32 multiplier, u32 rotation) {
  return (((hash << rotation) | (hash >> (32 - rotation))) ^ word) * multiplier;
}

// The 64-bit digest of each row's bits; the formula is in addon/cpu/logits_kernel.cpp.
//
// Shapes   logits [num_rows, vocab_size]; digests [num_rows]
// Grid     one warp per row: lanes 0 … 15 are the chains of the high half, 16 … 31 of the low
// Moves    4 * vocab_size bytes per row; each chain is sequential, which is what takes the time
// Order    given by the formula
DEVICE void digest(const SampleKernelParams& params) {
  const SampleParams& op = params.op;
  const i32 count = op.vocab_size;
  const u32* const words =
      reinterpret_cast<const u32*>(op.logits + i64(blockIdx.x) * op.vocab_size);
  const bool is_low = threadIdx.x >= kDigestLanes;
  const u32 multiplier = is_low ? 0x85ebca77u : 0x9e3779b1u;
  const u32 rotation = is_low ? 17 : 13;
  const i32 chain = i32(threadIdx.x) % kDigestLanes;

  u32 hash = u32(chain) + 1;
  for (i32 base = chain; base < count; base += kDigestLanes * kWordsInFlight) {
    u32 ahead[kWordsInFlight];
#pragma unroll
    for (i32 i = 0; i < kWordsInFlight; i++) {
      const i32 at = base + i * kDigestLanes;
      ahead[i] = at < count ? words[at] : 0;
    }
#pragma unroll
    for (i32 i = 0; i < kWordsInFlight; i++) {
      if (base + i * kDigestLanes < count) hash = mixed(hash, ahead[i], multiplier, rotation);
    }
  }

  u32 half = u32(count);
  const u32 first_lane = is_low ? kDigestLanes : 0;
#pragma unroll
  for (u32 lane = 0; lane < kDigestLanes; lane++) {
    half = mixed(half, shuffle(0xffffffffu, hash, first_lane + lane), multiplier, rotation);
  }
  half = (half ^ (half >> 15)) * multiplier;
  half = half ^ (half >> 16);
  const u32 low = shuffle(0xffffffffu, half, kDigestLanes);
  if (threadIdx.x == 0) op.digests[blockIdx.x] = (u64(half) << 32) | low;
}

}  // namespace sample_digests

CU_KERNEL(sample_digest, sample_digests::digest, SampleKernelParams, kDigestThreads, 8)
