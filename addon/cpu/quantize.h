#pragma once
// Rounding a group of 32 f32 to integers with one scale, as quantized.h says.

#include "quantized.h"
#include "simd.h"

namespace cpu::PA_ISA {

constexpr u16 kF16NaN = 0x7e00;

struct Group {
  Vec low, high;  // elements 0 to 15, 16 to 31
};

// The element farthest from 0, and what the group's absolute values reach.
struct GroupRange {
  f32 max;
  f32 min;
  bool is_finite;
};

PA_INLINE GroupRange range_of(const Group& group) {
  // x - x is 0 but for NaN and infinity.
  const f32 nothing = reduce_add((group.low - group.low) + (group.high - group.high));
  const f32 max = reduce_max(max_or_second(group.low, group.high));
  const f32 negated_min = reduce_max(max_or_second(zero() - group.low, zero() - group.high));
  return {max, 0.0f - negated_min, nothing == 0.0f};
}

PA_INLINE f32 max_magnitude(const GroupRange& range) {
  return range.max > 0.0f - range.min ? range.max : 0.0f - range.min;
}

PA_INLINE f32 inverse_of(f32 scale) { return scale == 0.0f ? 0.0f : 1.0f / scale; }

// x * inverse to the nearest whole number, ties to even. Below 2^22 in size.
PA_INLINE VecI round_scaled(Vec x, Vec inverse) {
  const Vec rounder = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  return as_int(x * inverse + rounder) - as_int(rounder);
}

PA_INLINE VecI round_clamped(Vec x, Vec inverse, f32 least, f32 most) {
  const Vec scaled = min_or_second(max_or_second(x * inverse, broadcast(least)), broadcast(most));
  const Vec rounder = broadcast(12582912.0f);
  return as_int(scaled + rounder) - as_int(rounder);
}

PA_INLINE void store_ints(i32* to, VecI a) { memcpy(to, &a, sizeof(a)); }

}  // namespace cpu::PA_ISA
