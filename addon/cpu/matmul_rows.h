#pragma once
// What every matmul kernel does with its sums.

#include "simd.h"

namespace cpu::PA_ISA {

constexpr i32 kVectorsPerPanel = kPanelOutputs / kLanes;

// Panels whose sums a task of one tile holds until they are stored, few enough for L1. Such a task
// reads each weight once, panel by panel: with two panels at a time, one run of memory would end and
// another begin elsewhere every second panel, and what stands between two panels is time in which
// nothing more is asked of memory.
constexpr i32 kPanelsHeld = 8;

// Adds the bias to one panel's sums of rows [first_row, + num_rows) and stores them as out_dtype.
// sums: [num_rows, stride], of which the panel's 32 outputs come first.
PA_INLINE void finish_rows(const MatmulParams& params, i32 first_row, i32 num_rows, i32 panel,
                           const f32* sums, i64 stride) {
  const i32 out_dim = params.weight.out_dim;
  for (i32 v = 0; v < kPanelOutputs / kLanes; ++v) {
    const i32 output = panel * kPanelOutputs + v * kLanes;
    const i32 count = out_dim - output < kLanes ? out_dim - output : kLanes;
    if (count <= 0) return;
    const Vec bias = params.bias != nullptr ? load_partial(params.bias + output, count) : zero();
    for (i32 r = 0; r < num_rows; ++r) {
      const Vec sum = load(sums + r * stride + v * kLanes);
      const Vec out = params.bias != nullptr ? sum + bias : sum;
      store_as(params.out_dtype, params.out, i64(first_row + r) * out_dim + output, out, count);
    }
  }
}

}  // namespace cpu::PA_ISA
