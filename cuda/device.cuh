#pragma once
// What kernels use of the GPU apart from tensor cores and asynchronous copies (ptx.cuh).
//
// test/emulation/device.cuh declares the same names for the CPU and comes first on the include path
// there; test/emulation/headers.test.ts holds the two lists equal.
//
// Collectives (sync_*, shuffle*, ballot, named_barrier) are reached by all threads that they name,
// at one source line; shuffles and ballots do not order memory, barriers do.

#include "params.h"

#define DEVICE __device__ __forceinline__

// extern "C" kernel `name`: `body` is a function of `const Params&`; one with template arguments
// stands in parentheses: CU_KERNEL(x_bf16, (x_body<bf16, 64>), XParams, 128, 1).
#define CU_KERNEL(name, body, Params, max_threads, min_ctas)              \
  extern "C" __global__ void __launch_bounds__((max_threads), (min_ctas)) \
      name(const __grid_constant__ Params params) {                       \
    body(params);                                                         \
  }

// `count` elements of shared memory, 16-byte aligned, not initialised; `name` is a T*.
#define CU_SHARED(T, name, count)                    \
  __shared__ __align__(16) T name##_storage_[count]; \
  T* const name = name##_storage_

// The launch's dynamic shared memory, 1,024-byte aligned, not initialised; `name` is a T*.
#define CU_DYNAMIC_SHARED(T, name) T* const name = reinterpret_cast<T*>(dynamic_shared_memory)

// Checked in debug builds (PA_DEVICE_ASSERT) and under emulation; `condition` has no side effect.
#ifdef PA_DEVICE_ASSERT
#define CU_ASSERT(condition)    \
  do {                          \
    if (!(condition)) __trap(); \
  } while (false)
#else
#define CU_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#endif

extern __shared__ __align__(1024) u8 dynamic_shared_memory[];

constexpr i32 kWarpSize = 32;
constexpr f32 kInfinity = __builtin_bit_cast(f32, 0x7f800000u);  // NVRTC has no __builtin_inff

struct bf16 {
  u16 bits;
};
struct f16 {
  u16 bits;
};
struct __align__(16) Vec16 {
  u32 words[4];
};
struct __align__(8) f32x2 {
  f32 x, y;
};
struct __align__(16) f32x4 {
  f32 x, y, z, w;
};

// Bits and conversions. from_f32 and pack2 round to nearest, ties to even.

DEVICE u32 bits_of(f32 value) { return __float_as_uint(value); }
DEVICE f32 f32_of(u32 bits) { return __uint_as_float(bits); }
DEVICE bool is_nan(f32 value) { return (bits_of(value) & 0x7fffffffu) > 0x7f800000u; }
DEVICE bool is_finite(f32 value) { return (bits_of(value) & 0x7f800000u) != 0x7f800000u; }

DEVICE f32 to_f32(f32 value) { return value; }
DEVICE f32 to_f32(bf16 value) { return f32_of(u32(value.bits) << 16); }
DEVICE f32 to_f32(f16 value) {
  f32 wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}

template <class T>
DEVICE T from_f32(f32 value);
template <>
DEVICE f32 from_f32<f32>(f32 value) {
  return value;
}
template <>
DEVICE bf16 from_f32<bf16>(f32 value) {
  bf16 narrow;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
  return narrow;
}
template <>
DEVICE f16 from_f32<f16>(f32 value) {
  f16 narrow;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(value));
  return narrow;
}

