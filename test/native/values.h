#pragma once
// Random inputs and arrays of the three float types, for native tests.

#include <cmath>
#include <vector>

#include "../../addon/cpu/scalar_convert.h"

// Splitmix64: the same numbers on every machine.
class Random {
 public:
  explicit Random(u64 seed) : state_(seed) {}

  u64 next() {
    u64 z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  // [0, end)
  i32 below(i32 end) { return i32(next() % u64(end)); }
  // [-limit, limit)
  f32 uniform(f32 limit = 1.0f) {
    return f32((double(next() >> 11) * 0x1p-53 * 2.0 - 1.0) * double(limit));
  }
  std::vector<f32> uniforms(size_t count, f32 limit = 1.0f) {
    std::vector<f32> values(count);
    for (f32& value : values) value = uniform(limit);
    return values;
  }

 private:
  u64 state_;
};

inline size_t elem_bytes(DType dtype) { return dtype == kF32 || dtype == kI32 ? 4 : 2; }
inline const char* dtype_name(DType dtype) {
  return dtype == kF32 ? "f32" : dtype == kF16 ? "f16" : "bf16";
}

// Values stored as `dtype`, and read back as they were rounded.
class FloatArray {
 public:
  FloatArray(DType dtype, size_t count) : dtype_(dtype), bytes_(count * elem_bytes(dtype)) {}
  FloatArray(DType dtype, const std::vector<f32>& values) : FloatArray(dtype, values.size()) {
    for (size_t i = 0; i < values.size(); ++i) set(i, values[i]);
  }

  void* data() { return bytes_.data(); }
  const void* data() const { return bytes_.data(); }
  DType dtype() const { return dtype_; }
  size_t size() const { return bytes_.size() / elem_bytes(dtype_); }
  const std::vector<u8>& bytes() const { return bytes_; }

  void set(size_t i, f32 value) {
    const u32 bits = cpu::f32_bits(value);
    const u16 half = dtype_ == kBF16 ? cpu::f32_to_bf16(bits) : cpu::f32_to_f16(bits);
    const void* from = dtype_ == kF32 ? static_cast<const void*>(&value) : &half;
    std::memcpy(bytes_.data() + i * elem_bytes(dtype_), from, elem_bytes(dtype_));
  }
  f32 operator[](size_t i) const {
    if (dtype_ == kF32) {
      f32 value;
      std::memcpy(&value, bytes_.data() + i * 4, 4);
      return value;
    }
    u16 half;
    std::memcpy(&half, bytes_.data() + i * 2, 2);
    return dtype_ == kBF16 ? cpu::bf16_to_f32(half)
                           : cpu::f32_from_bits(cpu::f16_to_f32_bits(half));
  }

 private:
  DType dtype_;
  std::vector<u8> bytes_;
};

// Relative rounding error of one stored value.
inline double unit_roundoff(DType dtype) {
  return dtype == kF32 ? 0x1p-24 : dtype == kF16 ? 0x1p-11 : 0x1p-8;
}
