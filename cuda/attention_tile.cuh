#pragma once
// Pieces of K and V in shared memory: their layout, how they are copied from the paged cache, and
// the products of tensor cores with them.
//
// A piece is rows of one position each, head_dim elements, in 16-byte chunks. Fragments are those
// of mma.m16n8k16 (ptx.cuh): a thread holds rows lane / 4 and lane / 4 + 8 of a warp's 16 packed
// rows.

#include <device.cuh>
#include <ptx.cuh>

#include "attention_params.h"

namespace attention_tile {

constexpr i32 kPieceRows = 16;  // positions that one warp copies at a time
constexpr i32 kBlockRows = 8;  // neighbouring positions that always share a block: the smallest one

template <i32 kHeadDim>
constexpr u32 kPieceBytes = u32(kPieceRows * attention_row_pitch(kHeadDim));

// Shared address of a row's chunk in the piece at `piece`, a multiple of 128. The chunks of a
// swizzled row change places by the row's number, so that 8 rows of a column of chunks lie in
// different banks.
template <i32 kHeadDim>
DEVICE u32 chunk_address(u32 piece, i32 row, i32 chunk) {
  constexpr bool kIsSwizzled = kHeadDim % 64 == 0;
  return piece + u32(row * attention_row_pitch(kHeadDim)) +
         u32((kIsSwizzled ? chunk ^ (row & 7) : chunk) * 16);
}
// The address `chunks` further in a row, which has no bit in common with the chunk of `address`. By
// a known number it costs one operation, so loops keep one address instead of one per chunk.
template <i32 kHeadDim>
DEVICE u32 advance(u32 address, i32 chunks) {
  constexpr bool kIsSwizzled = kHeadDim % 64 == 0;
  return kIsSwizzled ? (address ^ u32(chunks % 8 * 16)) + u32(chunks / 8 * 128)
                     : address + u32(chunks * 16);
}

// One kv head of one sequence in the cache, of which positions [low, high) are read.
struct HeadCache {
  const u8* keys;  // of block 0
  i64 value_stride;
  i64 block_stride;
  const i32* table;  // the sequence's block ids
  i32 num_blocks;
  i32 block_shift;
  i32 low;
  i32 high;
};

// Blocks of positions [p, p + 8) and [p + 8, p + 16); 0 from `high` on, so that no entry past the
// context's last block is looked at.
struct BlockPair {
  i32 first;
  i32 second;
};
DEVICE i32 block_of(const HeadCache& cache, i32 position) {
  if (position >= cache.high) return 0;
  const i32 block = cache.table[position >> cache.block_shift];
  CU_ASSERT(block >= 0 && block < cache.num_blocks);
  return block;
}
DEVICE BlockPair blocks_of(const HeadCache& cache, i32 position) {
  return {block_of(cache, position), block_of(cache, position + kBlockRows)};
}

// Starts copying K or V of 16 positions to `piece` with one warp; zeros where nothing is read, for
// what lies there may be NaN.
//
// Four lanes copy a row, 64 bytes at a time; the rows that eight lanes write to at once are four
// apart, which their swizzle puts into different banks.
template <i32 kHeadDim>
DEVICE void copy_piece(u32 piece, const HeadCache& cache, bool is_value, BlockPair blocks,
                       i32 position) {
  constexpr i32 kChunks = kHeadDim / 8;
  constexpr i32 kRowBytes = kHeadDim * 2;
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const i32 row = lane / 8 + lane / 4 % 2 * 4;
  const i32 chunk = lane % 4;
  const u32 to = chunk_address<kHeadDim>(piece, row, chunk);
  const u8* const base = cache.keys + (is_value ? cache.value_stride : 0) + chunk * 16;
#pragma unroll
  for (i32 half = 0; half < 2; half++) {
    const i32 first = position + half * kBlockRows;
    const i32 block = half == 0 ? blocks.first : blocks.second;
    const i32 offset = (first & ((1 << cache.block_shift) - 1)) + row;
    const u8* const from = base + i64(block) * cache.block_stride + offset * kRowBytes;
    const bool is_read = u32(first + row - cache.low) < u32(cache.high - cache.low);
#pragma unroll
    for (i32 c = 0; c < kChunks; c += 4) {
      if (c + 4 > kChunks && c + chunk >= kChunks) continue;
      ptx::cp_async16(
          advance<kHeadDim>(to, c) + u32(half * kBlockRows * attention_row_pitch(kHeadDim)),
          from + c * 16, is_read);
    }
  }
}

// q of a warp's 16 packed rows as fragments, in registers.
template <class T, i32 kHeadDim, bool kIsShared = attention_shares_query(kHeadDim)>
struct Query {
  u32 fragments[kHeadDim / 16][4];

