// Planted bugs: accesses outside arrays, of unwritten bytes, of copies in flight, misaligned ones.

#include <device.cuh>
#include <ptx.cuh>

#include "planted_params.h"

namespace planted_memory {

constexpr i32 kThreads = 128;

DEVICE i32 thread() { return i32(threadIdx.x); }
DEVICE f32* out_of(const PlantedParams& params) {
  return params.out + i64(blockIdx.x) * kThreads + threadIdx.x;
}

DEVICE void shared_overflow(const PlantedParams& params) {
  CU_SHARED(f32, values, 100);
  CU_SHARED(f32, after, 4);
  if (thread() < 4) after[thread()] = 1;
  if (thread() < (params.has_bug ? 101 : 100)) values[thread()] = 1;
  sync_cta();
  *out_of(params) = values[thread() % 100] * after[thread() % 4];
}

DEVICE void shared_over_read(const PlantedParams& params) {
  CU_SHARED(f32, values, 100);
  if (thread() < 100) values[thread()] = 1;
  sync_cta();
  *out_of(params) = values[params.has_bug ? thread() : thread() % 100];
}

DEVICE void dynamic_overflow(const PlantedParams& params) {
  CU_DYNAMIC_SHARED(f32, values);
  values[thread() + (params.has_bug ? 1 : 0)] = 1;
  *out_of(params) = values[thread() + (params.has_bug ? 1 : 0)];
}

DEVICE void global_over_read(const PlantedParams& params) {
  *out_of(params) = params.in[thread() + (params.has_bug ? 1 : 0)];
}

DEVICE void global_under_read(const PlantedParams& params) {
  *out_of(params) = params.in[thread() == 0 && params.has_bug ? -1 : thread()];
}

DEVICE void global_overflow(const PlantedParams& params) {
  *out_of(params) = 1;
  if (params.has_bug && blockIdx.x == 1 && thread() == 127) out_of(params)[1] = 1;
}

DEVICE void unwritten_shared(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  if (thread() != 5 || !params.has_bug) values[thread()] = 1;
  sync_cta();
  *out_of(params) = values[thread() ^ 1];
}

DEVICE void unwritten_global(const PlantedParams& params) {
  if (params.has_bug) *out_of(params) += 0;
  *out_of(params) = 1;
}

DEVICE void missing_wait(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  if (thread() < 32) {
    ptx::cp_async16(ptx::shared_address(values + thread() * 4), params.in + thread() * 4, true);
    ptx::cp_async_commit();
    if (!params.has_bug) ptx::cp_async_wait<0>();
  }
  sync_cta();
  *out_of(params) = values[thread()];
}

// Waits, but for all groups except the newest, and that is the one it needs.
DEVICE void wait_for_too_few(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  if (thread() < 32) {
    ptx::cp_async16(ptx::shared_address(values + thread() * 4), params.in + thread() * 4, true);
    ptx::cp_async_commit();
    if (!params.has_bug) ptx::cp_async_commit();
    ptx::cp_async_wait<1>();
  }
  sync_cta();
  *out_of(params) = values[thread()];
}

DEVICE void missing_commit(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  if (thread() < 32) {
    ptx::cp_async16(ptx::shared_address(values + thread() * 4), params.in + thread() * 4, true);
    if (!params.has_bug) ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
  }
  sync_cta();
  *out_of(params) = values[thread()];
}

DEVICE void copy_over_read(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads + 4);
  if (thread() < 33) {
    const bool valid = thread() < 32 || params.has_bug;
    ptx::cp_async16(ptx::shared_address(values + thread() * 4), params.in + thread() * 4, valid);
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
  }
  sync_cta();
  *out_of(params) = values[params.has_bug ? thread() + 4 : thread()];
}

DEVICE void misaligned_load(const PlantedParams& params) {
  const Vec16 four = ld16(params.in + (params.has_bug ? 1 : 4));
  *out_of(params) = f32_of(four.words[0]);
}

DEVICE void misaligned_type(const PlantedParams& params) {
  const f32* const from = params.in + (params.has_bug ? 1 : 4);
  const u64 two = *reinterpret_cast<const u64*>(from);
  *out_of(params) = f32_of(u32(two)) * f32_of(u32(two >> 32));
}

DEVICE void misaligned_copy(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads);
  if (thread() == 0) {
    ptx::cp_async16(ptx::shared_address(values), params.in + (params.has_bug ? 2 : 4), true);
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
  }
  sync_cta();
  *out_of(params) = values[0];
}

DEVICE void matrix_outside(const PlantedParams& params) {
  CU_SHARED(bf16, tile, 8 * 8);
  CU_SHARED(f32, after, kThreads);
  after[thread()] = 1;
  if (thread() < 64) tile[thread()] = from_f32<bf16>(1);
  sync_cta();
  u32 words[2];
  const u32 rows = params.has_bug ? 9 : 8;
  ptx::ldmatrix_x2(words, ptx::shared_address(tile + threadIdx.x % rows * 8));
  const f32x2 first = unpack2<bf16>(words[0]);
  const f32x2 second = unpack2<bf16>(words[1]);
  *out_of(params) = first.x * first.y * second.x * second.y;
}

DEVICE void host_pointer(const PlantedParams& params) { *out_of(params) = params.in[thread()]; }

DEVICE void large_shared(const PlantedParams& params) {
  CU_SHARED(f32, values, kThreads * 96);
  values[thread()] = 1;
  if (params.has_bug) {
    CU_SHARED(f32, more, kThreads);
    more[thread()] = 1;
    values[thread()] = more[thread()];
  }
  *out_of(params) = values[thread()];
}

DEVICE void failed_assertion(const PlantedParams& params) {
  CU_ASSERT(params.has_bug == 0 || thread() < 100);
  *out_of(params) = 1;
}

}  // namespace planted_memory

#define PLANT(name) CU_KERNEL(planted_##name, planted_memory::name, PlantedParams, 128, 1)

PLANT(shared_overflow)
PLANT(shared_over_read)
PLANT(dynamic_overflow)
PLANT(global_over_read)
PLANT(global_under_read)
PLANT(global_overflow)
PLANT(unwritten_shared)
PLANT(unwritten_global)
PLANT(missing_wait)
PLANT(wait_for_too_few)
PLANT(missing_commit)
PLANT(copy_over_read)
PLANT(misaligned_load)
PLANT(misaligned_type)
PLANT(misaligned_copy)
PLANT(matrix_outside)
PLANT(host_pointer)
PLANT(large_shared)
PLANT(failed_assertion)
#undef PLANT
