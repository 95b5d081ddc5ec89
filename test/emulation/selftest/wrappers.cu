// Every function of device.cuh and ptx.cuh with inputs whose results are known exactly; the same
// kernels prove the emulated layouts on a GPU.

#include <device.cuh>
#include <ptx.cuh>

#include "wrappers_params.h"

namespace wrappers {

// out [16, 8] f32 = a [16, 16] . b [8, 16]^T of T, through shared memory and ldmatrix.
template <class T>
DEVICE void multiply(const WrappersParams& params) {
  CU_SHARED(T, a, 16 * 16);
  CU_SHARED(T, b, 8 * 16);
  const i32 lane = i32(threadIdx.x);
  st16(a + lane * 8, ld16(static_cast<const T*>(params.a) + lane * 8));
  if (lane < 16) st16(b + lane * 8, ld16(static_cast<const T*>(params.b) + lane * 8));
  sync_warp();
  u32 rows[4];
  u32 columns[2];
  ptx::ldmatrix_x4(rows, ptx::shared_address(a + lane % 16 * 16 + lane / 16 * 8));
  ptx::ldmatrix_x2(columns, ptx::shared_address(b + lane % 8 * 16 + lane / 8 % 2 * 8));
  f32 d[4] = {1.0f, 2.0f, 3.0f, 4.0f};  // added to
  ptx::mma_m16n8k16<T>(d, rows, columns);
  f32* const out = static_cast<f32*>(params.out);
  const i32 row = lane / 4;
  const i32 column = lane % 4 * 2;
  out[row * 8 + column] = d[0] - 1.0f;
  out[row * 8 + column + 1] = d[1] - 2.0f;
  out[(row + 8) * 8 + column] = d[2] - 3.0f;
  out[(row + 8) * 8 + column + 1] = d[3] - 4.0f;
}

// The same with both operands stored transposed, a [16, 16]^T and b [16, 8].
template <class T>
DEVICE void multiply_transposed(const WrappersParams& params) {
  CU_SHARED(T, a, 16 * 16);
  CU_SHARED(T, b, 16 * 8);
  const i32 lane = i32(threadIdx.x);
  st16(a + lane * 8, ld16(static_cast<const T*>(params.a) + lane * 8));
  if (lane < 16) st16(b + lane * 8, ld16(static_cast<const T*>(params.b) + lane * 8));
  sync_warp();
  u32 rows[4];
  u32 columns[2];
  // Matrix m of a: rows (m % 2) * 8 …, k (m / 2) * 8 …; stored with k as the row.
  const i32 k = lane / 16 * 8 + lane % 8;
  ptx::ldmatrix_x4_trans(rows, ptx::shared_address(a + k * 16 + lane / 8 % 2 * 8));
  ptx::ldmatrix_x2_trans(columns, ptx::shared_address(b + lane % 16 * 8));
  f32 d[4] = {};
  ptx::mma_m16n8k16<T>(d, rows, columns);
  f32* const out = static_cast<f32*>(params.out);
  for (i32 i = 0; i < 4; ++i) {
    out[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
  }
}

// out [9, 32] u32: shuffles and a vote of each lane.
DEVICE void exchange(const WrappersParams& params) {
  const u32 lane = threadIdx.x;
  u32* const out = static_cast<u32*>(params.out) + lane;
  out[0 * 32] = shuffle(~0u, lane * 10, lane + 3);
  out[1 * 32] = shuffle_xor(~0u, lane * 10, 5);
  out[2 * 32] = shuffle_up(~0u, lane * 10, 4);
  out[3 * 32] = shuffle_down(~0u, lane * 10, 4);
  out[4 * 32] = u32(shuffle(~0u, u64(lane) << 35, 7) >> 35);
  out[5 * 32] = bits_of(shuffle_down(~0u, f32(lane), 1));
  out[6 * 32] = u32(shuffle_xor(~0u, -i32(lane), 1));
  out[7 * 32] = ballot(~0u, lane % 3 == 0);
  const u32 half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  out[8 * 32] = shuffle_xor(half, lane, 8) + ballot(half, lane % 2 == 0);
}

// out [4] i32, 128 threads: warps 0 and 1 hand tiles to warps 2 and 3 through two named barriers.
DEVICE void hand_over(const WrappersParams& params) {
  CU_SHARED(i32, tile, 64);
  CU_SHARED(i32, total, 1);
  const i32 thread = i32(threadIdx.x);
  if (thread == 0) total[0] = 0;
  sync_cta();
  for (i32 round = 0; round < params.count; ++round) {
    if (thread < 64) {
      tile[thread] = thread + round;
      named_barrier(1, 128);  // full
      named_barrier(2, 128);  // empty
    } else {
      named_barrier(1, 128);
      atomic_add(total, tile[thread - 64]);
      named_barrier(2, 128);
    }
  }
  const bool seen = sync_cta_or(thread == 77);
  const bool unseen = sync_cta_or(false);
  if (thread == 0) {
    i32* const out = static_cast<i32*>(params.out);
    out[0] = total[0];
    out[1] = seen;
    out[2] = unseen;
    out[3] = i32(blockDim.x + gridDim.x);
  }
}

// Slots of out as u64: what all threads of all CTAs leave with atomics.
DEVICE void count(const WrappersParams& params) {
  u64* const out = static_cast<u64*>(params.out);
  u32* const words = reinterpret_cast<u32*>(out + 1);
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  atomic_max(out, u64(index) << 33);
  atomic_add(words, 1u);
  atomic_inc_wrap(words + 1, 9);
  atomic_add(reinterpret_cast<f32*>(words + 2), 0.5f);
  atomic_add(reinterpret_cast<i32*>(words + 3), -2);
  if (atomic_cas(words + 4, 0, index + 1) == 0) atomic_add(words + 5, 1u);
}

// out [count] of T = a [count] f32 rounded; b [count] receives it widened.
template <class T>
DEVICE void round_trip(const WrappersParams& params) {
  for (i32 i = i32(threadIdx.x); i < params.count; i += i32(blockDim.x)) {
    const f32 value = static_cast<const f32*>(params.a)[i];
    const T narrow = from_f32<T>(value);
    static_cast<T*>(params.out)[i] = narrow;
    const u32 pair = pack2<T>(0.0f, value);
    CU_ASSERT(pair >> 16 == narrow.bits && u16(pair) == 0);
    static_cast<f32*>(const_cast<void*>(params.b))[i] = unpack2<T>(pair).y;
  }
}

// out [count] i32 = the number of copies landed that a three-stage pipeline read wrongly.
DEVICE void pipeline(const WrappersParams& params) {
  CU_DYNAMIC_SHARED(i32, ring);
  const i32 thread = i32(threadIdx.x);
  const i32* const a = static_cast<const i32*>(params.a);
  auto fetch = [&](i32 step) {
    const bool valid = step < params.count;
    i32* const place = ring + (step % 3 * 128 + thread) * 4;
    ptx::cp_async16(ptx::shared_address(place), a + i64(valid ? step : 0) * 512 + thread * 4,
                    valid);
    ptx::cp_async_commit();
  };
  fetch(0);
  fetch(1);
  i32 num_wrong = 0;
  for (i32 step = 0; step < params.count + 1; ++step) {
    ptx::cp_async_wait<1>();
    sync_cta();
    fetch(step + 2);
    const i32 other = 511 - thread * 4;
    const i32 expected = step < params.count ? step * 512 + other : 0;
    num_wrong += ring[step % 3 * 512 + other] != expected;
  }
  static_cast<i32*>(params.out)[thread] = num_wrong;
}

}  // namespace wrappers

CU_KERNEL(wrappers_multiply_bf16, (wrappers::multiply<bf16>), WrappersParams, 32, 1)
CU_KERNEL(wrappers_multiply_f16, (wrappers::multiply<f16>), WrappersParams, 32, 1)
CU_KERNEL(wrappers_multiply_transposed_bf16, (wrappers::multiply_transposed<bf16>), WrappersParams,
          32, 1)
CU_KERNEL(wrappers_multiply_transposed_f16, (wrappers::multiply_transposed<f16>), WrappersParams,
          32, 1)
CU_KERNEL(wrappers_exchange, wrappers::exchange, WrappersParams, 32, 1)
CU_KERNEL(wrappers_hand_over, wrappers::hand_over, WrappersParams, 128, 1)
CU_KERNEL(wrappers_count, wrappers::count, WrappersParams, 128, 1)
CU_KERNEL(wrappers_round_bf16, (wrappers::round_trip<bf16>), WrappersParams, 128, 1)
CU_KERNEL(wrappers_round_f16, (wrappers::round_trip<f16>), WrappersParams, 128, 1)
CU_KERNEL(wrappers_pipeline, wrappers::pipeline, WrappersParams, 128, 1)
