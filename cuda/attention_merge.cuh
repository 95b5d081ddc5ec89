#pragma once
// Joining partial results by their lse, in the order of their splits, and writing rows out. For the
// splits of one context; the shared prefix of a cascade joins the same way.
//
//   lse = log(e^a + e^b),  out = out_a * e^(a - lse) + out_b * e^(b - lse)

#include <device.cuh>

#include "attention_rows.cuh"

namespace attention_merge {

using attention_rows::Unit;

// out = total * keep + part * add
struct Weights {
  f32 keep;
  f32 add;
  f32 lse;
};

// No -inf is taken from -inf; NaN stays NaN.
DEVICE Weights weights_of(f32 total_lse, f32 part_lse) {
  if (total_lse == -kInfinity) return {0.0f, 1.0f, part_lse};
  const f32 max = max_f32(total_lse, part_lse);
  const f32 total = exp_f32(total_lse - max);
  const f32 part = exp_f32(part_lse - max);
  const f32 sum = total + part;
  return {total / sum, part / sum, max + log_f32(sum)};
}
DEVICE f32 join(f32 total, f32 part, const Weights& weights) {
  return fma_f32(part, weights.add, total * weights.keep);
}

// The head's sink as a part without a value; a row that sees nothing has no sink either.
DEVICE Weights sink_weights(const PagedAttentionParams& op, i32 head, f32 lse) {
  if (op.sinks == nullptr || lse == -kInfinity) return {1.0f, 0.0f, lse};
  return weights_of(lse, op.sinks[head]);
}

// Two and four neighbouring elements of out; adding 0 gives zeros one sign, however they came
// about.
DEVICE void store_pair(const PagedAttentionParams& op, i64 element, f32 x, f32 y) {
  x += 0.0f;
  y += 0.0f;
  if (op.out_dtype == kF32) {
    *reinterpret_cast<f32x2*>(static_cast<f32*>(op.out) + element) = {x, y};
    return;
  }
  *reinterpret_cast<u32*>(static_cast<u16*>(op.out) + element) =
      op.out_dtype == kF16 ? pack2<f16>(x, y) : pack2<bf16>(x, y);
}

// One split's place among the partial results of a list.
DEVICE i64 partial_of(const AttentionRunParams& params, const Unit& unit, i32 split) {
  CU_ASSERT(unit.item.partial + split < params.work.max_partials);
  return i64(unit.item.partial + split) * params.op.cache.num_kv_heads + unit.kv_head;
}

// Counts this split as done; gives whether it was the last. All threads of the CTA, after each
// wrote its share of the partial result.
DEVICE bool is_last_split(const AttentionRunParams& params, const Unit& unit) {
  CU_SHARED(u32, is_last, 1);
  sync_cta();
  if (threadIdx.x == 0) {
    u32* const ticket = params.work.tickets + partial_of(params, unit, 0);
    fence_device();  // what the barrier showed this thread comes before its ticket
    is_last[0] = atomic_add(ticket, 1u) == u32(unit.item.num_splits - 1);
    fence_device();  // what the others wrote before theirs is seen after the next barrier
  }
  sync_cta();
  return is_last[0] != 0;
}

// Joins all splits of the unit's rows, first to last, and writes the rows. All threads of the CTA.
template <i32 kHeadDim, i32 kRows, i32 kThreads>
DEVICE void merge_splits(const AttentionRunParams& params, const Unit& unit) {
  CU_SHARED(f32, sink_keeps, kRows);
  const PagedAttentionParams& op = params.op;
  for (i32 row = i32(threadIdx.x); row < unit.num_rows; row += kThreads) {
    f32 lse = -kInfinity;
    for (i32 split = 0; split < unit.item.num_splits; split++) {
      f32* const entry = params.partial_rows + (partial_of(params, unit, split) * kRows + row) * 2;
      const Weights weights = weights_of(lse, entry[0]);
      entry[0] = weights.keep;
      entry[1] = weights.add;
      lse = weights.lse;
    }
    const Weights sink = sink_weights(op, attention_rows::head_of(unit, row), lse);
    sink_keeps[row] = sink.keep;
    if (op.lse != nullptr) op.lse[attention_rows::row_head_of(op, unit, row)] = sink.lse;
  }
  sync_cta();
  constexpr i32 kVecs = kHeadDim / 4;
  for (i32 i = i32(threadIdx.x); i < unit.num_rows * kVecs; i += kThreads) {
    const i32 row = i / kVecs;
    const i32 dim = i % kVecs * 4;
    f32x4 out = {0.0f, 0.0f, 0.0f, 0.0f};
    for (i32 split = 0; split < unit.item.num_splits; split++) {
      const i64 at = partial_of(params, unit, split) * kRows + row;
      const f32x4 part = *reinterpret_cast<const f32x4*>(params.partial_out + at * kHeadDim + dim);
      const f32* const entry = params.partial_rows + at * 2;
      const Weights weights = {entry[0], entry[1], 0.0f};
      out = {join(out.x, part.x, weights), join(out.y, part.y, weights),
             join(out.z, part.z, weights), join(out.w, part.w, weights)};
    }
    const i64 to = attention_rows::row_head_of(op, unit, row) * kHeadDim + dim;
    const f32 keep = sink_keeps[row];
    store_pair(op, to, out.x * keep, out.y * keep);
    store_pair(op, to + 2, out.z * keep, out.w * keep);
  }
}

}  // namespace attention_merge
