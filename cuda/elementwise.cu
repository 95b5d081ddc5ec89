// In-place operations on single elements.

#include <device.cuh>

#include "f32_groups.cuh"

namespace elementwise {

constexpr i32 kThreads = 256;

struct Scale {
  static DEVICE f32 apply(f32 x, f32 factor) { return x * factor; }
};
struct Softcap {
  static DEVICE f32 apply(f32 x, f32 cap) { return cap * tanh_f32(x / cap); }
};

// x[i] = op(x[i], operand)
//
// Shapes   as in ElementwiseParams, taken as one row of num_rows * dim elements
// Grid     any; threads stride over groups of 4 elements
// Needs    nothing of the size; 16-byte accesses but for the last elements where x is aligned
// Moves    8 bytes per element: bandwidth is the ceiling
// Order    none
template <class Op>
DEVICE void run(const ElementwiseParams& params) {
  const i64 count = i64(params.num_rows) * params.dim;
  const bool aligned = f32_groups::is_aligned(params.x, f32_groups::kGroup);
  const i64 stride = i64(gridDim.x) * blockDim.x * f32_groups::kGroup;
  i64 at = (i64(blockIdx.x) * blockDim.x + threadIdx.x) * f32_groups::kGroup;
  for (; at < count; at += stride) {
    const i32 left = count - at < f32_groups::kGroup ? i32(count - at) : f32_groups::kGroup;
    const bool whole = aligned && left == f32_groups::kGroup;
    const f32x4 v = f32_groups::load(params.x + at, left, whole);
    const f32x4 result = {Op::apply(v.x, params.operand), Op::apply(v.y, params.operand),
                          Op::apply(v.z, params.operand), Op::apply(v.w, params.operand)};
    f32_groups::store<f32>(params.x + at, result, left, whole);
  }
}

}  // namespace elementwise

CU_KERNEL(elementwise_f32_scale, elementwise::run<elementwise::Scale>, ElementwiseParams,
          elementwise::kThreads, 4)
CU_KERNEL(elementwise_f32_softcap, elementwise::run<elementwise::Softcap>, ElementwiseParams,
          elementwise::kThreads, 4)
