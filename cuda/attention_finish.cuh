#pragma once
// How rows that are held as fragments end: the splits that one CTA takes in a row are joined, then
// the rows are written out or left as a partial result for the last split to merge.

#include "attention_merge.cuh"

namespace attention_finish {

using attention_rows::Unit;

// What this thread joined so far, in global scratch of its own; registers hold one split only.
template <i32 kHeadDim, i32 kThreads>
DEVICE f32x4* totals_of(const AttentionRunParams& params) {
  return reinterpret_cast<f32x4*>(params.totals) + i64(blockIdx.x) * (kHeadDim / 8) * kThreads +
         threadIdx.x;
}

// Attends to the item's positions, in deterministic mode split by split, joined left to right.
// @param attend_range  adds positions [begin, end) to a clear state
// @param lse           of the thread's two rows, when this returns; state.out is normalised
template <i32 kHeadDim, i32 kThreads, class AttendRange>
DEVICE void attend_splits(const AttentionRunParams& params, const Unit& unit,
                          attention_softmax::State<kHeadDim>& state, f32 (&lse)[2],
                          const AttendRange& attend_range) {
  f32 total_lse[2] = {-kInfinity, -kInfinity};
  i32 begin = unit.item.begin;
  while (true) {
    const i32 split_end =
        begin / kAttentionSplitPositions * kAttentionSplitPositions + kAttentionSplitPositions;
    const i32 end = params.is_deterministic ? min_i32(unit.item.end, split_end) : unit.item.end;
    state.clear();
    attend_range(begin, end);
    attention_softmax::normalise(state, params.natural_factor, lse);
    const bool is_first = begin == unit.item.begin;
    const bool is_last = end >= unit.item.end;
    if (is_first && is_last) return;
    f32x4* const totals = totals_of<kHeadDim, kThreads>(params);
    attention_merge::Weights weights[2];
#pragma unroll
    for (i32 r = 0; r < 2; r++) {
      weights[r] = attention_merge::weights_of(total_lse[r], lse[r]);
      lse[r] = total_lse[r] = weights[r].lse;
    }
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
      f32x4 total = {0.0f, 0.0f, 0.0f, 0.0f};
      if (!is_first) total = totals[n * kThreads];
      f32(&out)[4] = state.out[n];
      out[0] = attention_merge::join(total.x, out[0], weights[0]);
      out[1] = attention_merge::join(total.y, out[1], weights[0]);
      out[2] = attention_merge::join(total.z, out[2], weights[1]);
      out[3] = attention_merge::join(total.w, out[3], weights[1]);
      if (!is_last) totals[n * kThreads] = {out[0], out[1], out[2], out[3]};
    }
    if (is_last) return;
    begin = end;
  }
}

// Leaves the thread's share of two rows as a partial result.
template <i32 kHeadDim, i32 kRows>
DEVICE void store_partial(const AttentionRunParams& params, const Unit& unit,
                          const attention_softmax::State<kHeadDim>& state, const f32 (&lse)[2],
                          i32 first_row) {
  const i64 partial = attention_merge::partial_of(params, unit, unit.item.split) * kRows;
  const i32 lane = i32(threadIdx.x) % kWarpSize;
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = first_row + lane / 4 + r * 8;
    if (row >= unit.num_rows) continue;
    f32* const out = params.partial_out + (partial + row) * kHeadDim + lane % 4 * 2;
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
      *reinterpret_cast<f32x2*>(out + n * 8) = {state.out[n][2 * r], state.out[n][2 * r + 1]};
    }
    if (lane % 4 == 0) params.partial_rows[(partial + row) * 2] = lse[r];
  }
}

// Writes the thread's share of two rows out, with the sink in the denominator.
template <i32 kHeadDim>
DEVICE void store_rows(const AttentionRunParams& params, const Unit& unit,
                       const attention_softmax::State<kHeadDim>& state, const f32 (&lse)[2],
                       i32 first_row) {
  const PagedAttentionParams& op = params.op;
  const i32 lane = i32(threadIdx.x) % kWarpSize;
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = first_row + lane / 4 + r * 8;
    if (row >= unit.num_rows) continue;
    const i64 row_head = attention_rows::row_head_of(op, unit, row);
    const attention_merge::Weights sink =
        attention_merge::sink_weights(op, attention_rows::head_of(unit, row), lse[r]);
    const i64 element = row_head * kHeadDim + lane % 4 * 2;
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
      attention_merge::store_pair(op, element + n * 8, state.out[n][2 * r] * sink.keep,
                                  state.out[n][2 * r + 1] * sink.keep);
    }
    if (lane % 4 == 0 && op.lse != nullptr) op.lse[row_head] = sink.lse;
  }
}

// Ends a unit whose rows are fragments of this CTA's warps; the last of its splits merges them all.
// @param first_row  of this warp
template <i32 kHeadDim, i32 kRows, i32 kThreads>
DEVICE void finish_rows(const AttentionRunParams& params, const Unit& unit,
                        const attention_softmax::State<kHeadDim>& state, const f32 (&lse)[2],
                        i32 first_row) {
  if (unit.item.partial < 0) {
    store_rows(params, unit, state, lse, first_row);
    return;
  }
  store_partial<kHeadDim, kRows>(params, unit, state, lse, first_row);
  if (attention_merge::is_last_split(params, unit)) {
    attention_merge::merge_splits<kHeadDim, kRows, kThreads>(params, unit);
  }
}

}  // namespace attention_finish
