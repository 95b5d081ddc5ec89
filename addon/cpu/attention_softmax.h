#pragma once
// The online softmax of one tile: scores become probabilities, and what was summed before decays.

#include "attention_rows.h"
#include "dot.h"
#include "vector_math.h"

namespace cpu::PA_ISA {

// Scales, caps and masks one row head's scores, of which it sees lanes [begin, end), in place;
// gives their maximum. NaN never enters a maximum, it shows in the sum of the probabilities.
PA_INLINE f32 finish_scores(const PagedAttentionParams& params, f32* scores, i32 begin, i32 end) {
  const Vec hidden = broadcast(-__builtin_inff());
  const Vec scale = broadcast(params.scale);
  Vec max = hidden;
  for (i32 at = 0; at < kTilePositions; at += kLanes) {
    Vec s = load(scores + at) * scale;
    if (params.softcap > 0.0f) {
      const Vec cap = broadcast(params.softcap);
      s = cap * tanh(s / cap);
    }
    if (begin > at || end < at + kLanes) s = keep_lanes(s, begin - at, end - at, hidden);
    store(scores + at, s);
    max = max_or_second(s, max);
  }
  return reduce_max(max);
}

// new_max[r] becomes the maximum and decay[r] = exp(old - new) for row heads [first, end).
PA_INLINE void update_maxima(const SoftmaxState& state, i32 first, i32 end, const f32* tile_max,
                             f32* decay) {
  for (i32 r = first; r < end; r += kLanes) {
    const i32 count = end - r < kLanes ? end - r : kLanes;
    const Vec old_max = load_partial(state.max + r, count);
    const Vec max = max_or_second(load_partial(tile_max + r, count), old_max);
    store_partial(state.max + r, max, count);
    store_partial(decay + r, exp_small(old_max - max), count);
  }
}

// Probabilities of one row head, rounded for P . V into `p`, summed before rounding.
template <class Steps>
PA_INLINE f32 exp_scores(const f32* scores, f32 max, typename Steps::X* p) {
  Vec e[kTilePositions / kLanes];
#pragma GCC unroll 4
  for (i32 v = 0; v < 4; ++v) {
    e[v] = exp_small(load(scores + v * kLanes) - broadcast(max));
    Steps::store_x(p, v * kLanes, e[v]);
  }
  return reduce_add((e[0] + e[1]) + (e[2] + e[3]));
}

}  // namespace cpu::PA_ISA
