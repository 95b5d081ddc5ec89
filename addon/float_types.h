#pragma once
// Floats and rows as files hold them; for loading, where speed does not matter.

#include "cpu/scalar_convert.h"
#include "cpu/stored_rows.h"

inline size_t dtype_bytes(DType dtype) { return dtype == kF16 || dtype == kBF16 ? 2 : 4; }

// Element `index` of an unaligned array of f32, f16 or bf16.
inline f32 load_float(const u8* data, DType dtype, size_t index) {
  if (dtype == kF32) {
    f32 value;
    std::memcpy(&value, data + index * sizeof value, sizeof value);
    return value;
  }
  u16 bits;
  std::memcpy(&bits, data + index * sizeof bits, sizeof bits);
  return dtype == kF16 ? cpu::f32_from_bits(cpu::f16_to_f32_bits(bits)) : cpu::bf16_to_f32(bits);
}
