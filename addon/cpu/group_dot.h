#pragma once
// The inner loop of matmul over int8 and int4 weights: rows of quantised x times panels whose lanes
// are outputs. Formats and the order of arithmetic are in quantized.h.
//
// The bytes of a weight are q + zero_point, unsigned, as vpdpbusd takes them; what that adds to a
// group's sum, zero_point * sum of x's q, is taken off by starting there (RowGroup::start).

#include "quantized.h"
#include "simd.h"

namespace cpu::PA_ISA {

// Accumulators of both kinds, f32 and i32, and a few operands fit the registers.
#if defined(PA_SMALL_CODE)
constexpr i32 kMaxGroupRows = 2;
constexpr i32 max_group_vectors(i32) { return 2; }
#elif PA_ISA_LEVEL >= 2
constexpr i32 kMaxGroupRows = 6;
constexpr i32 max_group_vectors(i32 num_rows) { return num_rows > 1 && num_rows <= 3 ? 4 : 2; }
#elif PA_ISA_LEVEL == 1
constexpr i32 kMaxGroupRows = 2;
constexpr i32 max_group_vectors(i32 num_rows) { return num_rows == 1 ? 2 : 1; }
#else
constexpr i32 kMaxGroupRows = 2;
constexpr i32 max_group_vectors(i32) { return 1; }
#endif

// A row's group of 32 elements of x, quantised; [group][row] in a tile.
struct RowGroup {
#if PA_ISA_LEVEL >= 3
  i32 quads[kQuadsPerGroup];  // four i8
#else
  i32 quads[kQuadsPerGroup][2];  // elements 0 and 2 of a quad as two i16, then 1 and 3
#endif
  f32 scale;
  i32 start;  // -zero_point * sum of the elements
};

// The 32 elements, each in [-127, 127].
PA_INLINE void set_elements(RowGroup* group, VecI low, VecI high) {
#if PA_ISA_LEVEL >= 3
  store_low_bytes(group->quads, low);
  store_low_bytes(group->quads + kQuadsPerGroup / 2, high);
#else
  i32 q[kGroupElems];
  memcpy(q, &low, sizeof(low));
  memcpy(q + kLanes, &high, sizeof(high));
  for (i32 quad = 0; quad < kQuadsPerGroup; ++quad) {
    const i32* const four = q + quad * 4;
    group->quads[quad][0] = i32(u32(four[0] & 0xffff) | u32(four[2]) << 16);
    group->quads[quad][1] = i32(u32(four[1] & 0xffff) | u32(four[3]) << 16);
  }
#endif
}

// 16 outputs times four inputs, and their product with a row's quad.
#if PA_ISA_LEVEL >= 3
struct QuadWeights {
  VecI bytes;
};
PA_INLINE QuadWeights as_quads(VecI bytes) { return {bytes}; }
PA_INLINE VecI add_quad(VecI sum, const QuadWeights& w, const RowGroup& x, i32 quad) {
  return dot_quads(sum, w.bytes, broadcast_int(x.quads[quad]));
}
#else
struct QuadWeights {
  VecI even, odd;  // as two i16 each
};
PA_INLINE QuadWeights as_quads(VecI bytes) {
  const VecI mask = broadcast_int(0x00ff00ff);
  return {bytes & mask, shift_right<8>(bytes) & mask};
}
PA_INLINE VecI add_quad(VecI sum, const QuadWeights& w, const RowGroup& x, i32 quad) {
  sum = add_pair_products(sum, w.even, broadcast_int(x.quads[quad][0]));
  return add_pair_products(sum, w.odd, broadcast_int(x.quads[quad][1]));
}
#endif

struct Int8Groups {
  static constexpr DType kDType = kInt8;

  template <int kQuad>
  static PA_INLINE VecI load_quad(const u8* w) {
    return load_pairs(w + kQuad * kPanelOutputs * 4);
  }
};

struct Int4Groups {
  static constexpr DType kDType = kInt4;

  template <int kQuad>
  static PA_INLINE VecI load_quad(const u8* w) {
    const VecI halves = load_pairs(w + kQuad / 2 * kPanelOutputs * 4);
    const VecI mask = broadcast_int(0x0f0f0f0f);
    if constexpr (kQuad % 2 == 0) return halves & mask;
    return shift_right<4>(halves) & mask;
  }
};

// Vectors [first, first + kVectors) of 16 outputs over two panels at most.
struct GroupProduct {
  const RowGroup* x;  // [groups][rows]
  const u8* weights;  // of the first panel
  i64 panel_bytes;
  i32 num_groups;
  f32* out;  // [rows, out_stride]
  i64 out_stride;
};

template <class Format, int kQuad, int kRows, int kVectors>
PA_INLINE void add_quads(VecI (&sums)[kRows][kVectors], const RowGroup* x,
                         const u8* const (&w)[kVectors]) {
  if constexpr (kQuad < kQuadsPerGroup) {
    QuadWeights weights[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = as_quads(Format::template load_quad<kQuad>(w[v]));
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = add_quad(sums[r][v], weights[v], x[r], kQuad);
      }
    }
    add_quads<Format, kQuad + 1>(sums, x, w);
  }
}

template <class Format, int kRows, int kVectors>
void multiply_groups(const GroupProduct& product, i32 first_vector) {
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

  const RowGroup* x = product.x;
  for (i32 g = 0; g < product.num_groups; ++g, x += kRows) {
    VecI sums[kRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] = broadcast_int(x[r].start);
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
        acc[r][v] = fma(to_float(sums[r][v]), scale[v] * x_scale, acc[r][v]);
      }
    }
  }

  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      store(product.out + r * product.out_stride + (first_vector + v) * kLanes, acc[r][v]);
    }
  }
}

// The product for up to kMaxGroupRows rows and `num_vectors` vectors of outputs, an even number.
template <class Format, int kRows = kMaxGroupRows>
void multiply_row_groups(const GroupProduct& product, i32 num_rows, i32 num_vectors) {
  if constexpr (kRows > 1) {
    if (num_rows < kRows) {
      return multiply_row_groups<Format, kRows - 1>(product, num_rows, num_vectors);
    }
  }
  constexpr int kMost = max_group_vectors(kRows);
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
