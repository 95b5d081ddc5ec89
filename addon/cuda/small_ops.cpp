// Ops that move or change single elements and rows, each bound by memory bandwidth: a kernel by
// dtype, and a grid by the number of rows.

#include <algorithm>
#include <cstdint>

#include "op_dtypes.h"
#include "ops.h"

namespace cuda {
namespace {

constexpr i32 kGroup = 4;          // f32 of one 16-byte access
constexpr u32 kThreads = 256;      // Mirrors kThreads of embed, gated_mul, gather_rows, elementwise
constexpr u32 kNormThreads = 512;  // Mirrors rms_norm::kMaxThreads

// Whole warps for `count` pieces of work, at most `max_threads`.
u32 threads_for(i64 count, u32 max_threads) {
  const i64 warps = (count + 31) / 32;
  return u32(std::clamp<i64>(warps * 32, 32, max_threads));
}

i64 divide_up(i64 a, i64 b) { return (a + b - 1) / b; }

const char* by_out_dtype(DType dtype, const char* f32_name, const char* f16_name,
                         const char* bf16_name) {
  if (dtype == kF32) return f32_name;
  if (dtype == kF16) return f16_name;
  return dtype == kBF16 ? bf16_name : nullptr;
}

Status gated_mul(Launcher& launcher, const GatedMulParams& params, const char* kernel) {
  if (kernel == nullptr)
    return unsupported_dtype("gated_mul's out", params.out_dtype, "f32, f16, bf16");
  if (params.num_rows <= 0 || params.dim <= 0) return Status::ok();
  const i64 groups = divide_up(params.dim, kGroup);
  const u32 threads = threads_for(groups, kThreads);
  const u32 pieces = u32(divide_up(groups, threads));
  return launcher.launch(kernel, {.x = u32(params.num_rows), .y = pieces, .threads = threads},
                         params);
}

Status elementwise(Launcher& launcher, const ElementwiseParams& params, const char* kernel) {
  const i64 groups = divide_up(i64(params.num_rows) * params.dim, kGroup);
  if (params.num_rows <= 0 || params.dim <= 0) return Status::ok();
  // Enough CTAs to fill the GPU 8 times over; then each thread takes several groups.
  const i64 max_ctas = i64(launcher.gpu().num_sms) * 8 * 8;
  const i64 ctas = std::min(divide_up(groups, kThreads), max_ctas);
  return launcher.launch(kernel, {.x = u32(ctas), .threads = kThreads}, params);
}

bool is_aligned(const void* data, size_t bytes) {
  return reinterpret_cast<uintptr_t>(data) % bytes == 0;
}

}  // namespace

Status embed(Launcher& launcher, const EmbedParams& params) {
  const DType dtype = params.table.dtype;
  if (dtype != kBF16 && dtype != kF16)
    return unsupported_dtype("embed's table", dtype, "bf16, f16");
  if (params.num_tokens <= 0 || params.table.in_dim <= 0) return Status::ok();
  const u32 threads = threads_for(divide_up(params.table.in_dim, 2 * kGroup), kThreads);
  return launcher.launch(dtype == kBF16 ? "embed_bf16" : "embed_f16",
                         {.x = u32(params.num_tokens), .threads = threads}, params);
}

Status rms_norm(Launcher& launcher, const RmsNormParams& params) {
  const char* const kernel =
      by_out_dtype(params.out_dtype, "rms_norm_f32", "rms_norm_f16", "rms_norm_bf16");
  if (kernel == nullptr)
    return unsupported_dtype("rms_norm's out", params.out_dtype, "f32, f16, bf16");
  if (params.num_rows <= 0 || params.hidden <= 0) return Status::ok();
  const u32 threads = threads_for(divide_up(params.hidden, kGroup), kNormThreads);
  return launcher.launch(kernel, {.x = u32(params.num_rows), .threads = threads}, params);
}

Status silu_mul(Launcher& launcher, const GatedMulParams& params) {
  return gated_mul(launcher, params,
                   by_out_dtype(params.out_dtype, "gated_mul_f32_silu", "gated_mul_f16_silu",
                                "gated_mul_bf16_silu"));
}

Status gelu_mul(Launcher& launcher, const GatedMulParams& params) {
  return gated_mul(launcher, params,
                   by_out_dtype(params.out_dtype, "gated_mul_f32_gelu", "gated_mul_f16_gelu",
                                "gated_mul_bf16_gelu"));
}

Status gather_rows(Launcher& launcher, const GatherRowsParams& params) {
  if (params.num_rows <= 0 || params.dim <= 0) return Status::ok();
  const i64 row_bytes = i64(params.dim) * (params.dtype == kF32 || params.dtype == kI32 ? 4 : 2);
  const auto fits = [&](i64 bytes) {
    return row_bytes % bytes == 0 && is_aligned(params.x, size_t(bytes)) &&
           is_aligned(params.out, size_t(bytes));
  };
  const i64 piece_bytes = fits(16) ? 16 : fits(4) ? 4 : 2;
  const char* const kernel = piece_bytes == 16  ? "gather_rows_16"
                             : piece_bytes == 4 ? "gather_rows_4"
                                                : "gather_rows_2";
  const u32 threads = threads_for(row_bytes / piece_bytes, kThreads);
  return launcher.launch(kernel, {.x = u32(params.num_rows), .threads = threads}, params);
}

Status scale(Launcher& launcher, const ElementwiseParams& params) {
  return elementwise(launcher, params, "elementwise_f32_scale");
}

Status softcap(Launcher& launcher, const ElementwiseParams& params) {
  return elementwise(launcher, params, "elementwise_f32_softcap");
}

}  // namespace cuda
