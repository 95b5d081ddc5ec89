#pragma once
// Rows of f32 in groups of 4: one 16-byte access where the row is aligned, single elements where it
// is not or where it ends. Either way a group holds the same elements, so sums over groups have one
// order.

#include <device.cuh>

namespace f32_groups {

constexpr i32 kGroup = 4;

DEVICE i32 num_groups(i32 count) { return (count + kGroup - 1) / kGroup; }

// Whether rows of `dim` elements that start at `data` may be accessed by whole groups.
DEVICE bool is_aligned(const void* data, i32 dim) {
  return dim % kGroup == 0 && reinterpret_cast<u64>(data) % 16 == 0;
}

// Elements [0, 4) at `from`, zeros from `count` on.
DEVICE f32x4 load(const f32* from, i32 count, bool aligned) {
  if (aligned) {
    const Vec16 vec = ld16(from);
    return {f32_of(vec.words[0]), f32_of(vec.words[1]), f32_of(vec.words[2]), f32_of(vec.words[3])};
  }
  return {count > 0 ? from[0] : 0.0f, count > 1 ? from[1] : 0.0f, count > 2 ? from[2] : 0.0f,
          count > 3 ? from[3] : 0.0f};
}

template <class Out>
DEVICE void store_whole(Out* to, f32x4 v) {
  *reinterpret_cast<u64*>(to) = u64(pack2<Out>(v.z, v.w)) << 32 | pack2<Out>(v.x, v.y);
}
template <>
DEVICE void store_whole<f32>(f32* to, f32x4 v) {
  st16(to, {{bits_of(v.x), bits_of(v.y), bits_of(v.z), bits_of(v.w)}});
}

// Rounds to Out; elements from `count` on are not written.
template <class Out>
DEVICE void store(Out* to, f32x4 v, i32 count, bool aligned) {
  if (aligned) return store_whole<Out>(to, v);
  if (count > 0) to[0] = from_f32<Out>(v.x);
  if (count > 1) to[1] = from_f32<Out>(v.y);
  if (count > 2) to[2] = from_f32<Out>(v.z);
  if (count > 3) to[3] = from_f32<Out>(v.w);
}

}  // namespace f32_groups
