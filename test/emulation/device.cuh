#pragma once
// The names of cuda/device.cuh for the CPU; see there for what they mean.

#include <cmath>

#include "cta.h"

#define DEVICE inline __attribute__((always_inline))

#define CU_KERNEL(name, body, Params, max_threads, min_ctas)                                  \
  static_assert((min_ctas) > 0 && (max_threads) % 32 == 0 && (max_threads) <= 1024, "");      \
  static void name##_body_(const void* params) { body(*static_cast<const Params*>(params)); } \
  static const ::emulation::Registration name##_registration_(                                \
      ::emulation::Kernel{#name, name##_body_, sizeof(Params), (max_threads), __FILE__});

#define CU_SHARED(T, name, count)                                                     \
  static constexpr ::emulation::SharedArray name##_array_{#name, __FILE__, __LINE__}; \
  T* const name =                                                                     \
      static_cast<T*>(::emulation::shared_array(&name##_array_, sizeof(T) * size_t(count)))

#define CU_DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(::emulation::dynamic_shared())

#define CU_ASSERT(condition)                                                             \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      ::emulation::fault("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition); \
    }                                                                                    \
  } while (false)

#define threadIdx (::emulation::current->index)
#define blockIdx (::emulation::current->grid->block_index)
#define blockDim (::emulation::current->grid->block_dim)
#define gridDim (::emulation::current->grid->grid_dim)

// Where a collective stands in the kernel.
#define EMULATION_HERE const char *file_ = __builtin_FILE(), int line_ = __builtin_LINE()

constexpr i32 kWarpSize = 32;
constexpr f32 kInfinity = __builtin_huge_valf();

struct bf16 {
  u16 bits;
};
struct f16 {
  u16 bits;
};
struct alignas(16) Vec16 {
  u32 words[4];
};
struct alignas(8) f32x2 {
  f32 x, y;
};
struct alignas(16) f32x4 {
  f32 x, y, z, w;
};

DEVICE u32 bits_of(f32 value) { return __builtin_bit_cast(u32, value); }
DEVICE f32 f32_of(u32 bits) { return __builtin_bit_cast(f32, bits); }
DEVICE bool is_nan(f32 value) { return (bits_of(value) & 0x7fffffffu) > 0x7f800000u; }
DEVICE bool is_finite(f32 value) { return (bits_of(value) & 0x7f800000u) != 0x7f800000u; }

DEVICE f32 to_f32(f32 value) { return value; }
DEVICE f32 to_f32(bf16 value) { return f32_of(u32(value.bits) << 16); }
DEVICE f32 to_f32(f16 value) {
  const u32 magnitude = u32(value.bits & 0x7fffu) << 13;
  const f32 scaled = f32_of(magnitude) * 0x1p112f;  // subnormals come out right too
  const u32 infinite = magnitude >= 0x0f800000u ? 0x7f800000u : 0;
  return f32_of(u32(value.bits & 0x8000u) << 16 | infinite | bits_of(scaled));
}

template <class T>
DEVICE T from_f32(f32 value);
template <>
DEVICE f32 from_f32<f32>(f32 value) {
  return value;
}
template <>
DEVICE bf16 from_f32<bf16>(f32 value) {
  const u32 bits = bits_of(value);
  if (is_nan(value)) return {0x7fff};
  return {u16((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
template <>
DEVICE f16 from_f32<f16>(f32 value) {
  if (is_nan(value)) return {0x7fff};
  const u16 sign = u16(bits_of(value) >> 16 & 0x8000u);
  const f32 magnitude = f32_of(bits_of(value) & 0x7fffffffu);
  if (magnitude >= 65520.0f) return {u16(sign | 0x7c00u)};
  if (magnitude < 0x1p-14f) return {u16(sign | (bits_of(magnitude + 0.5f) - 0x3f000000u))};
  const u32 bits = bits_of(magnitude) - (112u << 23);
  return {u16(sign | ((bits + 0xfffu + (bits >> 13 & 1)) >> 13))};
}

template <class T>
DEVICE u32 pack2(f32 low, f32 high) {
  return from_f32<T>(low).bits | u32(from_f32<T>(high).bits) << 16;
}
template <class T>
DEVICE f32x2 unpack2(u32 word) {
  return {to_f32(T{u16(word)}), to_f32(T{u16(word >> 16)})};
}

DEVICE Vec16 ld16(const void* address, EMULATION_HERE) {
  if (reinterpret_cast<size_t>(address) % 16 != 0) {
    emulation::fault("%s:%d: 16-byte load of the misaligned %p", file_, line_, address);
  }
  return *static_cast<const Vec16*>(address);
}
DEVICE void st16(void* address, Vec16 value, EMULATION_HERE) {
  if (reinterpret_cast<size_t>(address) % 16 != 0) {
    emulation::fault("%s:%d: 16-byte store to the misaligned %p", file_, line_, address);
  }
  *static_cast<Vec16*>(address) = value;
}
DEVICE Vec16 ld16_stream(const void* address, EMULATION_HERE) {
  return ld16(address, file_, line_);
}
DEVICE void st16_stream(void* address, Vec16 value, EMULATION_HERE) {
  st16(address, value, file_, line_);
}

DEVICE f32 exp2_fast(f32 value) {
  const f32 power = ::exp2f(value);
  return power < 0x1p-126f ? 0.0f : power;
}
DEVICE f32 exp_f32(f32 value) { return ::expf(value); }
DEVICE f32 log_f32(f32 value) { return ::logf(value); }
DEVICE f32 tanh_f32(f32 value) { return ::tanhf(value); }
DEVICE f32 sqrt_f32(f32 value) { return ::sqrtf(value); }
DEVICE f32 rsqrt_f32(f32 value) { return 1.0f / ::sqrtf(value); }
DEVICE f32 abs_f32(f32 value) { return ::fabsf(value); }
DEVICE f32 fma_f32(f32 a, f32 b, f32 c) { return ::fmaf(a, b, c); }
DEVICE f32 max_f32(f32 a, f32 b) { return ::fmaxf(a, b); }
DEVICE f32 min_f32(f32 a, f32 b) { return ::fminf(a, b); }
DEVICE i32 max_i32(i32 a, i32 b) { return a > b ? a : b; }
DEVICE i32 min_i32(i32 a, i32 b) { return a < b ? a : b; }
DEVICE u32 mul_hi(u32 a, u32 b) { return u32(u64(a) * b >> 32); }
DEVICE u64 mul_wide(u32 a, u32 b) { return u64(a) * b; }

DEVICE void sync_cta(EMULATION_HERE) { emulation::barrier(0, 0, {file_, line_}); }
DEVICE bool sync_cta_or(bool condition, EMULATION_HERE) {
  return emulation::barrier_or(condition, {file_, line_});
}
DEVICE void sync_warp(u32 mask = 0xffffffffu, EMULATION_HERE) {
  emulation::sync_lanes(mask, {file_, line_});
}
DEVICE void named_barrier(u32 id, u32 num_threads, EMULATION_HERE) {
  emulation::barrier(id, num_threads, {file_, line_});
}
// `bytes` of `value` become those of lane `source`.
DEVICE void exchange_(u32 mask, void* value, u32 bytes, u32 source, const char* file_, int line_) {
  emulation::Shuffle shuffle = {value, source % 32, 0};
  emulation::collective(mask,
                        bytes == 8 ? emulation::shuffle_double_words : emulation::shuffle_words,
                        &shuffle, "shuffle", {file_, line_});
}
template <class T>
DEVICE T shuffle(u32 mask, T value, u32 lane, EMULATION_HERE) {
  exchange_(mask, &value, sizeof(T), lane, file_, line_);
  return value;
}
template <class T>
DEVICE T shuffle_xor(u32 mask, T value, u32 lane_mask, EMULATION_HERE) {
  exchange_(mask, &value, sizeof(T), emulation::current->lane ^ lane_mask, file_, line_);
  return value;
}
template <class T>
DEVICE T shuffle_up(u32 mask, T value, u32 delta, EMULATION_HERE) {
  const u32 lane = emulation::current->lane;
  exchange_(mask, &value, sizeof(T), lane >= delta ? lane - delta : lane, file_, line_);
  return value;
}
template <class T>
DEVICE T shuffle_down(u32 mask, T value, u32 delta, EMULATION_HERE) {
  const u32 lane = emulation::current->lane;
  exchange_(mask, &value, sizeof(T), lane + delta < 32 ? lane + delta : lane, file_, line_);
  return value;
}
DEVICE u32 ballot(u32 mask, bool condition, EMULATION_HERE) {
  u32 votes = condition ? 1 : 0;
  emulation::collective(mask, emulation::count_votes, &votes, "ballot", {file_, line_});
  return votes;
}

DEVICE i32 atomic_add(i32* address, i32 value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
DEVICE u32 atomic_add(u32* address, u32 value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
DEVICE u32 atomic_cas(u32* address, u32 expected, u32 value) {
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
DEVICE f32 atomic_add(f32* address, f32 value) {
  u32* const word = reinterpret_cast<u32*>(address);
  u32 old = __atomic_load_n(word, __ATOMIC_RELAXED);
  for (;;) {
    const u32 seen = atomic_cas(word, old, bits_of(f32_of(old) + value));
    if (seen == old) return f32_of(old);
    old = seen;
  }
}
DEVICE u32 atomic_inc_wrap(u32* address, u32 limit) {
  u32 old = __atomic_load_n(address, __ATOMIC_RELAXED);
  for (;;) {
    const u32 seen = atomic_cas(address, old, old >= limit ? 0 : old + 1);
    if (seen == old) return old;
    old = seen;
  }
}
DEVICE u64 atomic_max(u64* address, u64 value) {
  u64 old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (old < value && !__atomic_compare_exchange_n(address, &old, value, false, __ATOMIC_RELAXED,
                                                     __ATOMIC_RELAXED)) {
  }
  return old;
}
DEVICE void fence_device() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
