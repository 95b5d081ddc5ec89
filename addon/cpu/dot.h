#pragma once
// The one inner loop of matmul and attention: rows of x times a packed operand whose lanes are
// outputs, so that no lane is ever summed with another.
//
// Order: per output one f32 accumulator, K ascending by steps. A step of a 2-byte type is a pair of
// K elements, odd element first, each a fused multiply-add: what vdpbf16ps does.

#include "simd.h"

namespace cpu::PA_ISA {

// Accumulator block that fits the registers, with room for operands: rows times vectors.
#if PA_ISA_LEVEL >= 2
constexpr i32 kMaxRows = 12;
constexpr i32 kMaxVectors = 2;
#elif PA_ISA_LEVEL == 1
constexpr i32 kMaxRows = 6;
constexpr i32 kMaxVectors = 1;
#else
constexpr i32 kMaxRows = 2;
constexpr i32 kMaxVectors = 1;
#endif

// x stands in blocks of kRowElems elements per row: [block][row][kRowElems].
constexpr i32 kBlockElems = 256;

// One step of f32 operands: one element of K.
struct F32Steps {
  typedef f32 X;
  static constexpr i32 kElemsPerX = 1;
  static constexpr i32 kElemsPerStep = 1;
  static constexpr DType kDType = kF32;

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w) {
    Vec weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = load(reinterpret_cast<const f32*>(w) + v * 16);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec xr = broadcast(x[r * kXRow]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = fma(weights[v], xr, acc[r][v]);
    }
  }
};

template <int kParity, int kRows, int kVectors, int kXRow>
PA_INLINE void add_products(Vec (&acc)[kRows][kVectors], const f32* x,
                            const Vec (&weights)[kVectors]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vec xr = broadcast(x[r * kXRow + kParity]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = fma(weights[v], xr, acc[r][v]);
  }
}

// A pair of f16 elements, widened; x is f32.
struct F16Steps {
  typedef f32 X;
  static constexpr i32 kElemsPerX = 1;
  static constexpr i32 kElemsPerStep = 2;
  static constexpr DType kDType = kF16;

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w) {
    Vec weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = odd_f16(load_pairs(w + v * 64));
    add_products<1, kRows, kVectors, kXRow>(acc, x, weights);
    for (int v = 0; v < kVectors; ++v) weights[v] = even_f16(load_pairs(w + v * 64));
    add_products<0, kRows, kVectors, kXRow>(acc, x, weights);
  }
};

#if PA_ISA_LEVEL >= 3
// A pair of bf16 elements in one instruction; x is pairs too.
struct Bf16Steps {
  typedef u32 X;
  static constexpr i32 kElemsPerX = 2;
  static constexpr i32 kElemsPerStep = 2;
  static constexpr DType kDType = kBF16;

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w) {
    VecI weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = load_pairs(w + v * 64);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const VecI xr = broadcast_int(i32(x[r * kXRow]));
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = dot_pairs(acc[r][v], weights[v], xr);
    }
  }
};
#else
// A pair of bf16 elements, widened by shifts; x is f32.
struct Bf16Steps {
  typedef f32 X;
  static constexpr i32 kElemsPerX = 1;
  static constexpr i32 kElemsPerStep = 2;
  static constexpr DType kDType = kBF16;

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w) {
    const VecI high_half = broadcast_int(i32(0xffff0000u));
    Vec weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = as_float(load_pairs(w + v * 64) & high_half);
    add_products<1, kRows, kVectors, kXRow>(acc, x, weights);
    for (int v = 0; v < kVectors; ++v) weights[v] = as_float(shift_left<16>(load_pairs(w + v * 64)));
    add_products<0, kRows, kVectors, kXRow>(acc, x, weights);
  }
};
#endif

// out[r][n] = (resume ? out[r][n] : 0) + sum over K of x[r][k] * w[k][n].
struct Product {
  const void* x;    // Steps::X, blocks of [rows][kRowElems]
  const u8* w;      // one step's vectors stand side by side
  i64 w_step;       // bytes from a step to the next
  i32 num_steps;
  f32* out;         // [rows, 16 * vectors]
  i64 out_stride;   // elements
  bool resume;
};

template <class Steps, int kRows, int kVectors, int kRowElems>
void multiply_block(const Product& product) {
  constexpr int kXRow = kRowElems / Steps::kElemsPerX;
  constexpr int kXStep = Steps::kElemsPerStep / Steps::kElemsPerX;
  constexpr i32 kBlockSteps = kRowElems / Steps::kElemsPerStep;

  Vec acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = product.resume ? load(product.out + r * product.out_stride + v * 16) : zero();
    }
  }

  const typename Steps::X* x_block = static_cast<const typename Steps::X*>(product.x);
  const u8* w = product.w;
  for (i32 left = product.num_steps; left > 0; left -= kBlockSteps, x_block += kRows * kXRow) {
    const typename Steps::X* x = x_block;
    const i32 steps = left < kBlockSteps ? left : kBlockSteps;
    for (i32 s = 0; s < steps; ++s, x += kXStep, w += product.w_step) {
      Steps::template step<kRows, kVectors, kXRow>(acc, x, w);
    }
  }

#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      store(product.out + r * product.out_stride + v * 16, acc[r][v]);
    }
  }
}

// Picks the block function for a number of rows: the last of up to kMaxRows that is not too large.
template <class Steps, int kVectors, int kRowElems, int kRows = kMaxRows>
PA_INLINE void multiply_rows_block(const Product& product, i32 num_rows) {
  if constexpr (kRows == 1) {
    multiply_block<Steps, 1, kVectors, kRowElems>(product);
  } else {
    if (num_rows == kRows) return multiply_block<Steps, kRows, kVectors, kRowElems>(product);
    multiply_rows_block<Steps, kVectors, kRowElems, kRows - 1>(product, num_rows);
  }
}

// The product for `num_vectors` vectors of outputs and up to kMaxRows rows.
template <class Steps, int kRowElems>
void multiply(Product product, i32 num_rows, i32 num_vectors) {
  i32 left = num_vectors;
  if constexpr (kMaxVectors == 2) {
    for (; left >= 2; left -= 2, product.w += 128, product.out += 32) {
      multiply_rows_block<Steps, 2, kRowElems>(product, num_rows);
    }
  }
  for (; left > 0; --left, product.w += 64, product.out += 16) {
    multiply_rows_block<Steps, 1, kRowElems>(product, num_rows);
  }
}

// Stores 16 elements of a row of x, rounded to the operand's dtype.
template <class Steps>
PA_INLINE void store_x(typename Steps::X* row, i32 element, Vec v) {
  if constexpr (Steps::kElemsPerX == 2) {
    store_bf16(reinterpret_cast<u16*>(row) + element, v);
  } else {
    store(row + element, round_to(Steps::kDType, v));
  }
}

}  // namespace cpu::PA_ISA
