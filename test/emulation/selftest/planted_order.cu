// Planted bugs: missing and divergent barriers, wrong masks, CTAs that read each other's results.

#include <device.cuh>
#include <ptx.cuh>

#include "planted_params.h"

namespace planted_order {

constexpr i32 kThreads = 128;

DEVICE i32 thread() { return i32(threadIdx.x); }
DEVICE f32* out_of(const PlantedParams& params) {
  return params.out + i64(blockIdx.x) * kThreads + threadIdx.x;
}

DEVICE void no_barrier_before_read(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  values[thread()] = params.in[thread()];
  if (!params.has_bug) sync_cta();
  *out_of(params) = values[127 - thread()];
}

DEVICE void no_barrier_before_refill(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  f32 sum = 0;
  for (i32 i = 0; i < 4; ++i) {
    values[thread()] = params.in[thread()] * f32(i + 1);
    sync_cta();
    sum += values[127 - thread()];
    if (!params.has_bug) sync_cta();
  }
  *out_of(params) = sum * 0.1f;
}

DEVICE void copy_before_read_is_done(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  f32 sum = 0;
  for (i32 i = 0; i < 2; ++i) {
    if (thread() % 4 == 0) {
      ptx::cp_async16(ptx::shared_address(values + thread()), params.in + thread(), true);
      ptx::cp_async_commit();
      ptx::cp_async_wait<0>();
    }
    sync_cta();
    sum += values[127 - thread()];
    if (!params.has_bug) sync_cta();
  }
  *out_of(params) = sum * 0.5f;
}

// A copy is seen by other threads after the barrier that follows the wait, not before.
DEVICE void wait_after_barrier(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  if (thread() % 4 == 0) {
    ptx::cp_async16(ptx::shared_address(values + thread()), params.in + thread(), true);
    ptx::cp_async_commit();
    if (!params.has_bug) ptx::cp_async_wait<0>();
  }
  sync_cta();
  if (params.has_bug && thread() % 4 == 0) ptx::cp_async_wait<0>();
  *out_of(params) = values[127 - thread()];
}

DEVICE void two_writers(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  values[params.has_bug ? thread() / 2 * 2 : thread()] = 1;
  values[params.has_bug ? thread() / 2 * 2 + 1 : thread()] = 1;
  sync_cta();
  *out_of(params) = values[thread()];
}

DEVICE void shuffle_as_fence(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  values[thread()] = params.in[thread()];
  if (!params.has_bug) sync_warp();
  const f32 one = shuffle_xor(~0u, 1.0f, 1);
  *out_of(params) = values[thread() ^ 1] * one;
}

DEVICE void matrix_without_sync_warp(const PlantedParams& params) {
  CU_SHARED(bf16, tiles, kThreads * 8);
  bf16* const tile = tiles + thread() / 32 * 256;
  const i32 lane = thread() % 32;
  for (i32 i = 0; i < 8; ++i) tile[lane * 8 + i] = from_f32<bf16>(1);
  if (!params.has_bug) sync_warp();
  u32 words[4];
  ptx::ldmatrix_x4_trans(words, ptx::shared_address(tile + lane * 8));
  *out_of(params) = unpack2<bf16>(words[3]).y;
}

DEVICE void half_a_warp_synchronises(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  values[thread()] = 1;
  const bool is_low = thread() % 32 < 16;
  sync_warp(is_low ? 0x0000ffffu : 0xffff0000u);
  *out_of(params) = values[params.has_bug ? thread() ^ 16 : thread() ^ 8];
}

DEVICE void atomic_without_barrier(const PlantedParams& params) {
  CU_SHARED(u32, count, 1);
  if (thread() == 0) count[0] = 0;
  sync_cta();
  atomic_add(count, 1u);
  if (!params.has_bug) sync_cta();
  *out_of(params) = f32(count[0]) / kThreads;
}

DEVICE void divergent_barrier(const PlantedParams& params) {
  if (params.has_bug && thread() < 64) {
    sync_cta();
  } else {
    sync_cta();
  }
  *out_of(params) = 1;
}

DEVICE void deadlock(const PlantedParams& params) {
  if (!params.has_bug || thread() < 64) named_barrier(3, kThreads);
  *out_of(params) = 1;
}

DEVICE void barrier_beside_warp(const PlantedParams& params) {
  if (params.has_bug == 0 || thread() != 7) sync_warp();
  sync_cta();
  *out_of(params) = 1;
}

DEVICE void mask_without_caller(const PlantedParams& params) {
  *out_of(params) = shuffle_xor(params.has_bug ? 0xffffu : ~0u, 1.0f, 1);
}

DEVICE void shuffle_from_outside(const PlantedParams& params) {
  f32 value = 1;
  if (thread() % 32 < 16) value = shuffle(0xffffu, value, params.has_bug ? 16 : 15);
  *out_of(params) = value;
}

DEVICE void collective_after_exit(const PlantedParams& params) {
  *out_of(params) = 1;
  if (params.has_bug && thread() == 40) return;
  *out_of(params) = ballot(~0u, true) == ~0u ? 1.0f : 0.0f;
}

DEVICE void different_collectives(const PlantedParams& params) {
  if (params.has_bug && thread() % 2 == 0) {
    *out_of(params) = shuffle_xor(~0u, 1.0f, 1);
  } else {
    *out_of(params) = shuffle_xor(~0u, 1.0f, 1);
  }
}

DEVICE void ctas_write_one_word(const PlantedParams& params) {
  *out_of(params) = 1;
  if (thread() == 0) params.partial[params.has_bug ? 0 : blockIdx.x] = 1;
}

// The CTA that arrives last reads what both wrote.
template <bool kFenceBefore, bool kIsAtomic, bool kFenceAfter, bool kBarrier>
DEVICE void last_cta(const PlantedParams& params) {
  CU_SHARED(u32, arrivals, 1);
  const bool is_correct = params.has_bug == 0;
  if (thread() == 1) params.partial[blockIdx.x] = 1;
  if (kBarrier || is_correct) sync_cta();
  if (thread() == 0) {
    if (kFenceBefore || is_correct) fence_device();
    if (kIsAtomic || is_correct) {
      arrivals[0] = atomic_inc_wrap(params.counter, 1);
    } else {
      arrivals[0] = params.counter[0]++;
    }
    if (kFenceAfter || is_correct) fence_device();
  }
  sync_cta();
  *out_of(params) = 1;
  if (arrivals[0] == 1 && thread() < 2) *out_of(params) = params.partial[thread()];
}

// The same with fences by all threads, around the barriers.
template <bool kFenceBefore, bool kFenceAfter>
DEVICE void last_cta_of_all(const PlantedParams& params) {
  CU_SHARED(u32, arrivals, 1);
  const bool is_correct = params.has_bug == 0;
  if (thread() == 1) params.partial[blockIdx.x] = 1;
  if (kFenceBefore || is_correct) fence_device();
  sync_cta();
  if (thread() == 0) arrivals[0] = atomic_add(params.counter, 1u);
  sync_cta();
  if (kFenceAfter || is_correct) fence_device();
  *out_of(params) = 1;
  if (arrivals[0] == 1 && thread() < 2) *out_of(params) = params.partial[thread()];
}

}  // namespace planted_order

