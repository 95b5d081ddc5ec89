// RMS norm, with the residual stream's addition in the same pass.

#include <device.cuh>

#include "f32_groups.cuh"

namespace rms_norm {

constexpr i32 kMaxThreads = 512;
constexpr i32 kMaxWarps = kMaxThreads / kWarpSize;
// Groups that a thread keeps in registers between the two passes: a row of 8,192 is read once.
constexpr i32 kKept = 4;

// The sum over the CTA: lanes as a tree, then warps in ascending order; the same in every thread.
DEVICE f32 sum_of_cta(f32 mine) {
  CU_SHARED(f32, warp_sums, kMaxWarps);
#pragma unroll
  for (u32 distance = kWarpSize / 2; distance > 0; distance /= 2) {
    mine += shuffle_xor(~0u, mine, distance);
  }
  if (threadIdx.x % kWarpSize == 0) warp_sums[threadIdx.x / kWarpSize] = mine;
  sync_cta();
  f32 sum = 0.0f;
  for (u32 warp = 0; warp < blockDim.x / kWarpSize; warp++) sum += warp_sums[warp];
  return sum;
}

// One row: how a thread reads and writes its groups.
template <class Out>
struct Row {
  Out* out;
  const f32* x;
  f32* residual;  // or null
  const f32* weight;
  i32 hidden;
  f32 weight_offset;
  bool aligned;

  DEVICE Row(const RmsNormParams& params) {
    const i64 at = i64(blockIdx.x) * params.hidden;
    out = static_cast<Out*>(params.out) + at;
    x = params.x + at;
    residual = params.residual != nullptr ? params.residual + at : nullptr;
    weight = params.weight;
    hidden = params.hidden;
    weight_offset = params.weight_offset;
    aligned = f32_groups::is_aligned(params.out, hidden) &&
              f32_groups::is_aligned(params.x, hidden) &&
              f32_groups::is_aligned(params.residual, hidden) &&
              f32_groups::is_aligned(params.weight, hidden);
  }

  DEVICE f32x4 load(const f32* row, i32 at) const {
    return f32_groups::load(row + at, hidden - at, aligned);
  }

  // Adds x to the residual; gives what is to be normalised.
  DEVICE f32x4 add(i32 at) const {
    f32x4 y = load(x, at);
    if (residual == nullptr) return y;
    const f32x4 sum = load(residual, at);
    y = {sum.x + y.x, sum.y + y.y, sum.z + y.z, sum.w + y.w};
    f32_groups::store<f32>(residual + at, y, hidden - at, aligned);
    return y;
  }
  // What add() gave.
  DEVICE f32x4 reload(i32 at) const { return load(residual != nullptr ? residual : x, at); }

  DEVICE void normalise(i32 at, f32x4 y, f32 inverse) const {
    const f32x4 w = load(weight, at);
    const f32x4 scaled = {
        y.x * inverse * (weight_offset + w.x), y.y * inverse * (weight_offset + w.y),
        y.z * inverse * (weight_offset + w.z), y.w * inverse * (weight_offset + w.w)};
    f32_groups::store<Out>(out + at, scaled, hidden - at, aligned);
  }
};

DEVICE f32 add_squares(f32 sum, f32x4 y) {
  sum = fma_f32(y.x, y.x, sum);
  sum = fma_f32(y.y, y.y, sum);
  sum = fma_f32(y.z, y.z, sum);
  return fma_f32(y.w, y.w, sum);
}

// residual ? (residual += x, y = residual) : (y = x);
// out = y / sqrt(mean(y^2) + eps) * (weight_offset + weight)
//
// Shapes   as in RmsNormParams
// Grid     one CTA per row; whole warps, up to kMaxThreads threads, their number given by hidden
// Needs    nothing of hidden or alignment; 16-byte accesses where all rows are aligned
// Moves    4 bytes of x, 8 of residual and the size of Out per element; the weight comes from L2:
//          bandwidth is the ceiling
// Order    a thread adds the squares of its groups in ascending order; then sum_of_cta. It follows
//          from hidden alone, so a row's bits do not depend on the others
// Math     f32; 1 / sqrt and the division are rounded correctly
template <class Out>
DEVICE void run(const RmsNormParams& params) {
  const Row<Out> row(params);
  const i32 first = i32(threadIdx.x) * f32_groups::kGroup;
  const i32 stride = i32(blockDim.x) * f32_groups::kGroup;
  f32x4 kept[kKept];
  f32 squares = 0.0f;
#pragma unroll
  for (i32 i = 0; i < kKept; i++) {
    const i32 at = first + i * stride;
    if (at >= row.hidden) break;
    kept[i] = row.add(at);
    squares = add_squares(squares, kept[i]);
  }
  for (i32 at = first + kKept * stride; at < row.hidden; at += stride) {
    squares = add_squares(squares, row.add(at));
  }

  const f32 mean = sum_of_cta(squares) / f32(row.hidden);
  const f32 inverse = 1.0f / sqrt_f32(mean + params.eps);
#pragma unroll
  for (i32 i = 0; i < kKept; i++) {
    const i32 at = first + i * stride;
    if (at >= row.hidden) break;
    row.normalise(at, kept[i], inverse);
  }
  for (i32 at = first + kKept * stride; at < row.hidden; at += stride) {
    row.normalise(at, row.reload(at), inverse);
  }
}

}  // namespace rms_norm

CU_KERNEL(rms_norm_f32, rms_norm::run<f32>, RmsNormParams, rms_norm::kMaxThreads, 2)
CU_KERNEL(rms_norm_f16, rms_norm::run<f16>, RmsNormParams, rms_norm::kMaxThreads, 2)
CU_KERNEL(rms_norm_bf16, rms_norm::run<bf16>, RmsNormParams, rms_norm::kMaxThreads, 2)
