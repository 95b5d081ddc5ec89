#pragma once
// One value between f32 and the 2-byte types, bit for bit as the vector kernels do it (simd.h): to
// nearest, ties to even, denormals kept, NaN stays NaN.

#include <cstring>

#include "../../cuda/params.h"

namespace cpu {

inline u32 f32_bits(f32 value) {
  u32 bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline f32 f32_from_bits(u32 bits) {
  f32 value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline f32 bf16_to_f32(u16 value) { return f32_from_bits(u32(value) << 16); }

inline u16 f32_to_bf16(u32 bits) {
  if ((bits & 0x7fffffff) > 0x7f800000) return u16((bits | 0x00400000) >> 16);
  return u16((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline u32 f16_to_f32_bits(u16 value) {
  const u32 sign = u32(value & 0x8000) << 16;
  u32 magnitude = value & 0x7fff;
  if (magnitude >= 0x7c00) {
    const u32 quiet = magnitude > 0x7c00 ? 0x00400000 : 0;
    return sign | 0x7f800000 | ((magnitude & 0x3ff) << 13) | quiet;
  }
  if (magnitude >= 0x400) return sign | ((magnitude << 13) + (112u << 23));
  if (magnitude == 0) return sign;
  u32 exponent = 113;
  for (; (magnitude & 0x400) == 0; magnitude <<= 1) --exponent;
  return sign | (exponent << 23) | ((magnitude & 0x3ff) << 13);
}

inline u16 f32_to_f16(u32 bits) {
  const u32 sign = (bits >> 16) & 0x8000;
  const u32 magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return u16(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x477ff000) return u16(sign | 0x7c00);
  if (magnitude >= 0x38800000) {
    return u16(sign | ((magnitude + 0xfff + ((magnitude >> 13) & 1) - (112u << 23)) >> 13));
  }
  // A multiple of 2^-24: the mantissa with its leading one, shifted so that rounding is visible.
  const u32 shift = 126 - (magnitude >> 23);
  if (shift > 24) return u16(sign);
  const u32 mantissa = (magnitude & 0x7fffff) | 0x800000;
  const u32 kept = mantissa >> shift;
  const u32 rest = mantissa & ((1u << shift) - 1);
  const u32 half = 1u << (shift - 1);
  return u16(sign | (kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0)));
}

}  // namespace cpu
