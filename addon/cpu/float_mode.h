#pragma once
// The floating-point mode of every thread that runs ops: to nearest, denormals read and written as
// zero (DAZ, FTZ). vdpbf16ps works so whatever the mode is; the other instruction sets must too.

#include "../../cuda/params.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace cpu {

// Sets the mode for its lifetime on the calling thread, then restores what was there.
class FloatModeScope {
 public:
#if defined(__SSE2__)
  FloatModeScope() : saved_(_mm_getcsr()) { _mm_setcsr(kMaskedExceptions | kFtz | kDaz); }
  ~FloatModeScope() { _mm_setcsr(saved_); }

 private:
  static constexpr u32 kMaskedExceptions = 0x1f80;
  static constexpr u32 kFtz = 0x8000;
  static constexpr u32 kDaz = 0x0040;
  const u32 saved_;
#elif defined(__aarch64__)
  FloatModeScope() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(kFlushToZero));
  }
  ~FloatModeScope() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  static constexpr u64 kFlushToZero = 1ull << 24;
  u64 saved_;
#endif

 public:
  FloatModeScope(const FloatModeScope&) = delete;
  FloatModeScope& operator=(const FloatModeScope&) = delete;
};

}  // namespace cpu
