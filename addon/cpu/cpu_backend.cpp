// The Backend of the CPU. Each op names its kernel (cuda/params.h has its formula) and says how it
// is cut for the thread pool; how it is cut changes no bit of its result.

#include "cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "copy_ops.h"
#include "cpu_features.h"
#include "float_mode.h"
#include "op_refusals.h"
#include "quantized.h"
#include "weight_pack.h"

namespace {

// Less elementwise work than this on a thread costs more to hand out than to do.
constexpr i64 kMinElemsPerPiece = 16384;
// Pieces per thread, so that a thread that lost its processor for a moment delays little.
constexpr i64 kPiecesPerThread = 4;
// Rows of x and panels of weights that one matmul task multiplies: what L2 holds of both.
constexpr i32 kRowsPerMatmulTask = 120;
constexpr i32 kPanelsPerMatmulTask = 4;

i64 divide_up(i64 a, i64 b) { return (a + b - 1) / b; }

}  // namespace

CpuBackend::CpuBackend(const cpu::Kernels& kernels, int num_threads)
    : kernels_(kernels),
      pool_(num_threads),
      scratch_(size_t(pool_.num_threads())),
      sample_scratch_(size_t(pool_.num_threads())) {}

BackendInfo CpuBackend::info() const {
  return {.backend = "cpu",
          .isa = kernels_.isa,
          .name = cpu::processor_name(),
          .threads = pool_.num_threads()};
}

void* CpuBackend::allocate(size_t bytes, bool huge) { return cpu::allocate_memory(bytes, huge); }
void CpuBackend::free(void* data, size_t bytes) { cpu::release_memory(data, bytes); }

Status CpuBackend::upload(void* destination, const void* host, size_t bytes) {
  if (bytes > 0) std::memcpy(destination, host, bytes);
  return Status::ok();
}

Status CpuBackend::download(void* host, const void* source, size_t bytes) {
  if (bytes > 0) std::memcpy(host, source, bytes);
  return Status::ok();
}

Status CpuBackend::fill(void* destination, u8 byte, size_t bytes) {
  if (bytes > 0) std::memset(destination, byte, bytes);
  return Status::ok();
}

template <class Range>
void CpuBackend::for_ranges(i32 count, i64 work_per_item, Range&& range) {
  if (count <= 0) return;
  const cpu::FloatModeScope float_mode;
  const i64 by_work = divide_up(kMinElemsPerPiece, std::max<i64>(work_per_item, 1));
  const i64 by_threads = divide_up(count, pool_.num_threads() * kPiecesPerThread);
  const i64 piece = std::max(by_work, by_threads);
  pool_.parallel_for(divide_up(count, piece), [&](i64 item, int) {
    range(i32(item * piece), i32(std::min<i64>(count, (item + 1) * piece)));
  });
}

bool CpuBackend::require_thread_scratch(size_t bytes) {
  return std::all_of(scratch_.begin(), scratch_.end(), [bytes](cpu::ScratchBuffer& buffer) {
    return buffer.require(bytes) != nullptr;
  });
}

size_t CpuBackend::packed_bytes(DType dtype, i32 out_dim, i32 in_dim) const {
  return size_t(cpu::num_panels(out_dim)) * size_t(cpu::panel_bytes(dtype, in_dim));
}

Status CpuBackend::pack_weight(void* destination, DType dtype, i32 in_dim, const WeightPart* parts,
                               int num_parts) {
  i32 out_dim = 0;
  for (int i = 0; i < num_parts; ++i) out_dim += parts[i].out_dim;
  for_ranges(cpu::num_panels(out_dim), i64(cpu::kPanelOutputs) * in_dim, [&](i32 begin, i32 end) {
    for (i32 panel = begin; panel < end; ++panel) {
      cpu::pack_panel(kernels_, destination, dtype, in_dim, parts, num_parts, panel);
    }
  });
  return Status::ok();
}

