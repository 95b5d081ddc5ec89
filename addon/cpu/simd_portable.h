#pragma once
// The 16-lane vector in plain C++ with GCC's vector types: four groups of four lanes. Included by
// simd.h only. The multiply-add is fused here too, by exact double arithmetic where the baseline
// has no such instruction, so that the bits equal those of the other instruction sets.

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cpu::PA_ISA {

typedef f32 Quad __attribute__((vector_size(16)));
typedef i32 QuadI __attribute__((vector_size(16)));
typedef u32 QuadU __attribute__((vector_size(16)));

struct Vec {
  Quad q[4];
};
struct VecI {
  QuadI q[4];
};

#define PA_EACH_QUAD(type, expression)                  \
  type result;                                          \
  for (int i = 0; i < 4; ++i) result.q[i] = expression; \
  return result

PA_INLINE Vec load(const f32* from) {
  Vec result;
  memcpy(&result, from, sizeof(result));
  return result;
}
PA_INLINE void store(f32* to, Vec v) { memcpy(to, &v, sizeof(v)); }
PA_INLINE Vec broadcast(f32 x) { PA_EACH_QUAD(Vec, (Quad{x, x, x, x})); }
PA_INLINE VecI broadcast_int(i32 x) { PA_EACH_QUAD(VecI, (QuadI{x, x, x, x})); }

PA_INLINE VecI as_int(Vec a) { PA_EACH_QUAD(VecI, (QuadI)a.q[i]); }
PA_INLINE Vec as_float(VecI a) { PA_EACH_QUAD(Vec, (Quad)a.q[i]); }

PA_INLINE Vec operator+(Vec a, Vec b) { PA_EACH_QUAD(Vec, a.q[i] + b.q[i]); }
PA_INLINE Vec operator-(Vec a, Vec b) { PA_EACH_QUAD(Vec, a.q[i] - b.q[i]); }
PA_INLINE Vec operator*(Vec a, Vec b) { PA_EACH_QUAD(Vec, a.q[i] * b.q[i]); }
PA_INLINE Vec operator/(Vec a, Vec b) { PA_EACH_QUAD(Vec, a.q[i] / b.q[i]); }
PA_INLINE VecI operator+(VecI a, VecI b) {
  PA_EACH_QUAD(VecI, (QuadI)((QuadU)a.q[i] + (QuadU)b.q[i]));
}
PA_INLINE VecI operator-(VecI a, VecI b) {
  PA_EACH_QUAD(VecI, (QuadI)((QuadU)a.q[i] - (QuadU)b.q[i]));
}
PA_INLINE VecI operator&(VecI a, VecI b) { PA_EACH_QUAD(VecI, a.q[i] & b.q[i]); }
PA_INLINE VecI operator|(VecI a, VecI b) { PA_EACH_QUAD(VecI, a.q[i] | b.q[i]); }
PA_INLINE VecI operator^(VecI a, VecI b) { PA_EACH_QUAD(VecI, a.q[i] ^ b.q[i]); }
template <int kBits>
PA_INLINE VecI shift_left(VecI a) {
  PA_EACH_QUAD(VecI, (QuadI)((QuadU)a.q[i] << kBits));
}
template <int kBits>
PA_INLINE VecI shift_right(VecI a) {
  PA_EACH_QUAD(VecI, (QuadI)((QuadU)a.q[i] >> kBits));
}
// Of unsigned i16.
template <int kBits>
PA_INLINE VecI shift_right_halves(VecI a) {
  const i32 mask = (0xffff >> kBits) * 0x00010001;
  PA_EACH_QUAD(VecI, (QuadI)((QuadU)a.q[i] >> kBits) & mask);
}
template <int kBits>
PA_INLINE VecI shift_right_signed(VecI a) {
  PA_EACH_QUAD(VecI, a.q[i] >> kBits);
}

PA_INLINE QuadI choose(QuadI mask, QuadI a, QuadI b) { return (mask & a) | (~mask & b); }

PA_INLINE VecI max(VecI a, VecI b) {
  PA_EACH_QUAD(VecI, choose((QuadI)(a.q[i] > b.q[i]), a.q[i], b.q[i]));
}
PA_INLINE i32 reduce_max(VecI v) {
  i32 max = v.q[0][0];
  for (int i = 1; i < 16; ++i) max = v.q[i / 4][i % 4] > max ? v.q[i / 4][i % 4] : max;
  return max;
}
PA_INLINE i32 reduce_add(VecI v) {
  const QuadI sum = (v.q[0] + v.q[1]) + (v.q[2] + v.q[3]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
// The low byte of each lane, which is in [-128, 127].
PA_INLINE void store_low_bytes(void* to, VecI v) {
  u8 bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = u8(v.q[i / 4][i % 4]);
  memcpy(to, bytes, sizeof(bytes));
}
PA_INLINE void store_crossed_halves(void* to, VecI v) {
  constexpr int kFrom[4] = {0, 2, 1, 3};
  u16 halves[16];
  for (int i = 0; i < 16; ++i) halves[i] = u16(v.q[i / 4][kFrom[i % 4]]);
  memcpy(to, halves, sizeof(halves));
}

// Each lane as f32; exact below 2^24.
PA_INLINE Vec to_float(VecI a) { PA_EACH_QUAD(Vec, (__builtin_convertvector(a.q[i], Quad))); }

// acc + the two products of a lane's i16 halves.
#if defined(__SSE2__)
PA_INLINE VecI add_pair_products(VecI acc, VecI a, VecI b) {
  PA_EACH_QUAD(VecI, acc.q[i] + (QuadI)_mm_madd_epi16((__m128i)a.q[i], (__m128i)b.q[i]));
}
#else
PA_INLINE VecI add_pair_products(VecI acc, VecI a, VecI b) {
  PA_EACH_QUAD(VecI, acc.q[i] + ((a.q[i] << 16) >> 16) * ((b.q[i] << 16) >> 16) +
                         (a.q[i] >> 16) * (b.q[i] >> 16));
}
#endif
// As in simd_avx2.h, where it matters.
PA_INLINE VecI finished(VecI a) { return a; }

#if defined(__SSE2__) && !defined(__FMA__)
// Two lanes of a * b + c, rounded once. The product is exact in double; the sum is rounded to odd
// (Boldo and Melquiond 2008), after which rounding to f32 is as if from the exact value.
// Intrinsics, because GCC 12 at -O3 joins lanes of the same code in vector types wrongly.
PA_INLINE __m128d fused_to_odd(__m128d a, __m128d b, __m128d c) {
  const __m128d product = _mm_mul_pd(a, b);
  const __m128d sum = _mm_add_pd(product, c);
  const __m128d c_part = _mm_sub_pd(sum, product);
  const __m128d error =
      _mm_add_pd(_mm_sub_pd(product, _mm_sub_pd(sum, c_part)), _mm_sub_pd(c, c_part));
  const __m128d inexact = _mm_or_pd(_mm_cmplt_pd(error, _mm_setzero_pd()),
                                    _mm_cmpgt_pd(error, _mm_setzero_pd()));  // not where it is NaN
  const __m128i one = _mm_set1_epi64x(1);
  const __m128i bits = _mm_castpd_si128(sum);
  const __m128i even = _mm_sub_epi64(_mm_and_si128(bits, one), one);
  const __m128i opposite = _mm_srli_epi64(_mm_castpd_si128(_mm_xor_pd(sum, error)), 63);
  const __m128i toward = _mm_sub_epi64(one, _mm_add_epi64(opposite, opposite));
  const __m128i change = _mm_and_si128(_mm_and_si128(toward, even), _mm_castpd_si128(inexact));
  return _mm_castsi128_pd(_mm_add_epi64(bits, change));
}

PA_INLINE Quad fused_quad(Quad a, Quad b, Quad c) {
  const __m128d low = fused_to_odd(_mm_cvtps_pd(a), _mm_cvtps_pd(b), _mm_cvtps_pd(c));
  const __m128d high =
      fused_to_odd(_mm_cvtps_pd(_mm_movehl_ps(a, a)), _mm_cvtps_pd(_mm_movehl_ps(b, b)),
                   _mm_cvtps_pd(_mm_movehl_ps(c, c)));
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}
#else
PA_INLINE Quad fused_quad(Quad a, Quad b, Quad c) {
  return Quad{__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]),
              __builtin_fmaf(a[2], b[2], c[2]), __builtin_fmaf(a[3], b[3], c[3])};
}
#endif

#if defined(PA_SMALL_CODE)
#define PA_FUSED PA_NOINLINE
#else
#define PA_FUSED PA_INLINE
#endif
PA_FUSED Vec fma(Vec a, Vec b, Vec c) { PA_EACH_QUAD(Vec, fused_quad(a.q[i], b.q[i], c.q[i])); }
PA_FUSED Vec fnma(Vec a, Vec b, Vec c) { PA_EACH_QUAD(Vec, fused_quad(-a.q[i], b.q[i], c.q[i])); }

PA_INLINE Vec sqrt(Vec a) {
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) a.q[i][j] = __builtin_sqrtf(a.q[i][j]);
  }
  return a;
}

