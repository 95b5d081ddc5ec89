#pragma once
// How pagedAttention is cut for a GPU: the choice apart from the launches, for tests and
// benchmarks.

#include "../../cuda/attention_params.h"
#include "launcher.h"

namespace cuda {

// Which kernels a step runs. Decode alone where no sequence needs more than 16 packed rows in an
// ordinary step (it is right for any), prefill alone where each needs more, both otherwise.
enum class AttentionRouting : u8 { kDecode, kPrefill, kBoth };

AttentionRouting choose_attention_routing(const PagedAttentionParams& params);

// Numbers of one kernel's work list, from what the host knows: no length.
struct AttentionBounds {
  i32 num_ctas;
  i32 max_items;
  i32 max_partials;
};

AttentionBounds bound_attention(const GpuInfo& gpu, const PagedAttentionParams& params,
                                bool is_prefill, bool is_deterministic);

}  // namespace cuda
