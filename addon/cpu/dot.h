#pragma once
// The one inner loop of matmul and attention: rows of x times a packed operand whose lanes are
// outputs, so that no lane is ever summed with another.
//
// Order: per output one f32 accumulator, K ascending by steps. A step of a 2-byte type is a pair of
// K elements, odd element first, each a fused multiply-add: what vdpbf16ps does.

#include "lines_ahead.h"
#include "simd.h"

namespace cpu::PA_ISA {

// The accumulators of a block of rows times vectors fit the registers, with room for operands: many
// rows share a vector of weights, or few rows take several vectors, to hide the adds' latency.
#if defined(PA_SMALL_CODE)
constexpr i32 kMaxRows = 2;
constexpr i32 max_vectors(i32) { return 1; }
#elif PA_ISA_LEVEL >= 2
constexpr i32 kMaxRows = 12;
constexpr i32 max_vectors(i32 num_rows) { return num_rows <= 6 ? 4 : 2; }
#elif PA_ISA_LEVEL == 1
constexpr i32 kMaxRows = 6;
constexpr i32 max_vectors(i32 num_rows) { return num_rows == 1 ? 4 : num_rows <= 3 ? 2 : 1; }
#else
constexpr i32 kMaxRows = 2;
constexpr i32 max_vectors(i32) { return 1; }
#endif

// x stands in blocks of kRowElems elements per row: [block][row][kRowElems].
constexpr i32 kBlockElems = 256;

// One step of f32 operands: one element of K.
struct F32Steps {
  typedef f32 X;
  static constexpr i32 kElemsPerX = 1;
  static constexpr i32 kElemsPerStep = 1;
  static constexpr DType kDType = kF32;

  // Stores 16 elements of a row of x, rounded to the operand's dtype.
  static PA_INLINE void store_x(X* row, i32 element, Vec v) { store(row + element, v); }

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w,
                             const i64 (&offsets)[kVectors]) {
    Vec weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = load(reinterpret_cast<const f32*>(w + offsets[v]));
    }
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

  static PA_INLINE void store_x(X* row, i32 element, Vec v) {
    store(row + element, round_to_f16(v));
  }

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w,
                             const i64 (&offsets)[kVectors]) {
    Vec weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = odd_f16(load_pairs(w + offsets[v]));
    add_products<1, kRows, kVectors, kXRow>(acc, x, weights);
    for (int v = 0; v < kVectors; ++v) weights[v] = even_f16(load_pairs(w + offsets[v]));
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

  static PA_INLINE void store_x(X* row, i32 element, Vec v) {
    store_bf16_flushed(reinterpret_cast<u16*>(row) + element, v);
  }

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w,
                             const i64 (&offsets)[kVectors]) {
    VecI weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = load_pairs(w + offsets[v]);
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

  static PA_INLINE void store_x(X* row, i32 element, Vec v) {
    store(row + element, round_to_bf16(v));
  }

  template <int kRows, int kVectors, int kXRow>
  static PA_INLINE void step(Vec (&acc)[kRows][kVectors], const X* x, const u8* w,
                             const i64 (&offsets)[kVectors]) {
    const VecI high_half = broadcast_int(i32(0xffff0000u));
    Vec weights[kVectors];
    for (int v = 0; v < kVectors; ++v)
      weights[v] = as_float(load_pairs(w + offsets[v]) & high_half);
    add_products<1, kRows, kVectors, kXRow>(acc, x, weights);
    for (int v = 0; v < kVectors; ++v)
      weights[v] = as_float(shift_left<16>(load_pairs(w + offsets[v])));
    add_products<0, kRows, kVectors, kXRow>(acc, x, weights);
  }
};
#endif

// A stretch of K whose steps stand one after the other.
struct Segment {
  const u8* w;
  i32 num_steps;
};

// out[r][n] = (resume ? out[r][n] * row_scale[r] : 0) + sum over K of x[r][k] * w[k][n].
struct Product {
  const void* x;            // Steps::X, blocks of [rows][kRowElems]
  const Segment* segments;  // K ascending
  i32 num_segments;
  i64 w_step;                 // bytes from a step to the next
  const i64* vector_offsets;  // [num_vectors] bytes from a step to each vector of 16 outputs
  f32* out;                   // [rows, 16 * num_vectors]
  i64 out_stride;             // elements
  bool resume;
  const f32* row_scale;  // [rows], or null: 1
  LinesAhead* ahead;     // of multiply with kAhead: a line is asked for with each vector read
};

