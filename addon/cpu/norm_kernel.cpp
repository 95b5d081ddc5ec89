// RMS norm, with the residual stream's addition in the same pass.

#include "isa_kernels.h"
#include "norm.h"

namespace cpu::PA_ISA {
namespace {

void add_to_residual(f32* residual, const f32* x, i32 count) {
  i32 i = 0;
  for (; i + kLanes <= count; i += kLanes) store(residual + i, load(residual + i) + load(x + i));
  if (i == count) return;
  const i32 left = count - i;
  store_partial(residual + i, load_partial(residual + i, left) + load_partial(x + i, left), left);
}

}  // namespace

void rms_norm(const RmsNormParams& params, i32 first_row, i32 end_row) {
  const i32 hidden = params.hidden;
  for (i32 row = first_row; row < end_row; ++row) {
    const i64 at = i64(row) * hidden;
    const f32* y = params.x + at;
    if (params.residual != nullptr) {
      add_to_residual(params.residual + at, params.x + at, hidden);
      y = params.residual + at;
    }
    const f32 inverse = inverse_rms(y, hidden, params.eps);
    for (i32 i = 0; i < hidden; i += kLanes) {
      const i32 count = hidden - i < kLanes ? hidden - i : kLanes;
      const bool whole = count == kLanes;
      const Vec v = whole ? load(y + i) : load_partial(y + i, count);
      const Vec weight = whole ? load(params.weight + i) : load_partial(params.weight + i, count);
      const Vec out = normalized(v, inverse, weight, params.weight_offset);
      store_as(params.out_dtype, params.out, at + i, out, count);
    }
  }
}

}  // namespace cpu::PA_ISA
