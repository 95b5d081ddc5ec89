#pragma once
// Weights of a few bits: groups of 32 inputs of one output share an f16 scale, as in llama.cpp's
// Q8_0 and Q4_0, whose blocks these panels hold without loss.
//
// A panel is [group of 32 inputs][data | 32 f16 scales], whole cache lines, so that one row of x
// reads weights and scales as one stream. The data of a group, where `lane` is one of 32 outputs:
//
//   int8   [quad of inputs, 8][lane, 32][4]  bytes of q + 128; q in [-127, 127]
//   int4   [pair of quads, 4][lane, 32][4]   low half q + 8 of the first quad, high half of the
//                                            second; q in [-8, 7]
//
// weight = scale * q. Inputs past in_dim have q = 0, outputs past out_dim a scale of 0.
//
// Rounding, the same bits on every instruction set (RNE: to nearest, ties to even):
//
//   int8 weights   scale = f16(max|w| / 127), q = clamp(RNE(w * (1 / scale)), -127, 127)
//   int4 weights   scale = f16(w_far / -8), where w_far is the farthest from 0 (the negative one of
//                  two), q = clamp(RNE(w * (1 / scale)), -8, 7)
//   x, per matmul  scale = max|x| / 127 (f32), q = RNE(x * (1 / scale))
//
// each operation rounded to f32; q = 0 where the scale is 0; a group with NaN or infinity has a
// scale of NaN.
//
// Order of a product, per output: one f32 accumulator, groups ascending. In a group the integers
// are summed exactly; then sum = fma(f32(sum of q_w * q_x), scale_w * scale_x, sum).

#include "kernels.h"

namespace cpu {

constexpr i32 kGroupElems = 32;
constexpr i32 kQuadsPerGroup = kGroupElems / 4;

constexpr bool is_quantized(DType dtype) { return dtype == kInt8 || dtype == kInt4; }

// What the bytes of a weight's data have more than q.
constexpr i32 zero_point(DType dtype) { return dtype == kInt8 ? 128 : 8; }

constexpr i32 num_groups(i32 in_dim) { return (in_dim + kGroupElems - 1) / kGroupElems; }

constexpr i64 group_data_bytes(DType dtype) {
  return i64(kPanelOutputs) * (dtype == kInt8 ? kGroupElems : kGroupElems / 2);
}

// From one group of a panel to the next.
constexpr i64 group_bytes(DType dtype) { return group_data_bytes(dtype) + kPanelOutputs * 2; }

}  // namespace cpu