template <int kRows, int kVectors>
PA_INLINE void start_block(Vec (&acc)[kRows][kVectors], const Product& product, i32 first_vector) {
  const f32* out = product.out + first_vector * 16;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = product.resume ? load(out + r * product.out_stride + v * 16) : zero();
    }
  }
  if (product.row_scale == nullptr) return;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = acc[r][v] * broadcast(product.row_scale[r]);
  }
}

// Outputs of kVectors vectors from `first_vector` on.
template <class Steps, int kRows, int kVectors, int kRowElems, bool kAhead>
void multiply_block(const Product& product, i32 first_vector) {
  typedef typename Steps::X X;
  constexpr int kXRow = kRowElems / Steps::kElemsPerX;
  constexpr int kXStep = Steps::kElemsPerStep / Steps::kElemsPerX;
  constexpr i32 kBlockSteps = kRowElems / Steps::kElemsPerStep;

  Vec acc[kRows][kVectors];
  start_block(acc, product, first_vector);
  i64 offsets[kVectors];
  for (int v = 0; v < kVectors; ++v) offsets[v] = product.vector_offsets[first_vector + v];

  const X* x_block = static_cast<const X*>(product.x);
  i32 done = 0;  // steps of x_block
  for (i32 i = 0; i < product.num_segments; ++i) {
    const u8* w = product.segments[i].w;
    i32 left = product.segments[i].num_steps;
    while (left > 0) {
      const X* x = x_block + done * kXStep;
      const i32 steps = left < kBlockSteps - done ? left : kBlockSteps - done;
      for (i32 s = 0; s < steps; ++s, x += kXStep, w += product.w_step) {
        if constexpr (kAhead) product.ahead->ask<kVectors>();
        Steps::template step<kRows, kVectors, kXRow>(acc, x, w, offsets);
      }
      left -= steps;
      done += steps;
      if (done < kBlockSteps) continue;
      done = 0;
      x_block += kRows * kXRow;
    }
  }

  f32* out = product.out + first_vector * 16;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(out + r * product.out_stride + v * 16, acc[r][v]);
  }
}

// As many whole kVectors as are left of `num_vectors` from *first_vector on, which moves past them.
template <class Steps, int kRows, int kVectors, int kRowElems, bool kAhead>
PA_INLINE void multiply_vectors(const Product& product, i32 num_vectors, i32* first_vector) {
  for (; num_vectors - *first_vector >= kVectors; *first_vector += kVectors) {
    multiply_block<Steps, kRows, kVectors, kRowElems, kAhead>(product, *first_vector);
  }
}

// The product for `num_vectors` vectors of outputs and up to kRows rows, at most kMostVectors at once.
template <class Steps, int kRowElems, bool kAhead = false, int kMostVectors = 4,
          int kRows = kMaxRows>
void multiply(const Product& product, i32 num_rows, i32 num_vectors) {
  if constexpr (kRows > 1) {
    if (num_rows < kRows) {
      return multiply<Steps, kRowElems, kAhead, kMostVectors, kRows - 1>(product, num_rows,
                                                                         num_vectors);
    }
  }
  constexpr int kMost = max_vectors(kRows) < kMostVectors ? max_vectors(kRows) : kMostVectors;
  i32 first = 0;
  multiply_vectors<Steps, kRows, kMost, kRowElems, kAhead>(product, num_vectors, &first);
  if constexpr (kMost > 2) {
    multiply_vectors<Steps, kRows, 2, kRowElems, kAhead>(product, num_vectors, &first);
  }
  if constexpr (kMost > 1) {
    multiply_vectors<Steps, kRows, 1, kRowElems, kAhead>(product, num_vectors, &first);
  }
}

// Offsets of vectors that stand side by side, for up to 512 outputs.
struct SideBySide {
  i64 offsets[32];
  constexpr SideBySide() : offsets() {
    for (i32 v = 0; v < 32; ++v) offsets[v] = i64(v) * 64;
  }
};
constexpr SideBySide kSideBySide;

}  // namespace cpu::PA_ISA
