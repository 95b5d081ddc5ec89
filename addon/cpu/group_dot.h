#pragma once
// The inner loop of matmul over int8 and int4 weights: rows of quantised x times panels whose lanes
// are outputs. Formats and the order of arithmetic are in quantized.h.
//
// The bytes of a weight are q + zero_point, unsigned, as vpdpbusd takes them; what that adds to a
// group's sum, zero_point * sum of x's q, is taken off by starting there (RowGroup::start).
// Every instruction set finds the same integers, so the same bits.

#include "quantized.h"
#include "simd.h"

namespace cpu::PA_ISA {

// Integer accumulators and a few operands fit the registers; the f32 ones are touched once a group,
// so on AVX2 they may stand on the stack.
#if defined(PA_SMALL_CODE)
constexpr i32 kMaxGroupRows = 2;
constexpr i32 max_group_vectors(i32) { return 2; }
#elif PA_ISA_LEVEL >= 2
constexpr i32 kMaxGroupRows = 6;
constexpr i32 max_group_vectors(i32 num_rows) { return num_rows > 1 && num_rows <= 3 ? 4 : 2; }
#elif PA_ISA_LEVEL == 1
constexpr i32 kMaxGroupRows = 4;
constexpr i32 max_group_vectors(i32 num_rows) { return num_rows == 1 ? 2 : 1; }
#else
constexpr i32 kMaxGroupRows = 2;
constexpr i32 max_group_vectors(i32) { return 1; }
#endif

// A row's group of 32 elements of x, quantised, as bytes and as i16; [group][row] in a tile.
struct ByteRowGroup {
  i32 quads[kQuadsPerGroup];  // four i8
  f32 scale;
  i32 start;  // -zero_point * sum of the elements
};

struct WideRowGroup {
  i32 halves[kQuadsPerGroup][2];  // elements 0 and 2 of a quad, then 1 and 3
  f32 scale;
  i32 start;
};

// The 32 elements, each in [-127, 127].
PA_INLINE void set_elements(WideRowGroup* group, VecI low, VecI high) {
  store_crossed_halves(group->halves, low);
  store_crossed_halves(group->halves + kQuadsPerGroup / 2, high);
}
#if PA_ISA_LEVEL >= 1
PA_INLINE void set_elements(ByteRowGroup* group, VecI low, VecI high) {
  store_low_bytes(group->quads, low);
  store_low_bytes(group->quads + kQuadsPerGroup / 2, high);
}
#endif

// The sums of 16 outputs over a group, by how the instruction set multiplies bytes. Each has
//
//   RowGroup                a row's elements
//   Weights, as_weights     four weights of each output, as many rows multiply them
//   Sum, first, add, last   the sum before a row's first quad, with one more, and at the end
#if PA_ISA_LEVEL >= 3
// Four products a lane in one instruction, of unsigned weights.
struct QuadSums {
  typedef ByteRowGroup RowGroup;
  typedef VecI Weights;
  typedef VecI Sum;
  static PA_INLINE Weights as_weights(VecI bytes) { return bytes; }
  static PA_INLINE Sum first(const RowGroup& x) { return broadcast_int(x.start); }
  static PA_INLINE Sum add(Sum sum, Weights w, const RowGroup& x, i32 quad) {
    return dot_quads(sum, w, broadcast_int(x.quads[quad]));
  }
  static PA_INLINE VecI last(Sum sum, const RowGroup&) { return sum; }
};
typedef QuadSums Int8Sums;
typedef QuadSums Int4Sums;
#else
// Bytes widened to i16, of which two products make an i32.
struct WideSums {
  typedef WideRowGroup RowGroup;
  struct Weights {
    VecI even, odd;  // as two i16 each
  };
  typedef VecI Sum;
  static PA_INLINE Weights as_weights(VecI bytes) {
    const VecI mask = broadcast_int(0x00ff00ff);
    return {bytes & mask, shift_right_halves<8>(bytes)};
  }
  static PA_INLINE Sum first(const RowGroup& x) { return broadcast_int(x.start); }
  static PA_INLINE Sum add(Sum sum, const Weights& w, const RowGroup& x, i32 quad) {
    sum = finished(add_pair_products(sum, w.even, broadcast_int(x.halves[quad][0])));
    return finished(add_pair_products(sum, w.odd, broadcast_int(x.halves[quad][1])));
  }
  static PA_INLINE VecI last(Sum sum, const RowGroup&) { return sum; }
};
typedef WideSums Int8Sums;
#if PA_ISA_LEVEL == 0
typedef WideSums Int4Sums;
#else
// Two products of a lane make an i16, of one unsigned and one signed operand. Of unsigned weights of
// at most 15 it holds a whole group's: 8 * 2 * 15 * 127 = 30,480.
struct Int4Sums {
  typedef ByteRowGroup RowGroup;
  typedef VecI Weights;
  typedef VecI Sum;
  static PA_INLINE Weights as_weights(VecI bytes) { return bytes; }
  static PA_INLINE Sum first(const RowGroup&) { return broadcast_int(0); }
  static PA_INLINE Sum add(Sum sum, Weights w, const RowGroup& x, i32 quad) {
    return finished(add_halves(sum, byte_pair_products(w, broadcast_int(x.quads[quad]))));
  }
  static PA_INLINE VecI last(Sum sum, const RowGroup& x) {
    return add_pair_products(broadcast_int(x.start), sum, broadcast_int(0x00010001));
  }
};
#endif
#endif

struct Int8Groups {
  static constexpr DType kDType = kInt8;
  typedef Int8Sums Sums;

