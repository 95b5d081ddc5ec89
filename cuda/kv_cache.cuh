#pragma once
// Where a slot's rows lie in the paged cache, and rows on their way into it and out of it.

#include <device.cuh>

#include "kv_params.h"

namespace kv_cache {

constexpr i32 kElemsPerVec = 8;  // 2-byte elements of one 16-byte access

// The first byte of the [head_dim] elements of `slot`: one layer, one head, its key or its value.
DEVICE u8* row_of(const KvCacheView& cache, i32 slot, i32 layer, i32 head, bool is_value) {
  CU_ASSERT(slot >= 0 && slot / cache.block_size < cache.num_blocks);
  CU_ASSERT(layer >= 0 && layer < cache.num_layers && head >= 0 && head < cache.num_kv_heads);
  const i32 block = slot / cache.block_size;
  const i32 offset = slot % cache.block_size;
  i64 at = block * cache.block_stride + layer * cache.layer_stride + head * cache.head_stride;
  if (is_value) at += cache.value_stride;
  return static_cast<u8*>(cache.data) + at + i64(offset) * cache.head_dim * 2;
}

// Eight f32 from 16-byte aligned memory, rounded to T.
template <class T>
DEVICE Vec16 narrowed(const f32* from) {
  const Vec16 low = ld16(from);
  const Vec16 high = ld16(from + 4);
  Vec16 packed;
  packed.words[0] = pack2<T>(f32_of(low.words[0]), f32_of(low.words[1]));
  packed.words[1] = pack2<T>(f32_of(low.words[2]), f32_of(low.words[3]));
  packed.words[2] = pack2<T>(f32_of(high.words[0]), f32_of(high.words[1]));
  packed.words[3] = pack2<T>(f32_of(high.words[2]), f32_of(high.words[3]));
  return packed;
}

// One warp writes the [head_dim] elements at `from` into a row of the cache.
template <class T>
DEVICE void write_row(u8* row, const f32* from, i32 head_dim, i32 lane) {
  const i32 d = lane * kElemsPerVec;  // head_dim <= 256: one vector of each lane is enough
  if (d < head_dim) st16(row + d * 2, narrowed<T>(from + d));
}

}  // namespace kv_cache
