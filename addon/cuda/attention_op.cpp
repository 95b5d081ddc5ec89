#include "attention_op.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "op_dtypes.h"
#include "ops.h"

namespace cuda {
namespace {

constexpr i32 kHeadDims[] = {64, 80, 96, 128, 256};
constexpr double kLog2E = 1.4426950408889634;
// Sequences that one plan takes: what 3 numbers per sequence leave of 48 KiB.
constexpr i32 kMaxSeqs = 4000;

// What one of the attention kernels needs, for one head_dim.
struct Kernel {
  std::string name;
  i32 threads;
  i32 tile_rows;
  i32 shared_bytes;
  i32 ctas_per_sm;  // that registers allow
};

Kernel kernel_of(const KvCacheView& cache, bool is_prefill, bool is_deterministic) {
  const i32 dim = cache.head_dim;
  const std::string suffix = std::string(dtype_name(cache.dtype)) + "_d" + std::to_string(dim);
  if (is_prefill) {
    return {"paged_attention_prefill_" + suffix, kAttentionThreads, kAttentionPrefillRows,
            attention_prefill_bytes(dim), attention_prefill_ctas(dim)};
  }
  if (is_deterministic) {
    return {"paged_attention_decode_" + suffix + "_fixed", kAttentionFixedThreads,
            kAttentionDecodeRows, attention_fixed_bytes(dim), kAttentionFixedCtas};
  }
  return {"paged_attention_decode_" + suffix, kAttentionThreads, kAttentionDecodeRows,
          attention_decode_bytes(dim), attention_decode_ctas(dim)};
}

Status check(const PagedAttentionParams& params) {
  const KvCacheView& cache = params.cache;
  if (cache.dtype != kBF16 && cache.dtype != kF16) {
    return unsupported_dtype("pagedAttention's cache", cache.dtype, "bf16, f16");
  }
  if (params.out_dtype != kF32 && params.out_dtype != kF16 && params.out_dtype != kBF16) {
    return unsupported_dtype("pagedAttention's out", params.out_dtype, "f32, f16, bf16");
  }
  const bool is_known_dim =
      std::count(std::begin(kHeadDims), std::end(kHeadDims), cache.head_dim) == 1;
  const i32 block_size = cache.block_size;
  const bool is_known_block =
      block_size >= 8 && block_size <= 256 && (block_size & (block_size - 1)) == 0;
  if (!is_known_dim || !is_known_block) {
    return Status::error("ERR_NATIVE",
                         "pagedAttention: head_dim " + std::to_string(cache.head_dim) +
                             ", block_size " + std::to_string(block_size) +
                             "; known are 64, 80, 96, 128, 256 and powers of two from 8 to 256");
  }
  if (cache.num_kv_heads <= 0 || params.num_heads % cache.num_kv_heads != 0) {
    return Status::error("ERR_NATIVE", "pagedAttention: " + std::to_string(params.num_heads) +
                                           " heads do not share " +
                                           std::to_string(cache.num_kv_heads) + " kv heads evenly");
  }
  if (params.num_seqs > kMaxSeqs) {
    return Status::error("ERR_NATIVE", "pagedAttention: " + std::to_string(params.num_seqs) +
                                           " sequences; at most " + std::to_string(kMaxSeqs));
  }
  return Status::ok();
}

i64 align_up(i64 bytes) { return (bytes + 255) / 256 * 256; }

// Pieces of one workspace, one after the other.
class Carver {
 public:
  // Null without memory: the first pass counts.
  explicit Carver(void* memory) : memory_(static_cast<u8*>(memory)) {}

  template <class T>
  T* take(i64 count) {
    u8* const piece = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += align_up(count * i64(sizeof(T)));
    return reinterpret_cast<T*>(piece);
  }
  size_t bytes() const { return size_t(bytes_); }

