#pragma once
// Which combinations of values a kernel test runs: every pair of values of two parameters meets in
// some case, which finds what depends on one or two of them at a fraction of the full product's
// time.

#include <vector>

#include "../../native/values.h"

namespace emulation {

inline bool runs_all_shapes = false;
inline void run_all_shapes() { runs_all_shapes = true; }

// One index per parameter for each case. `num_values[p]` is how many values parameter p has. After
// run_all_shapes() all combinations.
inline std::vector<std::vector<i32>> shape_cover(const std::vector<i32>& num_values,
                                                 Random& random) {
  const size_t num_params = num_values.size();
  std::vector<std::vector<i32>> product = {{}};
  for (const i32 count : num_values) {
    std::vector<std::vector<i32>> longer;
    for (const std::vector<i32>& begun : product) {
      for (i32 value = 0; value < count; ++value) {
        longer.push_back(begun);
        longer.back().push_back(value);
      }
    }
    product = std::move(longer);
  }
  if (runs_all_shapes) return product;

  // Cases in random order, each taken if a pair is new in it.
  for (size_t i = product.size(); i > 1; --i) {
    std::swap(product[i - 1], product[size_t(random.below(i32(i)))]);
  }
  std::vector<bool> seen(num_params * num_params * 64 * 64);
  std::vector<std::vector<i32>> cover;
  for (const std::vector<i32>& one : product) {
    bool is_new = false;
    for (size_t a = 0; a < num_params; ++a) {
      for (size_t b = a + 1; b < num_params; ++b) {
        const size_t pair = ((a * num_params + b) * 64 + size_t(one[a])) * 64 + size_t(one[b]);
        is_new = is_new || !seen[pair];
        seen[pair] = true;
      }
    }
    if (is_new) cover.push_back(one);
  }
  return cover;
}

}  // namespace emulation
