#pragma once
// One CTA moves one piece of a block: what copies inside the cache and transfers to the host share.

#include <device.cuh>

#include "kv_params.h"

namespace block_copies {

// Copies the first kCopyPieceBytes of `num_bytes`, a multiple of 16; both addresses are aligned
// to 16 bytes.
DEVICE void copy_piece(u8* to, const u8* from, i64 num_bytes) {
  Vec16 vecs[kCopyVecsInFlight];
#pragma unroll
  for (i32 i = 0; i < kCopyVecsInFlight; i++) {
    const i32 at = (i * kCopyThreads + i32(threadIdx.x)) * 16;
    if (at < num_bytes) vecs[i] = ld16_stream(from + at);
  }
#pragma unroll
  for (i32 i = 0; i < kCopyVecsInFlight; i++) {
    const i32 at = (i * kCopyThreads + i32(threadIdx.x)) * 16;
    if (at < num_bytes) st16(to + at, vecs[i]);
  }
}

// Pieces that `num_bytes` are cut into.
DEVICE i64 num_pieces(i64 num_bytes) { return (num_bytes + kCopyPieceBytes - 1) / kCopyPieceBytes; }

}  // namespace block_copies
