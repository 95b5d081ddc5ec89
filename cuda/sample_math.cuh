#pragma once
// exp, log and random numbers of sampling: the CPU backend's formulas, operation by operation, so
// that equal logits give equal weights, whatever the GPU's own exp is.

#include <device.cuh>

namespace sample_math {

// Subnormal numbers count as 0, as on the CPU's threads; -0 becomes +0. NaN stays.
DEVICE f32 flushed(f32 x) { return abs_f32(x) < 0x1p-126f ? 0.0f : x; }

// e^x for x <= 88 or NaN; +0 below -87 and for -inf.
//
// Mirrors exp_small in addon/cpu/vector_math.h.
DEVICE f32 exp_of(f32 x) {
  constexpr f32 kLog2E = 1.4426950216293335f;
  constexpr f32 kLn2High = 0.693147182464599609375f;
  constexpr f32 kLn2Low = -1.9046542121259336e-9f;
  constexpr f32 kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  if (x < -87.0f) return 0.0f;
  const f32 n = fma_f32(x, kLog2E, kRounder) - kRounder;
  const f32 r = fma_f32(-n, kLn2Low, fma_f32(-n, kLn2High, x));
  f32 p = 0.0013814467238262296f;
  p = fma_f32(p, r, 0.008368780836462975f);
  p = fma_f32(p, r, 0.04166839271783829f);
  p = fma_f32(p, r, 0.1666651964187622f);
  p = fma_f32(p, r, 0.4999999403953552f);
  p = fma_f32(p, r * r, r) + 1.0f;
  return f32_of(bits_of(p) + (u32(i32(n)) << 23));
}

// ln x of a normal x > 0.
//
// Mirrors log in addon/cpu/vector_math.h.
DEVICE f32 log_of(f32 x) {
  constexpr f32 kLn2High = 0.693147182464599609375f;
  constexpr f32 kLn2Low = -1.9046542121259336e-9f;
  constexpr i32 kSqrtHalfBits = 0x3f3504f3;
  const i32 bits = i32(bits_of(x));
  const i32 exponent = (bits - kSqrtHalfBits) >> 23;
  const f32 f = f32_of(u32(bits) - (u32(exponent) << 23)) - 1.0f;
  f32 p = -0.07859613746404648f;
  p = fma_f32(p, f, 0.12881647050380707f);
  p = fma_f32(p, f, -0.13128754496574402f);
  p = fma_f32(p, f, 0.14181192219257355f);
  p = fma_f32(p, f, -0.16624553501605988f);
  p = fma_f32(p, f, 0.2000228613615036f);
  p = fma_f32(p, f, -0.25000810623168945f);
  p = fma_f32(p, f, 0.33333316445350647f);
  const f32 square = f * f;
  const f32 n = f32(exponent);
  f32 result = fma_f32(p, square * f, n * kLn2Low);
  result = fma_f32(-square, 0.5f, result);
  return fma_f32(n, kLn2High, result + f);
}

// A number in [0, 1) with 53 random bits, for (seed, position).
//
// Mirrors uniform_at in addon/cpu/philox.h.
// Source: Philox4x32-10, Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"
DEVICE double uniform_at(u64 seed, u32 position) {
  constexpr u32 kMultiplier0 = 0xd2511f53u;
  constexpr u32 kMultiplier1 = 0xcd9e8d57u;
  constexpr i32 kNumRounds = 10;
  u32 counter[4] = {position, 0, 0, 0};
  u32 key[2] = {u32(seed), u32(seed >> 32)};
#pragma unroll
  for (i32 round = 0; round < kNumRounds; round++) {
    const u64 product0 = mul_wide(kMultiplier0, counter[0]);
    const u64 product1 = mul_wide(kMultiplier1, counter[2]);
    counter[0] = u32(product1 >> 32) ^ counter[1] ^ key[0];
    counter[2] = u32(product0 >> 32) ^ counter[3] ^ key[1];
    counter[1] = u32(product1);
    counter[3] = u32(product0);
    key[0] += 0x9e3779b9u;  // golden ratio
    key[1] += 0xbb67ae85u;  // sqrt(3) - 1
  }
  const u64 bits = ((u64(counter[0]) << 32) | counter[1]) >> 11;
  return double(bits) * 0x1p-53;
}

}  // namespace sample_math
