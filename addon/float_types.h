#pragma once
// Scalar floats as files hold them; for loading, where speed does not matter.

#include <cstring>

#include "../cuda/params.h"

inline size_t dtype_bytes(DType dtype) { return dtype == kF16 || dtype == kBF16 ? 2 : 4; }

// IEEE half precision to single, exactly; NaN payloads stay.
inline f32 half_to_float(u16 bits) {
  const u32 sign = static_cast<u32>(bits & 0x8000) << 16;
  const u32 exponent = (bits >> 10) & 0x1f;
  const u32 mantissa = bits & 0x3ff;
  u32 single;
  if (exponent == 0x1f) {
    single = 0x7f800000u | (mantissa << 13);  // infinity or NaN
  } else if (exponent != 0) {
    single = ((exponent + 112) << 23) | (mantissa << 13);
  } else if (mantissa == 0) {
    single = 0;
  } else {  // subnormal: shift the leading one up to the hidden place
    const int shift = __builtin_clz(mantissa) - 21;
    single = static_cast<u32>(113 - shift) << 23 | ((mantissa << (shift + 13)) & 0x7fffffu);
  }
  single |= sign;
  f32 value;
  std::memcpy(&value, &single, sizeof value);
  return value;
}

// Element `index` of an unaligned array of f32, f16 or bf16.
inline f32 load_float(const u8* data, DType dtype, size_t index) {
  f32 value;
  if (dtype == kF32) {
    std::memcpy(&value, data + index * sizeof value, sizeof value);
    return value;
  }
  u16 bits;
  std::memcpy(&bits, data + index * sizeof bits, sizeof bits);
  if (dtype == kF16) return half_to_float(bits);
  const u32 single = static_cast<u32>(bits) << 16;
  std::memcpy(&value, &single, sizeof value);
  return value;
}