 private:
  u8* memory_;
  i64 bytes_ = 0;
};

AttentionWork carve_work(Carver& carver, const AttentionBounds& bounds, i32 num_kv_heads,
                         i32 tile_rows) {
  AttentionWork work = {};
  work.num_items = carver.take<i32>(1);
  work.items = carver.take<AttentionItem>(bounds.max_items);
  work.tickets = carver.take<u32>(i64(bounds.max_partials) * num_kv_heads);
  work.max_items = bounds.max_items;
  work.max_partials = bounds.max_partials;
  work.num_ctas = bounds.num_ctas;
  work.tile_rows = tile_rows;
  return work;
}

void carve_partials(Carver& carver, AttentionRunParams& run, const Kernel& kernel) {
  const PagedAttentionParams& op = run.op;
  const i64 rows = i64(run.work.max_partials) * op.cache.num_kv_heads * kernel.tile_rows;
  run.partial_out = carver.take<f32>(rows * op.cache.head_dim);
  run.partial_rows = carver.take<f32>(rows * 2);
  run.totals = nullptr;
  if (run.is_deterministic) {
    run.totals = carver.take<f32>(i64(run.work.num_ctas) * kernel.threads * op.cache.head_dim / 2);
  }
}

// Both kernels of one call and what they share.
struct Step {
  AttentionPlanParams plan = {};
  Kernel kernels[2];
  bool runs[2] = {};
  AttentionRunParams common = {};
};

AttentionRunParams run_params(const PagedAttentionParams& params, bool is_deterministic) {
  AttentionRunParams run = {};
  run.op = params;
  run.op.scale = std::fabs(params.scale);
  run.query_sign = params.scale > 0 ? 1.0f : params.scale < 0 ? -1.0f : 0.0f;
  const bool is_capped = params.softcap > 0.0f;
  // A scale of 0 makes every q 0, so any other factor gives the same scores.
  const f32 scale = run.query_sign == 0.0f ? 1.0f : run.op.scale;
  run.natural_factor = is_capped ? 1.0f : scale;
  run.log2_factor = f32(double(run.natural_factor) * kLog2E);
  run.cap_factor = is_capped ? f32(double(scale) / double(params.softcap)) : 0.0f;
  while ((1 << run.block_shift) < params.cache.block_size) ++run.block_shift;
  run.is_deterministic = is_deterministic;
  return run;
}

Step step_of(const PagedAttentionParams& params, bool is_deterministic) {
  const AttentionRouting routing = choose_attention_routing(params);
  Step step;
  step.common = run_params(params, is_deterministic);
  step.plan.op = params;
  step.plan.is_deterministic = is_deterministic;
  step.plan.max_decode_rows = routing == AttentionRouting::kDecode    ? INT32_MAX
                              : routing == AttentionRouting::kPrefill ? 0
                                                                      : kAttentionDecodeRows;
  for (const bool is_prefill : {false, true}) {
    step.kernels[is_prefill] = kernel_of(params.cache, is_prefill, is_deterministic);
    step.runs[is_prefill] =
        routing == AttentionRouting::kBoth || is_prefill == (routing == AttentionRouting::kPrefill);
  }
  return step;
}

Status plan_work(Launcher& launcher, Step& step) {
  const PagedAttentionParams& params = step.plan.op;
  void* memory = nullptr;
  for (const bool is_counted : {false, true}) {
    Carver carver(memory);
    for (const bool is_prefill : {false, true}) {
      const AttentionBounds bounds =
          bound_attention(launcher.gpu(), params, is_prefill, step.plan.is_deterministic);
      step.plan.lists[is_prefill] =
          carve_work(carver, bounds, params.cache.num_kv_heads, step.kernels[is_prefill].tile_rows);
    }
    if (is_counted) break;
    const Status status = launcher.workspace(Workspace::kAttentionPlan, carver.bytes(), &memory);
    if (!status.is_ok()) return status;
  }
  const Grid grid = {.x = step.runs[1] ? 2u : 1u,
                     .threads = kAttentionPlanThreads,
                     .shared_bytes = u32(3 * params.num_seqs + 1) * 4};
  return launcher.launch("paged_attention_plan", grid, step.plan);
}

// Memory for partial results of whichever kernel needs more: they run one after the other, and a
// workspace that grew between them would move under the first.
Status reserve_partials(Launcher& launcher, Step& step, void** memory) {
  size_t bytes = 0;
  for (const bool is_prefill : {false, true}) {
    if (!step.runs[is_prefill]) continue;
    Carver counter(nullptr);
    AttentionRunParams run = step.common;
    run.work = step.plan.lists[is_prefill];
    carve_partials(counter, run, step.kernels[is_prefill]);
    bytes = std::max(bytes, counter.bytes());
  }
  return launcher.workspace(Workspace::kAttentionPartials, bytes, memory);
}

Status run_kernel(Launcher& launcher, const Step& step, bool is_prefill, bool clears_padding,
                  void* memory) {
  const Kernel& kernel = step.kernels[is_prefill];
  AttentionRunParams run = step.common;
  run.work = step.plan.lists[is_prefill];
  run.clears_padding = clears_padding;
  Carver carver(memory);
  carve_partials(carver, run, kernel);
  const Grid grid = {.x = u32(run.work.num_ctas),
                     .threads = u32(kernel.threads),
                     .shared_bytes = u32(kernel.shared_bytes)};
  return launcher.launch(kernel.name.c_str(), grid, run);
}

}  // namespace

AttentionRouting choose_attention_routing(const PagedAttentionParams& params) {
  const i32 group = params.num_heads / params.cache.num_kv_heads;
  if (group > kAttentionDecodeRows) return AttentionRouting::kPrefill;
  const bool is_few_rows = i64(params.num_tokens) * group <= kAttentionDecodeRows;
  if (is_few_rows || params.num_tokens <= params.num_seqs) return AttentionRouting::kDecode;
  return AttentionRouting::kBoth;
}

AttentionBounds bound_attention(const GpuInfo& gpu, const PagedAttentionParams& params,
                                bool is_prefill, bool is_deterministic) {
  const Kernel kernel = kernel_of(params.cache, is_prefill, is_deterministic);
  const i32 num_kv_heads = params.cache.num_kv_heads;
  // The driver keeps 1 KiB of each CTA's shared memory; another is alignment of the static part.
  const i32 by_memory = gpu.shared_bytes_per_sm / (kernel.shared_bytes + 2048);
  const i32 per_sm = std::max(1, std::min(kernel.ctas_per_sm, by_memory));
  const i64 group = params.num_heads / num_kv_heads;
  const i64 max_tiles = params.num_tokens * group / kernel.tile_rows + params.num_seqs;
  AttentionBounds bounds = {};
  bounds.num_ctas = per_sm * gpu.num_sms;
  // A split is at least the mean work of a CTA, and a tile that is split has at most twice as many
  // splits as it has such pieces.
  bounds.max_partials = 2 * bounds.num_ctas / num_kv_heads;
  bounds.max_items = i32(max_tiles) + bounds.max_partials;
  return bounds;
}

Status paged_attention(Launcher& launcher, const PagedAttentionParams& params) {
  Status status = check(params);
  if (!status.is_ok() || params.num_tokens <= 0) return status;
  Step step = step_of(params, launcher.is_deterministic());
  status = plan_work(launcher, step);
  void* memory = nullptr;
  if (status.is_ok()) status = reserve_partials(launcher, step, &memory);
  bool clears_padding = true;  // the first kernel does
  for (const bool is_prefill : {false, true}) {
    if (!status.is_ok() || !step.runs[is_prefill]) continue;
    status = run_kernel(launcher, step, is_prefill, clears_padding, memory);
    clears_padding = false;
  }
  return status;
}

}  // namespace cuda
