#pragma once
// Joining the splits of a row head, left to right, and turning the result into outputs.

#include "attention_rows.h"
#include "vector_math.h"

namespace cpu::PA_ISA {

// total = total joined with a state of the given max, sum and (unless null) out.
PA_INLINE void join_row_head(const SoftmaxState& total, i32 row_head, i32 head_dim, f32 max,
                             f32 sum, const f32* out) {
  const f32 old_max = total.max[row_head];
  const f32 new_max = max > old_max ? max : old_max;
  const Vec keep = exp(broadcast(old_max - new_max));
  const Vec add = exp(broadcast(max - new_max));
  total.max[row_head] = new_max;
  total.sum[row_head] = total.sum[row_head] * first_lane(keep) + sum * first_lane(add);
  f32* total_out = total.out + i64(row_head) * head_dim;
  for (i32 d = 0; d < head_dim; d += kLanes) {
    const Vec kept = load(total_out + d) * keep;
    store(total_out + d, out != nullptr ? fma(load(out + d), add, kept) : kept);
  }
}

// Joins one split's state to the rows that see some of it; a row's first split is copied.
PA_INLINE void merge_split(const TaskRows& rows, i32 head_dim, const SoftmaxState& total,
                           const SoftmaxState& state, i32 split) {
  for (i32 r = 0; r < rows.num_rows * rows.group; ++r) {
    const i32 row = r / rows.group;
    if (!rows.sees_split(row, split)) continue;
    const f32* out = state.out + i64(r) * head_dim;
    if (split > rows.low(row) / kSplitPositions) {
      join_row_head(total, r, head_dim, state.max[r], state.sum[r], out);
      continue;
    }
    total.max[r] = state.max[r];
    total.sum[r] = state.sum[r];
    memcpy(total.out + i64(r) * head_dim, out, size_t(head_dim) * sizeof(f32));
  }
}

// Joins the sink, a virtual key without a value, after all splits; divides and stores.
PA_INLINE void finish_rows(const PagedAttentionParams& params, const AttentionTask& task,
                           i32 kv_head, const SoftmaxState& total) {
  const i32 head_dim = params.cache.head_dim;
  const i32 group = params.num_heads / params.cache.num_kv_heads;
  for (i32 r = 0; r < task.num_rows * group; ++r) {
    const i32 head = kv_head * group + r % group;
    const i64 row_head = i64(task.first_row + r / group) * params.num_heads + head;
    if (params.sinks != nullptr) {
      join_row_head(total, r, head_dim, params.sinks[head], 1.0f, nullptr);
    }
    const Vec inverse = broadcast(1.0f) / broadcast(total.sum[r]);
    const f32* out = total.out + i64(r) * head_dim;
    for (i32 d = 0; d < head_dim; d += kLanes) {
      store_as(params.out_dtype, params.out, row_head * head_dim + d, load(out + d) * inverse,
               kLanes);
    }
    if (params.lse == nullptr) continue;
    params.lse[row_head] = total.max[r] + first_lane(log(broadcast(total.sum[r])));
  }
}

}  // namespace cpu::PA_ISA
