#pragma once
// Cutting one pagedAttention into items for the thread pool. How it is cut changes no bit: an item
// is whole rows, or one split of them whose merge follows in order.

#include <vector>

#include "kernels.h"

namespace cpu {

// Rows [begin, end) that attend to nothing.
struct EmptyRows {
  i32 begin, end;
};

struct AttentionPlan {
  std::vector<AttentionTask> tasks;
  std::vector<AttentionItem> items;   // costly ones first
  std::vector<AttentionItem> merges;  // all splits of heads whose partial states are to be merged
  std::vector<EmptyRows> empty_rows;
  i64 num_partials = 0;
  i64 num_products = 0;         // multiply-adds of all items together, windows left aside
  i32 max_state_row_heads = 0;  // of a partial state: of one kv head of a task
  i32 max_item_row_heads = 0;   // of an item: of all its kv heads

  // Rebuilds the plan; allocates only when it is larger than any before.
  void build(const PagedAttentionParams& params, const Kernels& kernels, int num_threads);

 private:
  void add_sequence(const PagedAttentionParams& params, i32 sequence, i32 rows_per_task);
  void choose_cuts(const PagedAttentionParams& params, i32 streaming_rows, int num_threads);
  void add_items(const PagedAttentionParams& params, i32 task, i32 heads);

  bool by_split_ = false;
  i32 streaming_heads_ = 1;  // kv heads per item of a task of at most streaming_rows
};

}  // namespace cpu
