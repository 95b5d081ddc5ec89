#pragma once
// Where a position's key and value stand inside one (block, layer, head) tile of the cache.
//
//   2-byte types   K [head_dim / 2][block_size][2]     V [block_size / 2][head_dim][2]
//   f32            K [head_dim][block_size]            V [block_size][head_dim]
//
// A K vector's lanes are positions and a V vector's lanes are head dims, so that neither dot
// product reduces over lanes; 2-byte types hold the pairs that dot-product instructions read.

#include "simd.h"

namespace cpu::PA_ISA {

PA_INLINE u8* key_tile(const KvCacheView& cache, i32 block, i32 layer, i32 head) {
  return static_cast<u8*>(cache.data) + i64(block) * cache.block_stride +
         i64(layer) * cache.layer_stride + i64(head) * cache.head_stride;
}
PA_INLINE u8* value_tile(const KvCacheView& cache, i32 block, i32 layer, i32 head) {
  return key_tile(cache, block, layer, head) + cache.value_stride;
}

// Bytes from the start of a tile to element d of a position's key or value.
PA_INLINE i64 key_offset(const KvCacheView& cache, i32 offset, i32 d) {
  if (cache.dtype == kF32) return (i64(d) * cache.block_size + offset) * 4;
  return (i64(d / 2) * cache.block_size + offset) * 4 + d % 2 * 2;
}
PA_INLINE i64 value_offset(const KvCacheView& cache, i32 offset, i32 d) {
  if (cache.dtype == kF32) return (i64(offset) * cache.head_dim + d) * 4;
  return (i64(offset / 2) * cache.head_dim + d) * 4 + offset % 2 * 2;
}

// Puts one head's key and value, [head_dim] each, into a slot, rounded to the cache's dtype.
void write_slot(const KvCacheView& cache, i32 layer, i32 head, i32 slot, const f32* key,
                const f32* value);

}  // namespace cpu::PA_ISA
