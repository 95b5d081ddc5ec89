#include "matmul_op.h"

#include <cstdint>

#include "../../cuda/matmul_params.h"
#include "op_dtypes.h"
#include "ops.h"

namespace cuda {
namespace {

struct Variant {
  const char* bf16_kernel;
  const char* f16_kernel;
  i32 rows;
  i32 cols;
  u32 threads;
  u32 shared_bytes;
  i32 cost;  // of one CTA, in the time that a 128 x 128 tile takes / 100
};

template <class Tile>
constexpr Variant variant_of(const char* bf16_kernel, const char* f16_kernel, i32 cost) {
  return {bf16_kernel,
          f16_kernel,
          Tile::kRows,
          Tile::kCols,
          u32(kMatmulThreads<Tile>),
          u32(kMatmulSharedBytes<Tile>),
          cost};
}

// Indexed by MatmulVariant. Costs follow the bytes that a tile moves per product: a small tile
// reads more from L2 for the same work. They are estimates; bench/gpu has the rows that measure
// them.
constexpr Variant kVariants[] = {
    variant_of<MatmulTile128x128>("matmul_bf16_128x128", "matmul_f16_128x128", 100),
    variant_of<MatmulTile64x64>("matmul_bf16_64x64", "matmul_f16_64x64", 40),
    variant_of<MatmulTile16x32>("matmul_bf16_16x32", "matmul_f16_16x32", 12),
    variant_of<MatmulTile64x64>("matmul_bf16_64x64_unaligned", "matmul_f16_64x64_unaligned", 40),
};

const Variant& get(MatmulVariant variant) { return kVariants[size_t(variant)]; }

i64 divide_up(i64 a, i64 b) { return (a + b - 1) / b; }

i64 num_ctas(const Variant& variant, const MatmulParams& params) {
  return divide_up(params.num_rows, variant.rows) * divide_up(params.weight.out_dim, variant.cols);
}

// Warps that share the K of one output: each has at least two pieces to read ahead, where there are
// that many. From in_dim alone, so that a row's bits do not depend on the others.
i32 num_slices(i32 in_dim) {
  i32 slices = kFewRowsWarps;
  while (slices > 1 && i64(slices) * 2 * kFewRowsDepth > in_dim) slices /= 2;
  return slices;
}

}  // namespace

bool is_matmul_aligned(const MatmulParams& params) {
  return params.weight.in_dim % 8 == 0 && reinterpret_cast<uintptr_t>(params.x) % 16 == 0;
}

MatmulVariant choose_matmul_variant(const GpuInfo& gpu, const MatmulParams& params) {
  if (!is_matmul_aligned(params)) return MatmulVariant::k64x64Unaligned;
  MatmulVariant best = MatmulVariant::k128x128;
  i64 best_cost = INT64_MAX;
  for (const MatmulVariant candidate :
       {MatmulVariant::k128x128, MatmulVariant::k64x64, MatmulVariant::k16x32}) {
    const Variant& variant = get(candidate);
    const i64 cost = divide_up(num_ctas(variant, params), gpu.num_sms) * variant.cost;
    if (cost >= best_cost) continue;
    best = candidate;
    best_cost = cost;
  }
  return best;
}

Status launch_matmul(Launcher& launcher, MatmulVariant variant, const MatmulParams& params) {
  const Variant& chosen = get(variant);
  const MatmulPlan plan = {
      .params = params,
      .weight_pitch = matmul_weight_pitch(params.weight.in_dim),
      .num_row_tiles = i32(divide_up(params.num_rows, chosen.rows)),
      .num_col_tiles = i32(divide_up(params.weight.out_dim, chosen.cols)),
  };
  const Grid grid = {.x = u32(num_ctas(chosen, params)),
                     .threads = chosen.threads,
                     .shared_bytes = chosen.shared_bytes};
  const bool is_bf16 = params.weight.dtype == kBF16;
  return launcher.launch(is_bf16 ? chosen.bf16_kernel : chosen.f16_kernel, grid, plan);
}

Status launch_matmul_few_rows(Launcher& launcher, const MatmulParams& params) {
  const MatmulFewRowsPlan plan = {
      .params = params,
      .weight_pitch = matmul_weight_pitch(params.weight.in_dim),
      .num_slices = num_slices(params.weight.in_dim),
  };
  const i64 outputs_per_cta = i64(kFewRowsWarps / plan.num_slices) * kFewRowsOutputs;
  const Grid grid = {.x = u32(divide_up(params.weight.out_dim, outputs_per_cta)),
                     .threads = kFewRowsWarps * 32};
  const bool is_bf16 = params.weight.dtype == kBF16;
  if (is_matmul_aligned(params)) {
    return launcher.launch(is_bf16 ? "matmul_few_rows_bf16" : "matmul_few_rows_f16", grid, plan);
  }
  return launcher.launch(
      is_bf16 ? "matmul_few_rows_bf16_unaligned" : "matmul_few_rows_f16_unaligned", grid, plan);
}

Status matmul(Launcher& launcher, const MatmulParams& params) {
  const DType dtype = params.weight.dtype;
  if (dtype != kBF16 && dtype != kF16) {
    return unsupported_dtype("matmul's weight", dtype, "bf16, f16");
  }
  if (params.out_dtype != kF32 && params.out_dtype != kF16 && params.out_dtype != kBF16) {
    return unsupported_dtype("matmul's out", params.out_dtype, "f32, f16, bf16");
  }
  if (params.num_rows <= 0 || params.weight.out_dim <= 0) return Status::ok();

  if (!launcher.is_deterministic()) {
    if (params.num_rows <= kMaxFewRows) return launch_matmul_few_rows(launcher, params);
    if (launcher.try_library_matmul(params)) return Status::ok();
  }
  return launch_matmul(launcher, choose_matmul_variant(launcher.gpu(), params), params);
}

}  // namespace cuda