  template <int kQuad>
  static PA_INLINE VecI load_quad(const u8* w) {
    return load_pairs(w + kQuad * kPanelOutputs * 4);
  }
};

struct Int4Groups {
  static constexpr DType kDType = kInt4;
  typedef Int4Sums Sums;

  template <int kQuad>
  static PA_INLINE VecI load_quad(const u8* w) {
    const VecI halves = load_pairs(w + kQuad / 2 * kPanelOutputs * 4);
    const VecI mask = broadcast_int(0x0f0f0f0f);
    if constexpr (kQuad % 2 == 0) return halves & mask;
    return shift_right<4>(halves) & mask;
  }
};

// Rows of x times panels that stand one after the other, 2 vectors of 16 outputs each.
template <class Format>
struct GroupProduct {
  const typename Format::Sums::RowGroup* x;  // [groups][rows]
  const u8* weights;                         // of the first panel
  i64 panel_bytes;
  i32 num_groups;
  f32* out;  // [rows, out_stride]
  i64 out_stride;
};

template <class Format, int kQuad, int kRows, int kVectors>
PA_INLINE void add_quads(typename Format::Sums::Sum (&sums)[kRows][kVectors],
                         const typename Format::Sums::RowGroup* x, const u8* const (&w)[kVectors]) {
  if constexpr (kQuad < kQuadsPerGroup) {
    typedef typename Format::Sums Sums;
    typename Sums::Weights weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = Sums::as_weights(Format::template load_quad<kQuad>(w[v]));
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = Sums::add(sums[r][v], weights[v], x[r], kQuad);
      }
    }
    add_quads<Format, kQuad + 1>(sums, x, w);
  }
}

template <class Format, int kRows, int kVectors>
void multiply_groups(const GroupProduct<Format>& product, i32 first_vector) {
  typedef typename Format::Sums Sums;
  Vec acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) acc[r][v] = zero();
  }
  const u8* w[kVectors];
  const u8* scales[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const i32 vector = first_vector + v;
    const u8* panel = product.weights + vector / 2 * product.panel_bytes;
    w[v] = panel + vector % 2 * kLanes * 4;
    scales[v] = panel + group_data_bytes(Format::kDType) + vector % 2 * kLanes * 2;
  }

  const typename Sums::RowGroup* x = product.x;
  for (i32 g = 0; g < product.num_groups; ++g, x += kRows) {
    typename Sums::Sum sums[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Sums::first(x[r]);
    }
    add_quads<Format, 0>(sums, x, w);
    Vec scale[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      scale[v] = load_f16(reinterpret_cast<const u16*>(scales[v]));
      w[v] += group_bytes(Format::kDType);
      scales[v] += group_bytes(Format::kDType);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vec x_scale = broadcast(x[r].scale);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const VecI sum = Sums::last(sums[r][v], x[r]);
        acc[r][v] = fma(to_float(sum), scale[v] * x_scale, acc[r][v]);
      }
    }
  }

  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      store(product.out + r * product.out_stride + (first_vector + v) * kLanes, acc[r][v]);
    }
  }
}

// The product for up to kMaxGroupRows rows and `num_vectors` vectors of outputs, an even number, at
// most kMostVectors of them at once.
template <class Format, int kMostVectors = 4, int kRows = kMaxGroupRows>
void multiply_row_groups(const GroupProduct<Format>& product, i32 num_rows, i32 num_vectors) {
  if constexpr (kRows > 1) {
    if (num_rows < kRows) {
      return multiply_row_groups<Format, kMostVectors, kRows - 1>(product, num_rows, num_vectors);
    }
  }
  constexpr int kMost =
      max_group_vectors(kRows) < kMostVectors ? max_group_vectors(kRows) : kMostVectors;
  constexpr int kFewer = kMost < 2 ? kMost : 2;
  i32 vector = 0;
  for (; num_vectors - vector >= kMost; vector += kMost) {
    multiply_groups<Format, kRows, kMost>(product, vector);
  }
  for (; vector < num_vectors; vector += kFewer) {
    multiply_groups<Format, kRows, kFewer>(product, vector);
  }
}

}  // namespace cpu::PA_ISA
