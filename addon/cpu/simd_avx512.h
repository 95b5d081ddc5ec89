#pragma once
// The 16-lane vector as one __m512 (AVX-512 F, BW, DQ, VL; BF16 and VNNI at level 3). Included by simd.h
// only; each function's contract stands in simd_portable.h.

#include <immintrin.h>

namespace cpu::PA_ISA {

struct Vec {
  __m512 v;
};
struct VecI {
  __m512i v;
};

PA_INLINE Vec load(const f32* from) { return {_mm512_loadu_ps(from)}; }
PA_INLINE void store(f32* to, Vec a) { _mm512_storeu_ps(to, a.v); }
PA_INLINE Vec broadcast(f32 x) { return {_mm512_set1_ps(x)}; }
PA_INLINE VecI broadcast_int(i32 x) { return {_mm512_set1_epi32(x)}; }

PA_INLINE VecI as_int(Vec a) { return {_mm512_castps_si512(a.v)}; }
PA_INLINE Vec as_float(VecI a) { return {_mm512_castsi512_ps(a.v)}; }

PA_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
PA_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
PA_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
PA_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
PA_INLINE VecI operator+(VecI a, VecI b) { return {_mm512_add_epi32(a.v, b.v)}; }
PA_INLINE VecI operator-(VecI a, VecI b) { return {_mm512_sub_epi32(a.v, b.v)}; }
PA_INLINE VecI operator&(VecI a, VecI b) { return {_mm512_and_si512(a.v, b.v)}; }
PA_INLINE VecI operator|(VecI a, VecI b) { return {_mm512_or_si512(a.v, b.v)}; }
PA_INLINE VecI operator^(VecI a, VecI b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int kBits>
PA_INLINE VecI shift_left(VecI a) {
  return {_mm512_slli_epi32(a.v, kBits)};
}
template <int kBits>
PA_INLINE VecI shift_right(VecI a) {
  return {_mm512_srli_epi32(a.v, kBits)};
}
template <int kBits>
PA_INLINE VecI shift_right_halves(VecI a) {
  return {_mm512_srli_epi16(a.v, kBits)};
}
template <int kBits>
PA_INLINE VecI shift_right_signed(VecI a) {
  return {_mm512_srai_epi32(a.v, kBits)};
}

PA_INLINE VecI max(VecI a, VecI b) { return {_mm512_max_epi32(a.v, b.v)}; }
PA_INLINE i32 reduce_max(VecI a) { return _mm512_reduce_max_epi32(a.v); }
PA_INLINE i32 reduce_add(VecI a) { return _mm512_reduce_add_epi32(a.v); }
PA_INLINE void store_low_bytes(void* to, VecI a) {
  _mm_storeu_si128(static_cast<__m128i*>(to), _mm512_cvtepi32_epi8(a.v));
}
PA_INLINE void store_crossed_halves(void* to, VecI a) {
  const __m256i halves = _mm512_cvtepi32_epi16(a.v);
  const __m256i crossed = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(halves, 0xd8), 0xd8);
  _mm256_storeu_si256(static_cast<__m256i*>(to), crossed);
}
PA_INLINE Vec to_float(VecI a) { return {_mm512_cvtepi32_ps(a.v)}; }
PA_INLINE VecI add_pair_products(VecI acc, VecI a, VecI b) {
  return {_mm512_add_epi32(acc.v, _mm512_madd_epi16(a.v, b.v))};
}
// As in simd_avx2.h.
PA_INLINE VecI byte_pair_products(VecI a, VecI b) { return {_mm512_maddubs_epi16(a.v, b.v)}; }
PA_INLINE VecI add_halves(VecI a, VecI b) { return {_mm512_add_epi16(a.v, b.v)}; }
PA_INLINE VecI finished(VecI a) {
  asm("" : "+v"(a.v));
  return a;
}

PA_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
PA_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
PA_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }

PA_INLINE Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
PA_INLINE VecI select_nan(Vec a, VecI x, VecI y) {
  return {_mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), y.v, x.v)};
}
PA_INLINE Vec max_or_second(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
PA_INLINE Vec min_or_second(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }

PA_INLINE u32 lanes_below(i32 count) {
  if (count <= 0) return 0;
  return count >= 16 ? 0xffffu : (1u << count) - 1;
}
PA_INLINE Vec keep_lanes(Vec v, i32 begin, i32 end, Vec fill) {
  const __mmask16 kept = __mmask16(lanes_below(end) & ~lanes_below(begin));
  return {_mm512_mask_blend_ps(kept, fill.v, v.v)};
}

PA_INLINE f32 reduce_add(Vec a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
PA_INLINE f32 reduce_max(Vec a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

PA_INLINE __m256i load_packed_halves(const u16* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
PA_INLINE VecI load_halves(const u16* from) {
  return {_mm512_cvtepu16_epi32(load_packed_halves(from))};
}
PA_INLINE void store_low_halves(u16* to, VecI a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(a.v));
}
PA_INLINE VecI load_pairs(const void* from) { return {_mm512_loadu_si512(from)}; }

PA_INLINE Vec load_f16(const u16* from) { return {_mm512_cvtph_ps(load_packed_halves(from))}; }
PA_INLINE __m256i narrow_f16(Vec a) {
  return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
PA_INLINE void store_f16(u16* to, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow_f16(a));
}
PA_INLINE Vec round_to_f16(Vec a) { return {_mm512_cvtph_ps(narrow_f16(a))}; }
PA_INLINE Vec odd_f16(VecI pairs) {
  return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(pairs.v, 16)))};
}
PA_INLINE Vec even_f16(VecI pairs) { return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(pairs.v))}; }

// p * 2^n, where n is a whole number and the result is normal or too large; NaN where p is.
PA_INLINE Vec scale_by_power(Vec p, Vec n) { return {_mm512_scalef_ps(p.v, n.v)}; }

#if PA_ISA_LEVEL >= 3
// As store_bf16, but a denormal becomes zero: for operands of dot_pairs, which takes it as zero.
PA_INLINE void store_bf16_flushed(u16* to, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(a.v));
}

// acc + odd * odd, then + even * even: two fused multiply-adds per lane, flushing denormals.
PA_INLINE Vec dot_pairs(Vec acc, VecI a, VecI b) {
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)a.v, (__m512bh)b.v)};
}

// acc + the four products of a lane's bytes; those of `a` are unsigned, those of `b` signed.
PA_INLINE VecI dot_quads(VecI acc, VecI a, VecI b) {
  return {_mm512_dpbusd_epi32(acc.v, a.v, b.v)};
}
#endif

}  // namespace cpu::PA_ISA
