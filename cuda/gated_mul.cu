// Gated activations of an MLP: the second half of a row, times an activation of the first.

#include <device.cuh>

#include "f32_groups.cuh"

namespace gated_mul {

constexpr i32 kThreads = 256;

struct Silu {
  static DEVICE f32 apply(f32 x) { return x / (1.0f + exp_f32(-x)); }
};

// The tanh approximation (Hendrycks and Gimpel 2016).
struct Gelu {
  static DEVICE f32 apply(f32 x) {
    const f32 inner = fma_f32(0.044715f, x * x * x, x) * 0.7978845608028654f;
    return 0.5f * x * (1.0f + tanh_f32(inner));
  }
};

// out[r][i] = act(gate_up[r][i]) * gate_up[r][dim + i]
//
// Shapes   as in GatedMulParams
// Grid     x: one CTA column per row; y: pieces of a row, one group of 4 elements per thread
// Needs    nothing of dim or alignment; 16-byte accesses where both tensors are aligned
// Moves    8 bytes read and the size of Out written per element: bandwidth is the ceiling
// Order    none: an element is made from two
template <class Out, class Activation>
DEVICE void run(const GatedMulParams& params) {
  const i32 dim = params.dim;
  const i32 at = i32(blockIdx.y * blockDim.x + threadIdx.x) * f32_groups::kGroup;
  if (at >= dim) return;
  const bool aligned =
      f32_groups::is_aligned(params.out, dim) && f32_groups::is_aligned(params.gate_up, dim);
  const f32* const row = params.gate_up + i64(blockIdx.x) * 2 * dim + at;
  const f32x4 gate = f32_groups::load(row, dim - at, aligned);
  const f32x4 up = f32_groups::load(row + dim, dim - at, aligned);
  const f32x4 product = {Activation::apply(gate.x) * up.x, Activation::apply(gate.y) * up.y,
                         Activation::apply(gate.z) * up.z, Activation::apply(gate.w) * up.w};
  Out* const out = static_cast<Out*>(params.out) + i64(blockIdx.x) * dim + at;
  f32_groups::store<Out>(out, product, dim - at, aligned);
}

}  // namespace gated_mul

CU_KERNEL(gated_mul_f32_silu, (gated_mul::run<f32, gated_mul::Silu>), GatedMulParams,
          gated_mul::kThreads, 4)
CU_KERNEL(gated_mul_f16_silu, (gated_mul::run<f16, gated_mul::Silu>), GatedMulParams,
          gated_mul::kThreads, 4)
CU_KERNEL(gated_mul_bf16_silu, (gated_mul::run<bf16, gated_mul::Silu>), GatedMulParams,
          gated_mul::kThreads, 4)
CU_KERNEL(gated_mul_f32_gelu, (gated_mul::run<f32, gated_mul::Gelu>), GatedMulParams,
          gated_mul::kThreads, 4)
CU_KERNEL(gated_mul_f16_gelu, (gated_mul::run<f16, gated_mul::Gelu>), GatedMulParams,
          gated_mul::kThreads, 4)
CU_KERNEL(gated_mul_bf16_gelu, (gated_mul::run<bf16, gated_mul::Gelu>), GatedMulParams,
          gated_mul::kThreads, 4)
