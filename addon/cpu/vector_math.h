#pragma once
// exp, log and tanh over 16 lanes, in a fixed order of fused multiply-adds, so that every
// instruction set gives the same bits; libm is not used because it picks its code by processor. The
// polynomials are minimax fits (Remez exchange) whose errors stand beside them.

#include "simd.h"

namespace cpu::PA_ISA {

constexpr f32 kLn2High = 0.693147182464599609375f;
constexpr f32 kLn2Low = -1.9046542121259336e-9f;
constexpr f32 kLog2E = 1.4426950216293335f;

// e^x within 1.1 ulp for x that is at most 88, or NaN; +0 below -87, where results would soon be
// denormal, and for -inf.
PA_MATH Vec exp_small(Vec x) {
  const Vec rounder = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec n = fma(x, broadcast(kLog2E), rounder) - rounder;
  const Vec r = fnma(n, broadcast(kLn2Low), fnma(n, broadcast(kLn2High), x));

  // e^r = 1 + r + r^2 P(r), |r| <= ln2 / 2, relative error 3.1e-9
  Vec p = broadcast(0.0013814467238262296f);
  p = fma(p, r, broadcast(0.008368780836462975f));
  p = fma(p, r, broadcast(0.04166839271783829f));
  p = fma(p, r, broadcast(0.1666651964187622f));
  p = fma(p, r, broadcast(0.4999999403953552f));
  p = fma(p, r * r, r) + broadcast(1.0f);
  return select_less(x, broadcast(-87.0f), zero(), scale_by_power(p, n));
}

// The same for any x: +inf above 88.72.
PA_INLINE Vec exp(Vec x) {
  return select_less(broadcast(88.72283172607422f), x, broadcast(__builtin_inff()), exp_small(x));
}

// ln x within 1 ulp for normal x > 0; NaN for NaN and infinity; other x is not asked for.
PA_MATH Vec log(Vec x) {
  const VecI one = broadcast_int(0x3f800000);
  const VecI sqrt_half = broadcast_int(0x3f3504f3);
  const VecI offset = as_int(x) - sqrt_half;
  const VecI exponent = shift_right_signed<23>(offset);
  const Vec mantissa = as_float(as_int(x) - shift_left<23>(exponent));  // [sqrt 1/2, sqrt 2)
  const Vec f = mantissa - as_float(one);

  // ln(1 + f) = f - f^2 / 2 + f^3 P(f), relative error 5.9e-9
  Vec p = broadcast(-0.07859613746404648f);
  p = fma(p, f, broadcast(0.12881647050380707f));
  p = fma(p, f, broadcast(-0.13128754496574402f));
  p = fma(p, f, broadcast(0.14181192219257355f));
  p = fma(p, f, broadcast(-0.16624553501605988f));
  p = fma(p, f, broadcast(0.2000228613615036f));
  p = fma(p, f, broadcast(-0.25000810623168945f));
  p = fma(p, f, broadcast(0.33333316445350647f));
  const Vec square = f * f;

  // The exponent as f32: 2^23 + 2^22 + n has n in its low bits.
  const Vec rounder = broadcast(12582912.0f);
  const Vec n = as_float(as_int(rounder) + exponent) - rounder;
  Vec result = fma(p, square * f, n * broadcast(kLn2Low));
  result = fnma(square, broadcast(0.5f), result);
  return fma(n, broadcast(kLn2High), result + f) + (x - x);
}

// tanh x within 2 ulp; a polynomial near 0, where the quotient would cancel.
PA_MATH Vec tanh(Vec x) {
  const VecI sign = as_int(x) & broadcast_int(i32(0x80000000u));
  const Vec magnitude = as_float(as_int(x) & broadcast_int(0x7fffffff));

  // tanh x = x + x^3 P(x^2), |x| < 0.625, relative error 4.2e-9
  const Vec square = x * x;
  Vec p = broadcast(-0.005717045161873102f);
  p = fma(p, square, broadcast(0.02065058797597885f));
  p = fma(p, square, broadcast(-0.05374349653720856f));
  p = fma(p, square, broadcast(0.13331490755081177f));
  p = fma(p, square, broadcast(-0.3333328366279602f));
  const Vec small = fma(p, square * x, x);

  const Vec e = exp(magnitude * broadcast(-2.0f));
  const Vec large = as_float(as_int((broadcast(1.0f) - e) / (broadcast(1.0f) + e)) | sign);
  return select_less(magnitude, broadcast(0.625f), small, large);
}

}  // namespace cpu::PA_ISA