#define PLANT(name) CU_KERNEL(planted_##name, planted_order::name, PlantedParams, 128, 1)
#define PLANT_LAST_CTA(name, ...) \
  CU_KERNEL(planted_##name, (planted_order::last_cta<__VA_ARGS__>), PlantedParams, 128, 1)

PLANT(no_barrier_before_read)
PLANT(no_barrier_before_refill)
PLANT(copy_before_read_is_done)
PLANT(wait_after_barrier)
PLANT(two_writers)
PLANT(shuffle_as_fence)
PLANT(matrix_without_sync_warp)
PLANT(half_a_warp_synchronises)
PLANT(atomic_without_barrier)
PLANT(divergent_barrier)
PLANT(deadlock)
PLANT(barrier_beside_warp)
PLANT(mask_without_caller)
PLANT(shuffle_from_outside)
PLANT(collective_after_exit)
PLANT(different_collectives)
PLANT(ctas_write_one_word)
PLANT_LAST_CTA(last_cta_without_fence, false, true, true, true)
PLANT_LAST_CTA(last_cta_without_atomic, true, false, true, true)
PLANT_LAST_CTA(last_cta_without_fence_after, true, true, false, true)
PLANT_LAST_CTA(last_cta_without_barrier, true, true, true, false)
CU_KERNEL(planted_no_fences_before, (planted_order::last_cta_of_all<false, true>), PlantedParams,
          128, 1)
CU_KERNEL(planted_no_fences_after, (planted_order::last_cta_of_all<true, false>), PlantedParams,
          128, 1)
#undef PLANT
#undef PLANT_LAST_CTA