// a < b ? x : y in each lane; y where a or b is NaN.
PA_INLINE Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  PA_EACH_QUAD(Vec, (Quad)choose((QuadI)(a.q[i] < b.q[i]), (QuadI)x.q[i], (QuadI)y.q[i]));
}
PA_INLINE VecI select_nan(Vec a, VecI x, VecI y) {
  PA_EACH_QUAD(VecI, choose((QuadI)(a.q[i] != a.q[i]), x.q[i], y.q[i]));
}

// a > b ? a : b and a < b ? a : b; b where either is NaN.
PA_INLINE Vec max_or_second(Vec a, Vec b) { return select_less(b, a, a, b); }
PA_INLINE Vec min_or_second(Vec a, Vec b) { return select_less(a, b, a, b); }

// Lanes [begin, end) of v, `fill` in the others.
PA_INLINE Vec keep_lanes(Vec v, i32 begin, i32 end, Vec fill) {
  for (i32 i = 0; i < 16; ++i) {
    if (i < begin || i >= end) v.q[i / 4][i % 4] = fill.q[i / 4][i % 4];
  }
  return v;
}

// Lane i with lane i + 8, then + 4, + 2, + 1: the tree of every instruction set.
PA_INLINE f32 reduce_add(Vec v) {
  const Quad sum = (v.q[0] + v.q[2]) + (v.q[1] + v.q[3]);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
// No lane is NaN.
PA_INLINE f32 reduce_max(Vec v) {
  f32 max = v.q[0][0];
  for (int i = 1; i < 16; ++i) max = v.q[i / 4][i % 4] > max ? v.q[i / 4][i % 4] : max;
  return max;
}

PA_INLINE VecI load_halves(const u16* from) {
  VecI result;
  for (int i = 0; i < 16; ++i) result.q[i / 4][i % 4] = from[i];
  return result;
}
PA_INLINE void store_low_halves(u16* to, VecI v) {
  for (int i = 0; i < 16; ++i) to[i] = u16(v.q[i / 4][i % 4]);
}

// 16 pairs of 2-byte values: the first (even) or second (odd) of each, widened.
PA_INLINE VecI load_pairs(const void* from) {
  VecI result;
  memcpy(&result, from, sizeof(result));
  return result;
}

PA_INLINE QuadI widen_f16(QuadI half) {
  const QuadI sign = (half & 0x8000) << 16;
  const QuadI magnitude = half & 0x7fff;
  const QuadI normal = (magnitude << 13) + (112 << 23);
  const QuadI quiet = choose(magnitude > 0x7c00, QuadI{} + 0x400000, QuadI{});
  const QuadI special = (normal + (112 << 23)) | quiet;
  const Quad smallest = (Quad)(QuadI{} + (113 << 23));  // 2^-14
  const QuadI denormal = (QuadI)((Quad)((magnitude << 13) + (113 << 23)) - smallest);
  const QuadI finite = choose(magnitude < 0x400, denormal, normal);
  return sign | choose(magnitude >= 0x7c00, special, finite);
}
PA_INLINE QuadI narrow_f16(QuadI bits) {
  const QuadI sign = (QuadI)((QuadU)bits >> 16) & 0x8000;
  const QuadI magnitude = bits & 0x7fffffff;
  const QuadU ties_to_even = (QuadU)magnitude + 0xfff + (((QuadU)magnitude >> 13) & 1);
  const QuadI normal = (QuadI)((ties_to_even - (112 << 23)) >> 13);
  const Quad half = (Quad)(QuadI{} + (126 << 23));  // adding 0.5 rounds to multiples of 2^-24
  const QuadI denormal = (QuadI)((Quad)magnitude + half) - (126 << 23);
  const QuadI nan = ((magnitude >> 13) & 0x3ff) | 0x7e00;
  QuadI result = choose(magnitude < 0x38800000, denormal, normal);
  result = choose(magnitude >= 0x477ff000, QuadI{} + 0x7c00, result);
  result = choose(magnitude > 0x7f800000, nan, result);
  return sign | result;
}
PA_INLINE Vec f16_to_f32(VecI halves) { PA_EACH_QUAD(Vec, (Quad)widen_f16(halves.q[i])); }
PA_INLINE VecI f16_bits(Vec v) { PA_EACH_QUAD(VecI, narrow_f16((QuadI)v.q[i])); }

PA_INLINE Vec load_f16(const u16* from) { return f16_to_f32(load_halves(from)); }
PA_INLINE void store_f16(u16* to, Vec v) { store_low_halves(to, f16_bits(v)); }
PA_INLINE Vec round_to_f16(Vec v) { return f16_to_f32(f16_bits(v)); }
PA_INLINE Vec odd_f16(VecI pairs) { return f16_to_f32(shift_right<16>(pairs)); }
PA_INLINE Vec even_f16(VecI pairs) { return f16_to_f32(pairs & broadcast_int(0xffff)); }

#undef PA_FUSED
#undef PA_EACH_QUAD

}  // namespace cpu::PA_ISA