// Two 2-byte values in one word; `low` has the lower address.
template <class T>
DEVICE u32 pack2(f32 low, f32 high);
template <>
DEVICE u32 pack2<bf16>(f32 low, f32 high) {
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
template <>
DEVICE u32 pack2<f16>(f32 low, f32 high) {
  u32 word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
template <class T>
DEVICE f32x2 unpack2(u32 word) {
  return {to_f32(T{u16(word)}), to_f32(T{u16(word >> 16)})};
}

// Memory. Addresses are 16-byte aligned.

DEVICE Vec16 ld16(const void* address) {
  const uint4 v = *static_cast<const uint4*>(address);
  return {{v.x, v.y, v.z, v.w}};
}
DEVICE void st16(void* address, Vec16 value) {
  *static_cast<uint4*>(address) =
      make_uint4(value.words[0], value.words[1], value.words[2], value.words[3]);
}
// Global memory that is read once and that nobody writes during the kernel.
DEVICE Vec16 ld16_stream(const void* address) {
  Vec16 value;
  asm volatile(
      "{ .reg .b64 policy;\n"
      "createpolicy.fractional.L2::evict_first.b64 policy, 1.0;\n"
      "ld.global.nc.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], policy; }"
      : "=r"(value.words[0]), "=r"(value.words[1]), "=r"(value.words[2]), "=r"(value.words[3])
      : "l"(address));
  return value;
}
// Global memory that this kernel does not read again.
DEVICE void st16_stream(void* address, Vec16 value) {
  asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(value.words[0]),
               "r"(value.words[1]), "r"(value.words[2]), "r"(value.words[3])
               : "memory");
}

// Math. max_f32 and min_f32 drop a NaN when the other operand is a number.

// 2^value, approximate; subnormal results are 0.
DEVICE f32 exp2_fast(f32 value) {
  f32 power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(value));
  return power;
}
DEVICE f32 exp_f32(f32 value) { return expf(value); }
DEVICE f32 log_f32(f32 value) { return logf(value); }
DEVICE f32 tanh_f32(f32 value) { return tanhf(value); }
DEVICE f32 sqrt_f32(f32 value) { return sqrtf(value); }
DEVICE f32 rsqrt_f32(f32 value) { return rsqrtf(value); }
DEVICE f32 abs_f32(f32 value) { return fabsf(value); }
DEVICE f32 fma_f32(f32 a, f32 b, f32 c) { return fmaf(a, b, c); }
DEVICE f32 max_f32(f32 a, f32 b) { return fmaxf(a, b); }
DEVICE f32 min_f32(f32 a, f32 b) { return fminf(a, b); }
DEVICE i32 max_i32(i32 a, i32 b) { return a > b ? a : b; }
DEVICE i32 min_i32(i32 a, i32 b) { return a < b ? a : b; }
// The upper 32 bits of the product, and all 64.
DEVICE u32 mul_hi(u32 a, u32 b) { return __umulhi(a, b); }
DEVICE u64 mul_wide(u32 a, u32 b) { return u64(a) * b; }

// Collectives.

DEVICE void sync_cta() { __syncthreads(); }
// Whether any thread of the CTA has a true condition; a barrier too.
DEVICE bool sync_cta_or(bool condition) { return __syncthreads_or(condition) != 0; }
DEVICE void sync_warp(u32 mask = 0xffffffffu) { __syncwarp(mask); }
// A barrier of `num_threads` threads (whole warps) of the CTA; `id` is 1 … 15.
DEVICE void named_barrier(u32 id, u32 num_threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(num_threads) : "memory");
}
// T is i32, u32, f32 or u64. A source lane outside the warp gives the caller's own value in
// shuffle_up and shuffle_down; shuffle takes `lane` modulo 32.
template <class T>
DEVICE T shuffle(u32 mask, T value, u32 lane) {
  return __shfl_sync(mask, value, int(lane));
}
template <class T>
DEVICE T shuffle_xor(u32 mask, T value, u32 lane_mask) {
  return __shfl_xor_sync(mask, value, int(lane_mask));
}
template <class T>
DEVICE T shuffle_up(u32 mask, T value, u32 delta) {
  return __shfl_up_sync(mask, value, delta);
}
template <class T>
DEVICE T shuffle_down(u32 mask, T value, u32 delta) {
  return __shfl_down_sync(mask, value, delta);
}
DEVICE u32 ballot(u32 mask, bool condition) { return __ballot_sync(mask, condition); }

// Atomics, relaxed, on shared or global memory; each gives the old value.

DEVICE i32 atomic_add(i32* address, i32 value) { return atomicAdd(address, value); }
DEVICE u32 atomic_add(u32* address, u32 value) { return atomicAdd(address, value); }
DEVICE f32 atomic_add(f32* address, f32 value) { return atomicAdd(address, value); }
// old >= limit ? 0 : old + 1
DEVICE u32 atomic_inc_wrap(u32* address, u32 limit) { return atomicInc(address, limit); }
DEVICE u64 atomic_max(u64* address, u64 value) { return atomicMax(address, value); }
DEVICE u32 atomic_cas(u32* address, u32 expected, u32 value) {
  return atomicCAS(address, expected, value);
}
// Writes before it are seen by the device before writes after it.
DEVICE void fence_device() { __threadfence(); }
