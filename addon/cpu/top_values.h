#pragma once
// The order of token candidates, and the first k of it.

#include <algorithm>
#include <vector>

#include "../../cuda/params.h"

namespace cpu {

// Larger value first; the lower id among equals.
struct ByValue {
  const f32* values;
  bool operator()(i32 a, i32 b) const {
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  }
};

// The ids of the k first values in ByValue's order, sorted by it. No value is NaN.
inline void find_top(const f32* values, i32 count, i32 k, std::vector<i32>* ids) {
  ids->clear();
  if (k <= 0) return;
  const ByValue order = {values};
  const size_t limit = size_t(k) * 2 + 64;
  f32 threshold = -__builtin_inff();  // the k-th best so far; a later equal value loses to it
  bool is_full = false;
  for (i32 id = 0; id < count; ++id) {
    if (is_full && !(values[id] > threshold)) continue;
    ids->push_back(id);
    if (ids->size() < limit) continue;
    std::nth_element(ids->begin(), ids->begin() + (k - 1), ids->end(), order);
    ids->resize(size_t(k));
    threshold = values[ids->back()];
    is_full = true;
  }
  std::sort(ids->begin(), ids->end(), order);
  if (ids->size() > size_t(k)) ids->resize(size_t(k));
}

}  // namespace cpu