  DEVICE void set(i32 step, const u32 (&fragment)[4]) {
#pragma unroll
    for (i32 i = 0; i < 4; i++) fragments[step][i] = fragment[i];
  }
  DEVICE void get(i32 step, u32 (&fragment)[4]) const {
#pragma unroll
    for (i32 i = 0; i < 4; i++) fragment[i] = fragments[step][i];
  }
};

// The same in shared memory, one Vec16 per lane and step: each lane reads what it wrote, so nothing
// is to be waited for.
template <class T, i32 kHeadDim>
struct Query<T, kHeadDim, true> {
  Vec16* fragments;  // this lane's, of step 0

  DEVICE void set(i32 step, const u32 (&fragment)[4]) {
    fragments[step * kWarpSize] = {{fragment[0], fragment[1], fragment[2], fragment[3]}};
  }
  DEVICE void get(i32 step, u32 (&fragment)[4]) const {
    const Vec16 vec = fragments[step * kWarpSize];
#pragma unroll
    for (i32 i = 0; i < 4; i++) fragment[i] = vec.words[i];
  }
};

// scores[2 * p], scores[2 * p + 1] = Q . K^T of positions [16 * p, 16 * p + 16) of a tile whose
// rows from `piece` on are K; head dims ascending.
template <class T, i32 kHeadDim, i32 kPieces>
DEVICE void score_pieces(f32 (*scores)[4], const Query<T, kHeadDim>& query, u32 piece) {
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const u32 keys = chunk_address<kHeadDim>(piece, lane % 8 + lane / 16 * 8, lane / 8 % 2);
#pragma unroll
  for (i32 n = 0; n < 2 * kPieces; n++) {
#pragma unroll
    for (i32 i = 0; i < 4; i++) scores[n][i] = 0.0f;
  }
#pragma unroll
  for (i32 step = 0; step < kHeadDim / 16; step++) {
    u32 q[4];
    query.get(step, q);
#pragma unroll
    for (i32 p = 0; p < kPieces; p++) {
      u32 k[4];
      ptx::ldmatrix_x4(k, advance<kHeadDim>(keys, 2 * step) + u32(p) * kPieceBytes<kHeadDim>);
      const u32 left[2] = {k[0], k[1]};
      const u32 right[2] = {k[2], k[3]};
      ptx::mma_m16n8k16<T>(scores[2 * p], q, left);
      ptx::mma_m16n8k16<T>(scores[2 * p + 1], q, right);
    }
  }
}

// out += P . V of kPieces * 16 positions whose rows of V start at `piece`; positions ascending.
// @param weights  P as fragments, [kPieces][4]
template <class T, i32 kHeadDim, i32 kPieces>
DEVICE void add_values(f32 (&out)[kHeadDim / 8][4], const u32 (*weights)[4], u32 piece) {
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const u32 values = chunk_address<kHeadDim>(piece, lane % 16, lane / 16);
#pragma unroll
  for (i32 p = 0; p < kPieces; p++) {
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n += 2) {
      u32 v[4];
      ptx::ldmatrix_x4_trans(v, advance<kHeadDim>(values, n) + u32(p) * kPieceBytes<kHeadDim>);
      const u32 left[2] = {v[0], v[1]};
      const u32 right[2] = {v[2], v[3]};
      ptx::mma_m16n8k16<T>(out[n], weights[p], left);
      ptx::mma_m16n8k16<T>(out[n + 1], weights[p], right);
    }
  }
}

}  // namespace attention_tile
