#include "attention_plan.h"

#include <algorithm>

namespace cpu {
namespace {

// With fewer items than this per thread, splits become items of their own.
constexpr i64 kItemsPerThread = 4;

i32 first_split(const PagedAttentionParams& params, const AttentionTask& task) {
  if (params.window < 0 || task.first_position < params.window) return 0;
  return (task.first_position - params.window) / kSplitPositions;
}

i32 end_split(const AttentionTask& task) {
  return (task.first_position + task.num_rows - 1) / kSplitPositions + 1;
}

}  // namespace

void AttentionPlan::add_sequence(const PagedAttentionParams& params, i32 sequence,
                                 i32 rows_per_task) {
  i32 row = params.query_start[sequence];
  const i32 end = params.query_start[sequence + 1];
  i32 position = params.context_lens[sequence] - (end - row);
  if (position < 0) {
    const i32 num_empty = std::min(-position, end - row);
    empty_rows.push_back({row, row + num_empty});
    row += num_empty;
    position += num_empty;
  }
  for (; row < end; row += rows_per_task, position += rows_per_task) {
    tasks.push_back({.sequence = sequence,
                     .first_row = row,
                     .first_position = position,
                     .num_rows = std::min(rows_per_task, end - row)});
  }
}

void AttentionPlan::add_items(const PagedAttentionParams& params, i32 task, bool by_split) {
  const i32 first = first_split(params, tasks[task]);
  const i32 end = end_split(tasks[task]);
  for (i32 kv_head = 0; kv_head < params.cache.num_kv_heads; ++kv_head) {
    if (!by_split || end - first == 1) {
      items.push_back({task, kv_head, first, end, -1});
      continue;
    }
    merges.push_back({task, kv_head, first, end, num_partials});
    for (i32 split = first; split < end; ++split) {
      items.push_back({task, kv_head, split, split + 1, num_partials++});
    }
  }
}

void AttentionPlan::build(const PagedAttentionParams& params, i32 row_heads_per_task,
                          int num_threads) {
  tasks.clear();
  items.clear();
  merges.clear();
  empty_rows.clear();
  num_partials = 0;
  num_products = 0;
  max_row_heads = 0;

  const i32 group = params.num_heads / params.cache.num_kv_heads;
  const i32 rows_per_task = std::max(1, row_heads_per_task / group);
  for (i32 s = 0; s < params.num_seqs; ++s) add_sequence(params, s, rows_per_task);
  const i32 end_rows = params.num_seqs > 0 ? params.query_start[params.num_seqs] : 0;
  if (end_rows < params.num_tokens) empty_rows.push_back({end_rows, params.num_tokens});

  const i64 num_whole = i64(tasks.size()) * params.cache.num_kv_heads;
  const bool by_split = num_whole < kItemsPerThread * num_threads && num_threads > 1;
  for (i32 task = i32(tasks.size()) - 1; task >= 0; --task) {
    const i64 seen = i64(tasks[task].num_rows) * (tasks[task].first_position + 1);
    num_products += 2 * seen * params.num_heads * params.cache.head_dim;
    max_row_heads = std::max(max_row_heads, tasks[task].num_rows * group);
    add_items(params, task, by_split);
  }
}

}  // namespace cpu
