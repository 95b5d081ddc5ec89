#pragma once
// A virtual vector of 16 f32 lanes, the same on every instruction set: __m512, two __m256 or four
// groups of four. Kernels are written over it once and compiled once per instruction set.
//
// Rules of a file that includes this one (it is compiled with flags that the machine may lack):
// everything it defines is in namespace cpu::PA_ISA, and it includes no C++ standard header, or the
// linker could pick an AVX-512 copy of an inline function for the portable code.

#include <string.h>

#include "kernels.h"

#ifndef PA_ISA
#error \
    "compile with -DPA_ISA=<namespace> -DPA_ISA_LEVEL=<0 portable, 1 avx2, 2 avx512, 3 avx512bf16>"
#endif

#define PA_INLINE inline __attribute__((always_inline))
// For the ends of rows, which would otherwise be most of the code.
#define PA_NOINLINE inline __attribute__((noinline))
// For vector functions of many instructions. PA_SMALL_CODE is for builds with sanitizers, which
// take minutes to instrument what is otherwise inlined and unrolled; it changes no bit.
#if defined(PA_SMALL_CODE) || PA_ISA_LEVEL == 0
#define PA_MATH PA_NOINLINE
#else
#define PA_MATH PA_INLINE
#endif

#if PA_ISA_LEVEL >= 2
#include "simd_avx512.h"
#elif PA_ISA_LEVEL == 1
#include "simd_avx2.h"
#else
#include "simd_portable.h"
#endif

namespace cpu::PA_ISA {

constexpr i32 kLanes = 16;

PA_INLINE Vec zero() { return broadcast(0.0f); }

// First `count` lanes from memory, +0 in the rest.
PA_NOINLINE Vec load_partial(const f32* from, i32 count) {
  f32 lanes[kLanes] = {};
  memcpy(lanes, from, size_t(count) * sizeof(f32));
  return load(lanes);
}

PA_NOINLINE void store_partial(f32* to, Vec v, i32 count) {
  f32 lanes[kLanes];
  store(lanes, v);
  memcpy(to, lanes, size_t(count) * sizeof(f32));
}

#if PA_ISA_LEVEL < 2
// p * 2^n, where n is a whole number and the result is normal or too large; NaN where p is. Adding
// 1.5 * 2^23 puts n into the low bits.
PA_INLINE Vec scale_by_power(Vec p, Vec n) {
  const VecI exponent = shift_left<23>(as_int(n + broadcast(12582912.0f)));
  return as_float(as_int(p) + exponent) + (p - p);
}
#endif

PA_INLINE f32 first_lane(Vec v) {
  f32 lanes[kLanes];
  store(lanes, v);
  return lanes[0];
}

// f32 to bf16 in the low half of each lane: to nearest, ties to even; NaN stays NaN. Integer
// arithmetic, so that denormals keep their bits on every instruction set.
PA_INLINE VecI bf16_bits(Vec v) {
  const VecI bits = as_int(v);
  const VecI lsb = shift_right<16>(bits) & broadcast_int(1);
  const VecI rounded = bits + broadcast_int(0x7fff) + lsb;
  const VecI quiet = bits | broadcast_int(0x00400000);
  return shift_right<16>(select_nan(v, quiet, rounded));
}

PA_INLINE void store_bf16(u16* to, Vec v) { store_low_halves(to, bf16_bits(v)); }
PA_INLINE Vec load_bf16(const u16* from) { return as_float(shift_left<16>(load_halves(from))); }

// The value that a rounded store and a load would give.
PA_INLINE Vec round_to_bf16(Vec v) { return as_float(shift_left<16>(bf16_bits(v))); }

// Stores 16 lanes as f16 or bf16.
PA_INLINE void store_half(DType dtype, u16* to, Vec v) {
  if (dtype == kBF16) return store_bf16(to, v);
  store_f16(to, v);
}

// Stores `count` < 16 lanes at element `index` of an array of `dtype`.
PA_NOINLINE void store_partial_as(DType dtype, void* array, i64 index, Vec v, i32 count) {
  if (dtype == kF32) return store_partial(static_cast<f32*>(array) + index, v, count);
  u16 halves[kLanes];
  store_half(dtype, halves, v);
  memcpy(static_cast<u16*>(array) + index, halves, size_t(count) * sizeof(u16));
}

// Stores `count` lanes, or all 16, at element `index` of an array of `dtype`.
PA_INLINE void store_as(DType dtype, void* array, i64 index, Vec v, i32 count) {
  if (count < kLanes) return store_partial_as(dtype, array, index, v, count);
  if (dtype == kF32) return store(static_cast<f32*>(array) + index, v);
  store_half(dtype, static_cast<u16*>(array) + index, v);
}

}  // namespace cpu::PA_ISA