Status CpuBackend::embed(const EmbedParams& params) {
  for_ranges(params.num_tokens, params.table.in_dim,
             [&](i32 begin, i32 end) { cpu::embed_rows(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::rms_norm(const RmsNormParams& params) {
  for_ranges(params.num_rows, params.hidden,
             [&](i32 begin, i32 end) { kernels_.rms_norm(params, begin, end); });
  return Status::ok();
}

cpu::MatmulTask CpuBackend::plan_matmul(const MatmulParams& params,
                                        const cpu::MatmulTiling& tiling) const {
  const i64 panels = cpu::num_panels(params.weight.out_dim);
  const i64 wanted = i64(pool_.num_threads()) * kPiecesPerThread;
  if (tiling.num_tiles <= 1) {
    const i64 products = i64(params.num_rows) * params.weight.in_dim * cpu::kPanelOutputs;
    const i64 by_work = divide_up(kMinProductsPerPiece, std::max<i64>(products, 1));
    return {0, tiling.num_tiles, 0, i32(std::min(panels, std::max(by_work, panels / wanted)))};
  }
  const i32 tiles =
      std::max(1, std::min(tiling.num_tiles, kRowsPerMatmulTask / tiling.rows_per_tile));
  const i64 row_blocks = divide_up(tiling.num_tiles, tiles);
  const i64 panels_at_once = std::max<i64>(1, panels * row_blocks / wanted);
  return {0, tiles, 0, i32(std::min<i64>(kPanelsPerMatmulTask, panels_at_once))};
}

Status CpuBackend::matmul(const MatmulParams& params) {
  if (params.num_rows <= 0 || params.weight.out_dim <= 0) return Status::ok();
  const cpu::FloatModeScope float_mode;
  const cpu::MatmulKernels& kernels =
      cpu::is_quantized(params.weight.dtype) ? kernels_.quantized_matmul : kernels_.matmul;
  const cpu::MatmulTiling tiling = kernels.tiling(params.num_rows);
  const cpu::MatmulTask shape = plan_matmul(params, tiling);
  const size_t x_bytes = kernels.packed_x_bytes(params);
  const size_t scratch_bytes = kernels.scratch_bytes(params, shape);
  void* packed_x = packed_x_.require(x_bytes);
  if (packed_x == nullptr || !require_thread_scratch(scratch_bytes)) {
    return cpu::out_of_memory("matmul", x_bytes + scratch_bytes);
  }

  for_items(tiling.num_tiles, i64(params.num_rows) * params.weight.in_dim,
            [&](i64 tile, int) { kernels.pack_x(params, packed_x, i32(tile)); });

  const i64 panels = cpu::num_panels(params.weight.out_dim);
  const i64 row_blocks = divide_up(tiling.num_tiles, shape.num_tiles);
  const i64 panel_groups = divide_up(panels, shape.num_panels);
  pool_.parallel_for(row_blocks * panel_groups, [&](i64 item, int worker) {
    cpu::MatmulTask task = shape;
    task.first_tile = i32(item % row_blocks) * shape.num_tiles;
    task.num_tiles = std::min(shape.num_tiles, tiling.num_tiles - task.first_tile);
    task.first_panel = i32(item / row_blocks) * shape.num_panels;
    task.num_panels = std::min(shape.num_panels, i32(panels) - task.first_panel);
    kernels.multiply(params, packed_x, task, scratch_[size_t(worker)].require(scratch_bytes));
  });
  return Status::ok();
}

Status CpuBackend::write_kv(const WriteKvParams& params) {
  if (!cpu::is_cache_supported(params.cache))
    return cpu::unsupported_cache("writeKv", params.cache);
  for_ranges(params.num_tokens, i64(params.cache.num_kv_heads) * params.cache.head_dim * 4,
             [&](i32 begin, i32 end) { kernels_.write_kv(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::read_kv(const ReadKvParams& params) {
  if (!cpu::is_cache_supported(params.cache)) return cpu::unsupported_cache("readKv", params.cache);
  for_ranges(params.num_slots, i64(params.cache.num_kv_heads) * params.cache.head_dim * 4,
             [&](i32 begin, i32 end) { kernels_.read_kv(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::rope_and_write_kv(const RopeAndWriteKvParams& params) {
  if (!cpu::is_cache_supported(params.cache))
    return cpu::unsupported_cache("ropeAndWriteKv", params.cache);
  const i64 heads = params.num_heads + i64(params.cache.num_kv_heads) * 4;
  for_ranges(params.num_tokens, heads * params.cache.head_dim,
             [&](i32 begin, i32 end) { kernels_.rope_and_write_kv(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::silu_mul(const GatedMulParams& params) {
  for_ranges(params.num_rows, i64(params.dim) * 8,
             [&](i32 begin, i32 end) { kernels_.silu_mul(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::gelu_mul(const GatedMulParams& params) {
  for_ranges(params.num_rows, i64(params.dim) * 8,
             [&](i32 begin, i32 end) { kernels_.gelu_mul(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::gather_rows(const GatherRowsParams& params) {
  for_ranges(params.num_rows, params.dim,
             [&](i32 begin, i32 end) { cpu::gather_rows(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::scale(const ElementwiseParams& params) {
  for_ranges(params.num_rows, params.dim,
             [&](i32 begin, i32 end) { kernels_.scale(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::softcap(const ElementwiseParams& params) {
  for_ranges(params.num_rows, i64(params.dim) * 8,
             [&](i32 begin, i32 end) { kernels_.softcap(params, begin, end); });
  return Status::ok();
}

Status CpuBackend::copy_blocks(const CopyBlocksParams& params) {
  for_ranges(params.num_pairs, params.cache.block_stride / 4, [&](i32 begin, i32 end) {
    for (i32 pair = begin; pair < end; ++pair) cpu::copy_block(params, pair);
  });
  return Status::ok();
}

Status CpuBackend::sample(const SampleParams& params) {
  try {
    for (cpu::SampleScratch& scratch : sample_scratch_) scratch.reserve(params.vocab_size);
  } catch (const std::bad_alloc&) {
    return cpu::out_of_memory("sample", size_t(params.vocab_size) * 16);
  }
  const cpu::FloatModeScope float_mode;
  pool_.parallel_for(params.num_rows, [&](i64 row, int worker) {
    cpu::sample_row(kernels_, params, i32(row), &sample_scratch_[size_t(worker)]);
  });
  return Status::ok();
}

std::unique_ptr<Backend> open_cpu_backend(const std::string& isa, int threads, Status* status) {
  const cpu::Kernels* kernels = cpu::find_kernels(isa);
  if (kernels == nullptr) {
    std::string names;
    for (const std::string& name : cpu::available_isas()) names += " " + name;
    *status =
        Status::error("ERR_ISA_UNAVAILABLE", "isa is '" + isa + "'; this machine has:" + names);
    return nullptr;
  }
  *status = Status::ok();
  const int num_threads = threads > 0 ? threads : cpu::default_num_threads();
  return std::make_unique<CpuBackend>(*kernels, num_threads);
}
