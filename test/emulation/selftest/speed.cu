// Kernels that do one thing many times, for the emulation's own speed (kernel_tests speed).

#include <device.cuh>
#include <ptx.cuh>

#include "speed_params.h"

namespace speed {

// params.count products per warp, fragments loaded again for each.
DEVICE void multiply(const SpeedParams& params) {
  CU_SHARED(bf16, tile, 16 * 16 * 2);
  for (i32 i = i32(threadIdx.x); i < 512; i += i32(blockDim.x))
    tile[i] = from_f32<bf16>(f32(i % 3));
  sync_cta();
  const u32 lane = threadIdx.x % 32;
  f32 d[4] = {};
  for (i32 i = 0; i < params.count; ++i) {
    u32 a[4];
    u32 b[2];
    ptx::ldmatrix_x4(a, ptx::shared_address(tile + lane % 16 * 16 + lane / 16 * 8));
    ptx::ldmatrix_x2(b, ptx::shared_address(tile + 256 + lane % 8 * 16 + lane / 8 % 2 * 8));
    ptx::mma_m16n8k16<bf16>(d, a, b);
  }
  params.out[i64(blockIdx.x) * blockDim.x + threadIdx.x] = d[0];
}

DEVICE void multiply_only(const SpeedParams& params) {
  f32 d[4] = {};
  const u32 a[4] = {threadIdx.x, 0, 0, 0};
  const u32 b[2] = {threadIdx.x, 0};
  for (i32 i = 0; i < params.count; ++i) ptx::mma_m16n8k16<bf16>(d, a, b);
  params.out[i64(blockIdx.x) * blockDim.x + threadIdx.x] = d[0];
}

DEVICE void shuffle_only(const SpeedParams& params) {
  f32 sum = f32(threadIdx.x);
  for (i32 i = 0; i < params.count; ++i) sum += shuffle_xor(~0u, sum, 1) * 0.5f;
  params.out[i64(blockIdx.x) * blockDim.x + threadIdx.x] = sum;
}

DEVICE void sync_only(const SpeedParams& params) {
  for (i32 i = 0; i < params.count; ++i) sync_cta();
  params.out[i64(blockIdx.x) * blockDim.x + threadIdx.x] = 0;
}

DEVICE void copy_only(const SpeedParams& params) {
  CU_DYNAMIC_SHARED(char, tile);
  for (i32 i = 0; i < params.count; ++i) {
    const u32 stage = u32(i % 2) * blockDim.x;
    ptx::cp_async16(ptx::shared_address(tile + (stage + threadIdx.x) * 16), params.out, true);
    ptx::cp_async_commit();
    ptx::cp_async_wait<1>();
  }
}

}  // namespace speed

CU_KERNEL(speed_multiply_with_loads, speed::multiply, SpeedParams, 256, 1)
CU_KERNEL(speed_multiply, speed::multiply_only, SpeedParams, 256, 1)
CU_KERNEL(speed_shuffle, speed::shuffle_only, SpeedParams, 256, 1)
CU_KERNEL(speed_barrier, speed::sync_only, SpeedParams, 256, 1)
CU_KERNEL(speed_copy, speed::copy_only, SpeedParams, 256, 1)
