// pagedAttention of the CPU backend: plans the items, then runs and merges them on the thread pool.

#include <algorithm>
#include <cstring>
#include <new>

#include "cpu_backend.h"
#include "float_mode.h"
#include "op_refusals.h"

Status CpuBackend::plan_attention(const PagedAttentionParams& params) {
  const size_t head_dim = size_t(params.cache.head_dim);
  try {
    attention_plan_.build(params, kernels_, pool_.num_threads());
    partial_states_.resize(size_t(attention_plan_.num_partials));
  } catch (const std::bad_alloc&) {
    return cpu::out_of_memory("pagedAttention",
                              size_t(params.num_tokens) * sizeof(cpu::AttentionItem));
  }
  const size_t row_heads = size_t(attention_plan_.max_state_row_heads);
  attention_scratch_bytes_ =
      kernels_.attention_scratch_bytes(params.cache.head_dim, attention_plan_.max_item_row_heads);
  const size_t state_floats = row_heads * (head_dim + 2);
  const size_t partial_bytes = partial_states_.size() * state_floats * sizeof(f32);
  f32* partials = static_cast<f32*>(partials_.require(partial_bytes));
  if (partials == nullptr || !require_thread_scratch(attention_scratch_bytes_)) {
    return cpu::out_of_memory("pagedAttention", attention_scratch_bytes_ + partial_bytes);
  }
  for (cpu::SoftmaxState& state : partial_states_) {
    state = {partials, partials + row_heads, partials + 2 * row_heads};
    partials += state_floats;
  }
  return Status::ok();
}

Status CpuBackend::paged_attention(const PagedAttentionParams& params) {
  if (!cpu::is_cache_supported(params.cache))
    return cpu::unsupported_cache("pagedAttention", params.cache);
  Status planned = plan_attention(params);
  if (!planned.is_ok()) return planned;
  const cpu::FloatModeScope float_mode;
  clear_empty_rows(params);
  const auto scratch_of = [this](int worker) {
    return scratch_[size_t(worker)].require(attention_scratch_bytes_);
  };
  const i64 items = i64(attention_plan_.items.size());
  for_items(items, attention_plan_.num_products, [&](i64 index, int worker) {
    const cpu::AttentionItem& item = attention_plan_.items[size_t(index)];
    kernels_.attend(params, attention_plan_.tasks[size_t(item.task)], item, scratch_of(worker),
                    partial_states_.data());
  });
  const i64 merges = i64(attention_plan_.merges.size());
  for_items(merges, attention_plan_.num_products, [&](i64 index, int worker) {
    const cpu::AttentionItem& item = attention_plan_.merges[size_t(index)];
    kernels_.merge_splits(params, attention_plan_.tasks[size_t(item.task)], item,
                          partial_states_.data(), scratch_of(worker));
  });
  return Status::ok();
}

void CpuBackend::clear_empty_rows(const PagedAttentionParams& params) {
  const i64 row_elems = i64(params.num_heads) * params.cache.head_dim;
  const i64 row_bytes = row_elems * (params.out_dtype == kF32 ? 4 : 2);
  for (const cpu::EmptyRows& rows : attention_plan_.empty_rows) {
    std::memset(static_cast<u8*>(params.out) + rows.begin * row_bytes, 0,
                size_t(rows.end - rows.begin) * size_t(row_bytes));
    if (params.lse == nullptr) continue;
    std::fill(params.lse + i64(rows.begin) * params.num_heads,
              params.lse + i64(rows.end) * params.num_heads, -__builtin_inff());
  }
}
