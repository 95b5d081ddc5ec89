#pragma once
// The 16-lane vector as two __m256, for AVX2 with FMA and F16C. Included by simd.h only; each
// function's contract stands in simd_portable.h.

#include <immintrin.h>

namespace cpu::PA_ISA {

struct Vec {
  __m256 low, high;
};
struct VecI {
  __m256i low, high;
};

PA_INLINE Vec load(const f32* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
PA_INLINE void store(f32* to, Vec v) {
  _mm256_storeu_ps(to, v.low);
  _mm256_storeu_ps(to + 8, v.high);
}
PA_INLINE Vec broadcast(f32 x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
PA_INLINE VecI broadcast_int(i32 x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }

PA_INLINE VecI as_int(Vec a) { return {_mm256_castps_si256(a.low), _mm256_castps_si256(a.high)}; }
PA_INLINE Vec as_float(VecI a) { return {_mm256_castsi256_ps(a.low), _mm256_castsi256_ps(a.high)}; }

PA_INLINE Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
PA_INLINE Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
PA_INLINE Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
PA_INLINE Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
PA_INLINE VecI operator+(VecI a, VecI b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
PA_INLINE VecI operator-(VecI a, VecI b) {
  return {_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}
PA_INLINE VecI operator&(VecI a, VecI b) {
  return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}
PA_INLINE VecI operator|(VecI a, VecI b) {
  return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
PA_INLINE VecI operator^(VecI a, VecI b) {
  return {_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
}
template <int kBits>
PA_INLINE VecI shift_left(VecI a) {
  return {_mm256_slli_epi32(a.low, kBits), _mm256_slli_epi32(a.high, kBits)};
}
template <int kBits>
PA_INLINE VecI shift_right(VecI a) {
  return {_mm256_srli_epi32(a.low, kBits), _mm256_srli_epi32(a.high, kBits)};
}
template <int kBits>
PA_INLINE VecI shift_right_signed(VecI a) {
  return {_mm256_srai_epi32(a.low, kBits), _mm256_srai_epi32(a.high, kBits)};
}

// Of unsigned i16.
template <int kBits>
PA_INLINE VecI shift_right_halves(VecI a) {
  return {_mm256_srli_epi16(a.low, kBits), _mm256_srli_epi16(a.high, kBits)};
}

PA_INLINE VecI max(VecI a, VecI b) {
  return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
}
PA_INLINE i32 reduce_max(VecI a) {
  const __m256i eight = _mm256_max_epi32(a.low, a.high);
  const __m128i four =
      _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
PA_INLINE i32 reduce_add(VecI a) {
  const __m256i eight = _mm256_add_epi32(a.low, a.high);
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
PA_INLINE void store_low_bytes(void* to, VecI a) {
  const __m256i halves = _mm256_packs_epi32(a.low, a.high);  // quads 0, 2, 1, 3
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  _mm_storeu_si128(static_cast<__m128i*>(to), _mm_shuffle_epi32(bytes, 0xd8));
}
// The low halves of four times four lanes, of each four the first, third, second and fourth.
PA_INLINE void store_crossed_halves(void* to, VecI a) {
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.low, a.high), 0xd8);
  const __m256i crossed = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(halves, 0xd8), 0xd8);
  _mm256_storeu_si256(static_cast<__m256i*>(to), crossed);
}
PA_INLINE Vec to_float(VecI a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
PA_INLINE VecI add_pair_products(VecI acc, VecI a, VecI b) {
  return {_mm256_add_epi32(acc.low, _mm256_madd_epi16(a.low, b.low)),
          _mm256_add_epi32(acc.high, _mm256_madd_epi16(a.high, b.high))};
}

// Sums of the products of neighbouring bytes as i16; those of `a` are unsigned, those of `b` signed.
// The sums must fit, or they saturate.
PA_INLINE VecI byte_pair_products(VecI a, VecI b) {
  return {_mm256_maddubs_epi16(a.low, b.low), _mm256_maddubs_epi16(a.high, b.high)};
}
// Of i16.
PA_INLINE VecI add_halves(VecI a, VecI b) {
  return {_mm256_add_epi16(a.low, b.low), _mm256_add_epi16(a.high, b.high)};
}
// The same value, finished before what follows: GCC 12 turns a chain of integer sums into a tree, whose
// leaves no register file holds.
PA_INLINE VecI finished(VecI a) {
  asm("" : "+x"(a.low), "+x"(a.high));
  return a;
}

PA_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
PA_INLINE Vec fnma(Vec a, Vec b, Vec c) {
  return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
PA_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)}; }

PA_INLINE __m256 select_less_half(__m256 a, __m256 b, __m256 x, __m256 y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
PA_INLINE Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return {select_less_half(a.low, b.low, x.low, y.low),
          select_less_half(a.high, b.high, x.high, y.high)};
}
PA_INLINE __m256i select_nan_half(__m256 a, __m256i x, __m256i y) {
  return _mm256_blendv_epi8(y, x, _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
PA_INLINE VecI select_nan(Vec a, VecI x, VecI y) {
  return {select_nan_half(a.low, x.low, y.low), select_nan_half(a.high, x.high, y.high)};
}

PA_INLINE Vec max_or_second(Vec a, Vec b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
PA_INLINE Vec min_or_second(Vec a, Vec b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}

PA_INLINE __m256 keep_half(__m256 v, __m256i lane, i32 begin, i32 end, __m256 fill) {
  const __m256i before_end = _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane);
  const __m256i before_begin = _mm256_cmpgt_epi32(_mm256_set1_epi32(begin), lane);
  return _mm256_blendv_ps(fill, v,
                          _mm256_castsi256_ps(_mm256_andnot_si256(before_begin, before_end)));
}
PA_INLINE Vec keep_lanes(Vec v, i32 begin, i32 end, Vec fill) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {keep_half(v.low, lane, begin, end, fill.low),
          keep_half(v.high, _mm256_add_epi32(lane, _mm256_set1_epi32(8)), begin, end, fill.high)};
}

PA_INLINE f32 reduce_add(Vec v) {
  const __m256 eight = _mm256_add_ps(v.low, v.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
PA_INLINE f32 reduce_max(Vec v) {
  const __m256 eight = _mm256_max_ps(v.low, v.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

PA_INLINE __m128i load_eight_halves(const u16* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
PA_INLINE VecI load_halves(const u16* from) {
  return {_mm256_cvtepu16_epi32(load_eight_halves(from)),
          _mm256_cvtepu16_epi32(load_eight_halves(from + 8))};
}
// The low 16 bits of each lane, in lane order; the high 16 bits must be zero.
PA_INLINE __m256i pack_halves(VecI v) {
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(v.low, v.high), 0xd8);
}
PA_INLINE void store_low_halves(u16* to, VecI v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), pack_halves(v));
}
PA_INLINE VecI load_pairs(const void* from) {
  const __m256i* at = static_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}

PA_INLINE Vec widen_packed_f16(__m256i halves) {
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))};
}
PA_INLINE Vec load_f16(const u16* from) {
  return {_mm256_cvtph_ps(load_eight_halves(from)), _mm256_cvtph_ps(load_eight_halves(from + 8))};
}
PA_INLINE __m128i narrow_f16(__m256 v) {
  return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
PA_INLINE void store_f16(u16* to, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow_f16(v.low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8), narrow_f16(v.high));
}
PA_INLINE Vec round_to_f16(Vec v) {
  return {_mm256_cvtph_ps(narrow_f16(v.low)), _mm256_cvtph_ps(narrow_f16(v.high))};
}
PA_INLINE Vec odd_f16(VecI pairs) { return widen_packed_f16(pack_halves(shift_right<16>(pairs))); }
PA_INLINE Vec even_f16(VecI pairs) {
  return widen_packed_f16(pack_halves(pairs & broadcast_int(0xffff)));
}

}  // namespace cpu::PA_ISA
