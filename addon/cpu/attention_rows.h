#pragma once
// Which positions the rows of an attention task see, and where their scratch lies.

#include "kv_tile.h"

namespace cpu::PA_ISA {

// Rows of a task: row i stands at first_position + i and sees [low(i), position(i)].
struct TaskRows {
  i32 first_position;
  i32 num_rows;
  i32 window;  // -1: everything before it
  i32 group;   // row heads per row

  TaskRows(const PagedAttentionParams& params, const AttentionTask& task)
      : first_position(task.first_position),
        num_rows(task.num_rows),
        window(params.window),
        group(params.num_heads / params.cache.num_kv_heads) {}

  i32 position(i32 row) const { return first_position + row; }
  i32 low(i32 row) const {
    if (window < 0 || position(row) < window) return 0;
    return position(row) - window;
  }
  bool sees_split(i32 row, i32 split) const {
    return low(row) / kSplitPositions <= split && split <= position(row) / kSplitPositions;
  }
};

// The rows [begin, end) of a task that see a position of the tile starting at `tile`.
struct RowRange {
  i32 begin, end;
};
PA_INLINE RowRange rows_of_position_tile(const TaskRows& rows, i32 tile) {
  const i32 begin = tile > rows.first_position ? tile - rows.first_position : 0;
  i64 end = rows.num_rows;
  if (rows.window >= 0) {
    const i64 past = i64(tile) + kTilePositions + rows.window - rows.first_position;
    end = past < end ? past : end;
  }
  return {begin, i32(end)};
}

// The states from `row_head` on.
PA_INLINE SoftmaxState state_from(const SoftmaxState& state, i64 row_head, i32 head_dim) {
  return {state.max + row_head, state.sum + row_head, state.out + row_head * head_dim};
}

// Scratch of one thread, cut from one piece of memory; row heads are rows times group, those of an
// item's kv heads one after the other. q and the states are kept from tile to tile.
struct AttentionScratch {
  u8* q;             // Steps::X, [row heads, kMaxHeadDim elements]
  u8* p;             // Steps::X, [row heads, kTilePositions elements]
  f32* scores;       // [row heads, kTilePositions]
  f32* tile_max;     // [row heads]
  f32* decay;        // [row heads]
  u8* staged_keys;   // 2-byte [head_dim / 2][kTilePositions][2], f32 [head_dim][kTilePositions]
  u8* masked_pairs;  // [2][head_dim][2]
  SoftmaxState split;
  SoftmaxState total;
  size_t bytes;

  AttentionScratch(void* memory, i32 head_dim, i32 row_heads) {
    const size_t heads = size_t(row_heads);
    const size_t dim = size_t(head_dim);
    // An integer: `memory` is null when only `bytes` is asked for, and null has no offsets.
    const u64 start = reinterpret_cast<u64>(memory);
    u64 at = start;
    const auto take = [&at](size_t count) {
      u8* const piece = reinterpret_cast<u8*>(at);  // NOLINT(performance-no-int-to-ptr)
      at += (count * sizeof(f32) + 63) / 64 * 64;
      return piece;
    };
    const auto take_floats = [&take](size_t count) { return reinterpret_cast<f32*>(take(count)); };
    q = take(heads * kMaxHeadDim);
    p = take(heads * kTilePositions);
    scores = take_floats(heads * kTilePositions);
    tile_max = take_floats(heads);
    decay = take_floats(heads);
    staged_keys = take(dim * kTilePositions);
    masked_pairs = take(2 * dim);
    split = {take_floats(heads), take_floats(heads), take_floats(heads * dim)};
    total = {take_floats(heads), take_floats(heads), take_floats(heads * dim)};
    bytes = at - start;
  }

  // The scratch of the kv head whose first row head is `row_head`.
  AttentionScratch of_head(i64 row_head, i32 head_dim) const {
    AttentionScratch scratch = *this;
    scratch.q += row_head * kMaxHeadDim * i64(sizeof(f32));
    scratch.split = state_from(split, row_head, head_dim);
    scratch.total = state_from(total, row_head, head_dim);
    return scratch;
  }
};

}  // namespace cpu::PA_ISA
