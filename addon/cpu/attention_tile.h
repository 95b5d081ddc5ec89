#pragma once
// One tile of 64 positions of one kv head, copied from the paged cache to thread-local scratch so
// that the products walk it with fixed strides.

#include "kv_tile.h"

namespace cpu::PA_ISA {

constexpr i32 kPieceLen = 8;  // positions per copied piece: the smallest block

// Copies positions [begin, end) of the tile, in whole pieces of 8, and zeros the other pieces: no
// table entry without a position in [begin, end) is read.
//
// @param table the sequence's row of block ids
// @param tile  the tile's first position
PA_INLINE void stage_tile(const KvCacheView& cache, const i32* table, i32 layer, i32 head, i32 tile,
                          i32 begin, i32 end, u8* keys, u8* values) {
  const i32 head_dim = cache.head_dim;
  const bool is_f32 = cache.dtype == kF32;
  const i32 key_rows = is_f32 ? head_dim : head_dim / 2;  // each of 4 bytes per position
  const i64 value_bytes = i64(kPieceLen) * head_dim * (is_f32 ? 4 : 2);
  const i64 key_stride = i64(cache.block_size) * 4;
  for (i32 piece = 0; piece < kTilePositions / kPieceLen; ++piece) {
    const i32 position = tile + piece * kPieceLen;
    u8* key_to = keys + piece * kPieceLen * 4;
    u8* value_to = values + piece * value_bytes;
    if (position + kPieceLen <= begin || position >= end) {
      for (i32 d = 0; d < key_rows; ++d) memset(key_to + d * kTilePositions * 4, 0, kPieceLen * 4);
      memset(value_to, 0, size_t(value_bytes));
      continue;
    }
    const i32 block = table[position / cache.block_size];
    const i32 offset = position % cache.block_size;
    const u8* key_from = key_tile(cache, block, layer, head) + key_offset(cache, offset, 0);
    const u8* value_from = value_tile(cache, block, layer, head) + value_offset(cache, offset, 0);
    for (i32 d = 0; d < key_rows; ++d) {
      memcpy(key_to + d * kTilePositions * 4, key_from + d * key_stride, kPieceLen * 4);
    }
    memcpy(value_to, value_from, size_t(value_bytes));
  }
}

}  // namespace cpu::PA_ISA
