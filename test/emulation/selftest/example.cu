// The pattern of a kernel file: constants, device functions in a namespace, kernels by name.

#include <device.cuh>
#include <ptx.cuh>

#include "example_params.h"

namespace example {

constexpr i32 kThreads = 128;
constexpr i32 kElemsPerVec = 8;

// out[r] = the sum of row r of x, which passes through shared memory.
//
// Shapes   as in ExampleParams
// Grid     one CTA of 128 threads per row
// Needs    dim % 8 == 0, dim <= 1024, 16-byte aligned x
// Shared   2 KiB + 16 bytes
template <class T>
DEVICE void sum_rows(const ExampleParams& params) {
  CU_SHARED(T, row, kThreads * kElemsPerVec);
  CU_SHARED(f32, warp_sums, kThreads / kWarpSize);
  CU_ASSERT(params.dim % kElemsPerVec == 0 && params.dim <= kThreads * kElemsPerVec);
  const T* const x = static_cast<const T*>(params.x) + i64(blockIdx.x) * params.dim;
  const i32 begin = i32(threadIdx.x) * kElemsPerVec;
  ptx::cp_async16(ptx::shared_address(row + begin), x + begin, begin < params.dim);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  sync_cta();

  f32 sum = 0;
  for (i32 i = i32(threadIdx.x); i < params.dim; i += kThreads) sum += to_f32(row[i]);
  for (i32 lanes = kWarpSize / 2; lanes > 0; lanes /= 2) sum += shuffle_xor(~0u, sum, u32(lanes));
  if (threadIdx.x % kWarpSize == 0) warp_sums[threadIdx.x / kWarpSize] = sum;
  sync_cta();
  if (threadIdx.x == 0) {
    params.out[blockIdx.x] = warp_sums[0] + warp_sums[1] + warp_sums[2] + warp_sums[3];
  }
}

}  // namespace example

CU_KERNEL(example_bf16, (example::sum_rows<bf16>), ExampleParams, example::kThreads, 1)
CU_KERNEL(example_f16, (example::sum_rows<f16>), ExampleParams, example::kThreads, 1)
