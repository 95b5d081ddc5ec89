#pragma once
// Where one tile of 64 positions of one kv head lies in the paged cache. Keys and values are read
// in place; only keys whose layout does not suit the product's strides are copied first.

#include "dot.h"
#include "kv_tile.h"

namespace cpu::PA_ISA {

constexpr i32 kPieceLen = kMinBlockSize;  // positions that always share a block
constexpr i32 kTileVectors = kTilePositions / kLanes;
constexpr i32 kTilePieces = kTilePositions / kPieceLen;
// Beyond this block size the steps of K are so far apart that few rows of L1 hold them.
constexpr i32 kMaxStrideLen = 64;

// One kv head of one sequence.
struct HeadPlace {
  const KvCacheView& cache;
  const i32* table;  // the sequence's block ids
  i32 layer;
  i32 head;

  // Block sizes are powers of two, and a division per piece of a tile would show.
  i32 block_of(i32 position) const { return position >> __builtin_ctz(u32(cache.block_size)); }
  i32 offset_of(i32 position) const { return position & (cache.block_size - 1); }
  const u8* key_at(i32 position) const {
    const i32 block = table[block_of(position)];
    return key_tile(cache, block, layer, head) + key_offset(cache, offset_of(position), 0);
  }
  const u8* value_at(i32 position) const {
    const i32 block = table[block_of(position)];
    return value_tile(cache, block, layer, head) + value_offset(cache, offset_of(position), 0);
  }
  // Steps of K: pairs of head dims for 2-byte types.
  i32 key_steps() const { return cache.dtype == kF32 ? cache.head_dim : cache.head_dim / 2; }
};

// A tile of which positions [begin, end), counted from its first, are seen by some row; no table
// entry without such a position is read.
struct TileView {
  i32 begin, end;
  const u8* keys;  // first step of vector first_vector
  i64 key_step;    // bytes
  i64 key_offsets[kTileVectors];
  i32 first_vector, end_vector;
  const u8* values[kTilePieces];  // each piece's first step; null where nothing is seen
};

// Copies the seen pieces of K to [step][64 positions].
PA_INLINE void stage_keys(const HeadPlace& place, i32 tile, const TileView& view, u8* staged) {
  const i64 stride = i64(place.cache.block_size) * 4;
  for (i32 piece = view.begin / kPieceLen; piece * kPieceLen < view.end; ++piece) {
    const u8* from = place.key_at(tile + piece * kPieceLen);
    u8* to = staged + piece * kPieceLen * 4;
    for (i32 step = 0; step < place.key_steps(); ++step) {
      memcpy(to + step * kTilePositions * 4, from + step * stride, kPieceLen * 4);
    }
  }
}

// @param num_rows row heads that will read the tile
// @param staged   scratch for K, [step][64 positions]
PA_INLINE TileView view_tile(const HeadPlace& place, i32 tile, i32 begin, i32 end, i32 num_rows,
                             u8* staged) {
  TileView view = {};
  view.begin = begin;
  view.end = end;
  for (i32 piece = begin / kPieceLen; piece * kPieceLen < end; ++piece) {
    view.values[piece] = place.value_at(tile + piece * kPieceLen);
  }
  view.first_vector = begin / kLanes;
  view.end_vector = (end + kLanes - 1) / kLanes;
  const i32 block_size = place.cache.block_size;
  if (block_size < kLanes || (block_size > kMaxStrideLen && num_rows > kMaxRows)) {
    stage_keys(place, tile, view, staged);
    view.keys = staged + view.first_vector * 64;
    view.key_step = kTilePositions * 4;
    for (i32 v = view.first_vector; v < view.end_vector; ++v) {
      view.key_offsets[v] = i64(v - view.first_vector) * 64;
    }
    return view;
  }
  view.keys = place.key_at(tile + view.first_vector * kLanes);
  view.key_step = i64(block_size) * 4;
  for (i32 v = view.first_vector; v < view.end_vector; ++v) {
    const u8* at = place.key_at(tile + v * kLanes);
    view.key_offsets[v] = i64(reinterpret_cast<u64>(at) - reinterpret_cast<u64>(view.keys));
  }
  return view;
}

// Puts the keys, then the values of the blocks with positions [begin, end) of a tile into `ahead`,
// so that they arrive while the tile before is worked on: blocks lie apart, which no hardware
// prefetcher foresees. No other table entry is read.
PA_INLINE void ask_for_tile(const HeadPlace& place, i32 tile, i32 begin, i32 end,
                            LinesAhead* ahead) {
  constexpr i32 kChunkBytes = LinesAhead::kChunkBytes;
  static_assert(LinesAhead::kMaxRuns >= 2 * kTilePieces, "keys and values of all pieces");
  static_assert(kHeadDimUnit * 2 * kPieceLen % kChunkBytes == 0, "a run has a chunk or more");
  const i32 block_size = place.cache.block_size;
  const i32 run_len = block_size < kTilePositions ? block_size : kTilePositions;
  const i32 num_chunks = place.key_steps() * 4 * run_len / kChunkBytes;
  const i64 key_stride = block_size > kTilePositions ? i64(block_size) * 4 : kChunkBytes;
  const i32 first_run = begin / run_len * run_len;
  ahead->clear();
  for (i32 first = first_run; first < end; first += run_len) {
    ahead->add(place.key_at(tile + first), num_chunks, key_stride);
  }
  for (i32 first = first_run; first < end; first += run_len) {
    ahead->add(place.value_at(tile + first), num_chunks, kChunkBytes);
  }
}

// Steps in a piece of V, which lies in one place.
template <class Steps>
constexpr i32 kPieceSteps = kPieceLen / Steps::kElemsPerStep;

// Where the step of V lies.
template <class Steps>
PA_INLINE const u8* value_step(const TileView& view, i32 head_dim, i32 step) {
  const i64 step_bytes = i64(head_dim) * 4;
  return view.values[step / kPieceSteps<Steps>] + step % kPieceSteps<Steps> * step_bytes;
}

// The steps [first, end) of V as segments, joined where blocks happen to be neighbours; gives how
// many.
template <class Steps>
PA_INLINE i32 value_segments(const TileView& view, i32 head_dim, i32 first, i32 end,
                             Segment* segments) {
  const i64 step_bytes = i64(head_dim) * 4;
  i32 count = 0;
  const u8* expected = nullptr;
  for (i32 step = first; step < end;) {
    const i32 left = end - step;
    const i32 left_in_piece = kPieceSteps<Steps> - step % kPieceSteps<Steps>;
    const i32 steps = left < left_in_piece ? left : left_in_piece;
    const u8* at = value_step<Steps>(view, head_dim, step);
    if (count > 0 && at == expected) {
      segments[count - 1].num_steps += steps;
    } else {
      segments[count++] = {at, steps};
    }
    expected = at + steps * step_bytes;
    step += steps;
  }
  return count;
}

}  // namespace cpu::PA_ISA
