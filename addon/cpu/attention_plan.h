#pragma once
// Cutting one pagedAttention into items for the thread pool. How it is cut changes no bit: an item
// is whole rows, or one split of them whose merge follows in order.

#include <vector>

#include "kernels.h"

namespace cpu {

// One kv head of one task: all its splits, or one of them.
struct AttentionItem {
  i32 task;
  i32 kv_head;
  i32 first_split;
  i32 end_split;
  i64 partial;  // index of its state among the partial states; -1 when it finishes the rows itself
};

// Rows [begin, end) that attend to nothing.
struct EmptyRows {
  i32 begin, end;
};

struct AttentionPlan {
  std::vector<AttentionTask> tasks;
  std::vector<AttentionItem> items;   // costly ones first
  std::vector<AttentionItem> merges;  // item whose partials [partial, + splits) are to be merged
  std::vector<EmptyRows> empty_rows;
  i64 num_partials = 0;
  i64 num_products = 0;  // multiply-adds of all items together, windows left aside
  i32 max_row_heads = 0;

  // Rebuilds the plan; allocates only when it is larger than any before.
  void build(const PagedAttentionParams& params, i32 row_heads_per_task, int num_threads);

 private:
  void add_sequence(const PagedAttentionParams& params, i32 sequence, i32 rows_per_task);
  void add_items(const PagedAttentionParams& params, i32 task, bool by_split);
};

}  // namespace cpu
