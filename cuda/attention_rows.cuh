#pragma once
// Which packed rows a unit of work has, what they see, where their q and outputs lie.

#include <device.cuh>

#include "attention_softmax.cuh"
#include "attention_tile.cuh"

namespace attention_rows {

// An item for one kv head, with what the kernels need of its sequence.
struct Unit {
  AttentionItem item;
  i32 kv_head;
  i32 group;           // heads that share the kv head
  i32 first_token;     // of the sequence in the step
  i32 first_position;  // of the sequence's row 0; negative where query_len passes context_len
  i32 num_rows;        // packed rows of the item
};

// The lowest position that a row at `position` sees.
DEVICE i32 low_of(const PagedAttentionParams& op, i32 position) {
  return op.window < 0 || position < op.window ? 0 : position - op.window;
}

DEVICE Unit unit_at(const AttentionRunParams& params, i32 index) {
  const PagedAttentionParams& op = params.op;
  const i32 num_kv_heads = op.cache.num_kv_heads;
  Unit unit;
  unit.item = params.work.items[index / num_kv_heads];
  unit.kv_head = index % num_kv_heads;
  unit.group = op.num_heads / num_kv_heads;
  const i32 sequence = unit.item.sequence;
  const i32 query_len = op.query_start[sequence + 1] - op.query_start[sequence];
  unit.first_token = op.query_start[sequence];
  unit.first_position = op.context_lens[sequence] - query_len;
  unit.num_rows = min_i32(params.work.tile_rows, query_len * unit.group - unit.item.first_row);
  return unit;
}

DEVICE i32 position_of(const Unit& unit, i32 row) {
  return unit.first_position + (unit.item.first_row + row) / unit.group;
}
DEVICE i32 head_of(const Unit& unit, i32 row) {
  return unit.kv_head * unit.group + (unit.item.first_row + row) % unit.group;
}
// The row's place in [num_tokens, num_heads].
DEVICE i64 row_head_of(const PagedAttentionParams& op, const Unit& unit, i32 row) {
  const i32 token = unit.first_token + (unit.item.first_row + row) / unit.group;
  CU_ASSERT(token < op.num_tokens);
  return i64(token) * op.num_heads + head_of(unit, row);
}
DEVICE attention_softmax::RowSpan span_of(const PagedAttentionParams& op, const Unit& unit,
                                          i32 row) {
  const i32 position = position_of(unit, row);
  return {low_of(op, position), position};
}

DEVICE attention_tile::HeadCache head_cache_of(const AttentionRunParams& params, const Unit& unit) {
  const PagedAttentionParams& op = params.op;
  const i32 table_row = op.table_rows[unit.item.sequence];
  CU_ASSERT(table_row >= 0 && table_row < op.num_table_rows);
  attention_tile::HeadCache cache;
  cache.keys = static_cast<const u8*>(op.cache.data) + op.layer * op.cache.layer_stride +
               unit.kv_head * op.cache.head_stride;
  cache.value_stride = op.cache.value_stride;
  cache.block_stride = op.cache.block_stride;
  cache.table = op.block_tables + table_row * op.table_stride;
  cache.num_blocks = op.cache.num_blocks;
  cache.block_shift = params.block_shift;
  cache.low = low_of(op, position_of(unit, 0));
  cache.high = unit.item.end;
  return cache;
}

// Positions from `position` on, up to `end`, that every row of the item sees: [low, high].
struct CommonSpan {
  i32 low;
  i32 high;
};
DEVICE CommonSpan common_span_of(const PagedAttentionParams& op, const Unit& unit) {
  return {low_of(op, position_of(unit, unit.num_rows - 1)), position_of(unit, 0)};
}

// Reads q of 16 packed rows from `first_row` on as fragments, rounded to T; rows past the item's
// last one are zeros.
// @param first_step, step_stride  which steps of 16 head dims this warp reads
template <class T, i32 kHeadDim, class Query>
DEVICE void load_query(Query& query, const AttentionRunParams& params, const Unit& unit,
                       i32 first_row, i32 first_step, i32 step_stride) {
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const f32* rows[2];
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = first_row + lane / 4 + r * 8;
    rows[r] = row < unit.num_rows
                  ? params.op.q + row_head_of(params.op, unit, row) * kHeadDim + lane % 4 * 2
                  : nullptr;
  }
#pragma unroll
  for (i32 step = first_step; step < kHeadDim / 16; step += step_stride) {
    u32 fragment[4];
#pragma unroll
    for (i32 i = 0; i < 4; i++) {
      f32x2 pair = {0.0f, 0.0f};
      const f32* const row = rows[i % 2];
      if (row != nullptr) {
        pair = *reinterpret_cast<const f32x2*>(row + step * 16 + i / 2 * 8);
      }
      fragment[i] = pack2<T>(pair.x * params.query_sign, pair.y * params.query_sign);
    }
    query.set(step, fragment);
  }
}

// Runs `attend(unit)` for this CTA's share of the list. Units cost less and less, so every other
// round goes backwards: no CTA has the costliest unit of each.
template <class Attend>
DEVICE void for_units(const AttentionRunParams& params, const Attend& attend) {
  const i32 num_units = *params.work.num_items * params.op.cache.num_kv_heads;
  const i32 num_ctas = i32(gridDim.x);
  for (i32 first = 0, round = 0; first < num_units; first += num_ctas, round++) {
    const i32 cta = i32(blockIdx.x);
    const i32 index = first + (round % 2 == 0 ? cta : num_ctas - 1 - cta);
    if (index < num_units) attend(index);
  }
}

// Zeros, and an lse of -inf, for the rows past the last sequence's.
DEVICE void clear_padding(const AttentionRunParams& params) {
  const PagedAttentionParams& op = params.op;
  const i64 first = i64(op.query_start[op.num_seqs]) * op.num_heads;
  const i64 end = i64(op.num_tokens) * op.num_heads;
  const i64 bytes = op.cache.head_dim * (op.out_dtype == kF32 ? 4 : 2);
  const i64 thread = i64(blockIdx.x) * blockDim.x + threadIdx.x;
  const i64 num_threads = i64(gridDim.x) * blockDim.x;
  for (i64 at = first * bytes + thread * 16; at < end * bytes; at += num_threads * 16) {
    st16(static_cast<u8*>(op.out) + at, Vec16{{0, 0, 0, 0}});
  }
  if (op.lse == nullptr) return;
  for (i64 i = first + thread; i < end; i += num_threads) op.lse[i] = -kInfinity;
}

}  // namespace attention_rows
