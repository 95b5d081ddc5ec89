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

// Whole tasks while there are enough of them for all threads, then their splits, then their heads:
// an item of many heads reads long runs of memory.
void AttentionPlan::choose_cuts(const PagedAttentionParams& params, i32 streaming_rows,
                                int num_threads) {
  const i32 num_kv_heads = params.cache.num_kv_heads;
  const i64 wanted = num_threads > 1 ? kItemsPerThread * num_threads : 0;
  i64 num_wide = 0;
  i64 num_streaming = 0;
  i64 num_streaming_splits = 0;
  for (const AttentionTask& task : tasks) {
    if (task.num_rows > streaming_rows) {
      ++num_wide;
      continue;
    }
    ++num_streaming;
    num_streaming_splits += end_split(task) - first_split(params, task);
  }
  const i64 num_wide_items = num_wide * num_kv_heads;
  by_split_ = num_wide_items + num_streaming < wanted;
  const i64 num_units = num_wide_items + (by_split_ ? num_streaming_splits : num_streaming);
  const i64 pieces = num_units > 0 ? (wanted + num_units - 1) / num_units : 1;
  streaming_heads_ = i32(std::max<i64>(1, num_kv_heads / std::max<i64>(1, pieces)));
}

void AttentionPlan::add_items(const PagedAttentionParams& params, i32 task, i32 heads) {
  const i32 num_kv_heads = params.cache.num_kv_heads;
  const i32 first = first_split(params, tasks[task]);
  const i32 end = end_split(tasks[task]);
  const i32 num_splits = end - first;
  for (i32 head = 0; head < num_kv_heads; head += heads) {
    const i32 end_head = std::min(head + heads, num_kv_heads);
    if (!by_split_ || num_splits == 1) {
      items.push_back({task, head, end_head, first, end, -1, 0});
      continue;
    }
    const i64 partial = num_partials + i64(head) * num_splits;
    merges.push_back({task, head, end_head, first, end, partial, num_splits});
    for (i32 s = 0; s < num_splits; ++s) {
      items.push_back({task, head, end_head, first + s, first + s + 1, partial + s, num_splits});
    }
  }
  if (by_split_ && num_splits > 1) num_partials += i64(num_kv_heads) * num_splits;
}

void AttentionPlan::build(const PagedAttentionParams& params, const Kernels& kernels,
                          int num_threads) {
  tasks.clear();
  items.clear();
  merges.clear();
  empty_rows.clear();
  num_partials = 0;
  num_products = 0;
  max_state_row_heads = 0;
  max_item_row_heads = 0;

  const i32 group = params.num_heads / params.cache.num_kv_heads;
  const i32 rows_per_task = std::max(1, kernels.attention_row_heads / group);
  const i32 streaming_rows = std::max(1, kernels.attention_streaming_row_heads / group);
  for (i32 s = 0; s < params.num_seqs; ++s) add_sequence(params, s, rows_per_task);
  const i32 end_rows = params.num_seqs > 0 ? params.query_start[params.num_seqs] : 0;
  if (end_rows < params.num_tokens) empty_rows.push_back({end_rows, params.num_tokens});

  choose_cuts(params, streaming_rows, num_threads);
  for (i32 task = i32(tasks.size()) - 1; task >= 0; --task) {
    const i64 seen = i64(tasks[task].num_rows) * (tasks[task].first_position + 1);
    num_products += 2 * seen * params.num_heads * params.cache.head_dim;
    const i32 heads = tasks[task].num_rows > streaming_rows ? 1 : streaming_heads_;
    max_state_row_heads = std::max(max_state_row_heads, tasks[task].num_rows * group);
    max_item_row_heads = std::max(max_item_row_heads, tasks[task].num_rows * group * heads);
    add_items(params, task, heads);
  }
}

}  // namespace cpu
