#pragma once
// One CTA moves one piece of a block: what copies inside the cache and transfers to the host share.

#include <device.cuh>

namespace block_copies {

constexpr i32 kThreads = 256;
constexpr i32 kVecsInFlight = 4;  // 64 bytes per thread on their way before the first is stored
constexpr i32 kPieceBytes = kThreads * kVecsInFlight * 16;  // 16 KiB

// Copies the first kPieceBytes of `num_bytes`, a multiple of 16; both addresses 16-byte aligned.
DEVICE void copy_piece(u8* to, const u8* from, i64 num_bytes) {
  Vec16 vecs[kVecsInFlight];
#pragma unroll
  for (i32 i = 0; i < kVecsInFlight; i++) {
    const i32 at = (i * kThreads + i32(threadIdx.x)) * 16;
    if (at < num_bytes) vecs[i] = ld16_stream(from + at);
  }
#pragma unroll
  for (i32 i = 0; i < kVecsInFlight; i++) {
    const i32 at = (i * kThreads + i32(threadIdx.x)) * 16;
    if (at < num_bytes) st16(to + at, vecs[i]);
  }
}

// Pieces that `num_bytes` are cut into.
DEVICE i64 num_pieces(i64 num_bytes) { return (num_bytes + kPieceBytes - 1) / kPieceBytes; }

}  // namespace block_copies
