#pragma once
// The scale of an RMS norm: one sum of squares in 16 lanes, then the fixed tree.

#include "simd.h"

namespace cpu::PA_ISA {

// 1 / sqrt(mean(x^2) + eps) over `count` elements.
PA_INLINE f32 inverse_rms(const f32* x, i32 count, f32 eps) {
  Vec squares = zero();
  i32 i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = load(x + i);
    squares = fma(v, v, squares);
  }
  if (i < count) {
    const Vec v = load_partial(x + i, count - i);
    squares = fma(v, v, squares);
  }
  const f32 mean = reduce_add(squares) / f32(count);
  return first_lane(broadcast(1.0f) / sqrt(broadcast(mean + eps)));
}

// 16 elements of x * inverse * (offset + weight).
PA_INLINE Vec normalized(Vec x, f32 inverse, Vec weight, f32 offset) {
  return (x * broadcast(inverse)) * (weight + broadcast(offset));
}

}  // namespace cpu::PA_ISA
