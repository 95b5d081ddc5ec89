#pragma once
// The online softmax of a warp's 16 packed rows, as mma fragments: a thread holds of rows lane / 4
// and lane / 4 + 8 the columns 2 * (lane % 4) and the next of every 8.

#include <device.cuh>

#include "attention_params.h"

namespace attention_softmax {

constexpr u32 kAllLanes = 0xffffffffu;

// What a packed row sees: positions [low, position].
struct RowSpan {
  i32 low;
  i32 position;
};

template <i32 kHeadDim>
struct State {
  f32 out[kHeadDim / 8][4];
  f32 max[2];   // of the scores after softcap, before log2_factor
  f32 base[2];  // max * log2_factor, rounded
  f32 sum[2];   // of this thread's columns

  DEVICE void clear() {
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
#pragma unroll
      for (i32 i = 0; i < 4; i++) out[n][i] = 0.0f;
    }
    max[0] = max[1] = base[0] = base[1] = -kInfinity;
    sum[0] = sum[1] = 0.0f;
  }
};

DEVICE f32 max_of_row(f32 value) {
  value = max_f32(value, shuffle_xor(kAllLanes, value, 1));
  return max_f32(value, shuffle_xor(kAllLanes, value, 2));
}
DEVICE f32 sum_of_row(f32 value) {
  value += shuffle_xor(kAllLanes, value, 1);
  return value + shuffle_xor(kAllLanes, value, 2);
}

template <i32 kColumns>
DEVICE void cap_scores(f32 (&scores)[kColumns][4], f32 softcap, f32 cap_factor) {
#pragma unroll
  for (i32 n = 0; n < kColumns; n++) {
#pragma unroll
    for (i32 i = 0; i < 4; i++) scores[n][i] = softcap * tanh_f32(scores[n][i] * cap_factor);
  }
}

// Scores of positions that a row does not see become -inf, whatever K holds there.
// @param position  of column 0
template <i32 kColumns>
DEVICE void mask_scores(f32 (&scores)[kColumns][4], i32 position, const RowSpan (&spans)[2]) {
  const i32 first = position + i32(threadIdx.x) % 4 * 2;
#pragma unroll
  for (i32 n = 0; n < kColumns; n++) {
#pragma unroll
    for (i32 i = 0; i < 4; i++) {
      const i32 column = first + n * 8 + i % 2;
      const RowSpan& span = spans[i / 2];
      if (column < span.low || column > span.position) scores[n][i] = -kInfinity;
    }
  }
}

// Takes 8 * kColumns positions into the maxima and sums, decays what was summed before, and turns
// the scores into the weights of V, rounded to T as fragments; the sum is of unrounded weights.
// Max drops NaN: a NaN score shows in the sum. A row that saw nothing yet has weights exp2(-inf).
template <class T, i32 kHeadDim, i32 kColumns>
DEVICE void take_scores(State<kHeadDim>& state, f32 (&scores)[kColumns][4], f32 log2_factor,
                        u32 (&weights)[kColumns / 2][4]) {
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    f32 max = state.max[r];
#pragma unroll
    for (i32 n = 0; n < kColumns; n++) {
      max = max_f32(max, max_f32(scores[n][2 * r], scores[n][2 * r + 1]));
    }
    max = max_of_row(max);
    // An fma, so that the compiler merges the product with nothing: where the maximum stays, the
    // difference of the bases is 0 and the decay 1, whatever tiles a row is carried through.
    const f32 next_base = fma_f32(max, log2_factor, 0.0f);
    const f32 base = max == -kInfinity ? 0.0f : next_base;
    const f32 decay = exp2_fast(state.base[r] - base);
    state.base[r] = next_base;
    f32 sum = 0.0f;
#pragma unroll
    for (i32 n = 0; n < kColumns; n++) {
      const f32 left = exp2_fast(fma_f32(scores[n][2 * r], log2_factor, -base));
      const f32 right = exp2_fast(fma_f32(scores[n][2 * r + 1], log2_factor, -base));
      sum += left + right;
      weights[n / 2][n % 2 * 2 + r] = pack2<T>(left, right);
    }
    state.max[r] = max;
    state.sum[r] = fma_f32(state.sum[r], decay, sum);
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
      state.out[n][2 * r] *= decay;
      state.out[n][2 * r + 1] *= decay;
    }
  }
}

// Divides by the sums; gives each row's natural log of them, -inf and zeros where nothing was seen.
template <i32 kHeadDim>
DEVICE void normalise(State<kHeadDim>& state, f32 natural_factor, f32 (&lse)[2]) {
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const f32 sum = sum_of_row(state.sum[r]);
    const f32 inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
    lse[r] = fma_f32(state.max[r], natural_factor, log_f32(sum));
#pragma unroll
    for (i32 n = 0; n < kHeadDim / 8; n++) {
      state.out[n][2 * r] *= inverse;
      state.out[n][2 * r + 1] *= inverse;
    }
  }
}

}  // namespace attention_softmax
