// Elementwise ops: gated activations, scale, softcap.

#include "isa_kernels.h"
#include "vector_math.h"

namespace cpu::PA_ISA {
namespace {

struct Silu {
  static PA_INLINE Vec apply(Vec x) {
    const Vec one = broadcast(1.0f);
    return x / (one + exp(zero() - x));
  }
};

// The tanh approximation (Hendrycks and Gimpel 2016).
struct Gelu {
  static PA_INLINE Vec apply(Vec x) {
    const Vec cube = (x * x) * x;
    const Vec inner = fma(broadcast(0.044715f), cube, x) * broadcast(0.7978845608028654f);
    return (broadcast(0.5f) * x) * (broadcast(1.0f) + tanh(inner));
  }
};

template <class Activation>
void gated_mul(const GatedMulParams& params, i32 first_row, i32 end_row) {
  const i32 dim = params.dim;
  for (i32 row = first_row; row < end_row; ++row) {
    const f32* gate = params.gate_up + i64(row) * 2 * dim;
    const f32* up = gate + dim;
    for (i32 i = 0; i < dim; i += kLanes) {
      const i32 count = dim - i < kLanes ? dim - i : kLanes;
      const bool whole = count == kLanes;
      const Vec g = whole ? load(gate + i) : load_partial(gate + i, count);
      const Vec u = whole ? load(up + i) : load_partial(up + i, count);
      const Vec out = Activation::apply(g) * u;
      store_as(params.out_dtype, params.out, i64(row) * dim + i, out, count);
    }
  }
}

}  // namespace

void silu_mul(const GatedMulParams& params, i32 first_row, i32 end_row) {
  gated_mul<Silu>(params, first_row, end_row);
}

void gelu_mul(const GatedMulParams& params, i32 first_row, i32 end_row) {
  gated_mul<Gelu>(params, first_row, end_row);
}

void scale(const ElementwiseParams& params, i32 first_row, i32 end_row) {
  const Vec factor = broadcast(params.operand);
  f32* x = params.x + i64(first_row) * params.dim;
  for (i64 left = i64(end_row - first_row) * params.dim; left > 0; left -= kLanes, x += kLanes) {
    if (left >= kLanes) {
      store(x, load(x) * factor);
    } else {
      store_partial(x, load_partial(x, i32(left)) * factor, i32(left));
    }
  }
}

void softcap(const ElementwiseParams& params, i32 first_row, i32 end_row) {
  const Vec cap = broadcast(params.operand);
  f32* x = params.x + i64(first_row) * params.dim;
  for (i64 left = i64(end_row - first_row) * params.dim; left > 0; left -= kLanes, x += kLanes) {
    const i32 count = left >= kLanes ? kLanes : i32(left);
    const Vec v = count == kLanes ? load(x) : load_partial(x, count);
    store_partial(x, cap * tanh(v / cap), count);
  }
}

}  // namespace cpu::PA_ISA
