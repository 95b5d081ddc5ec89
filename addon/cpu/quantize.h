#pragma once
// Rounding a group of 32 f32 to integers with one scale, as quantized.h says.

#include "quantized.h"
#include "simd.h"

namespace cpu::PA_ISA {

constexpr u16 kF16NaN = 0x7e00;
constexpr i32 kInfinityBits = 0x7f800000;

struct Group {
  Vec low, high;  // elements 0 to 15, 16 to 31
};

// The bits of the largest absolute value, which order as integers; from kInfinityBits on where the
// group has infinity or NaN.
PA_INLINE i32 max_magnitude_bits(const Group& group) {
  const VecI magnitude = broadcast_int(0x7fffffff);
  return reduce_max(max(as_int(group.low) & magnitude, as_int(group.high) & magnitude));
}

PA_INLINE f32 float_of(i32 bits) {
  f32 value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

PA_INLINE f32 inverse_of(f32 scale) { return scale == 0.0f ? 0.0f : 1.0f / scale; }

// A whole number below 2^22 in size, from one that is not: to nearest, ties to even. Adding
// 1.5 * 2^23 rounds.
PA_INLINE VecI round_to_int(Vec x) {
  const Vec rounder = broadcast(12582912.0f);
  return as_int(x + rounder) - as_int(rounder);
}

}  // namespace cpu::PA_ISA
