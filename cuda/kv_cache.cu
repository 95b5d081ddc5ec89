// Slots of the paged cache: writing and reading single positions. Attention reads whole tiles.

#include <device.cuh>

#include "kv_cache.cuh"

namespace kv_cache {

// Copies a step's keys and values of one layer into the cache, rounded to its dtype.
//
//   K[block][layer][h][offset][d] = key[t][h][d], slot_mapping[t] = block * block_size + offset,
//   and likewise V; a token whose slot is -1 writes nothing.
//
// Shapes   as in WriteKvParams
// Grid     one warp per (token, kv head), kKvRowsPerCta of them in a CTA; a lane has eight elements
// Needs    head_dim % 8 == 0, head_dim <= 256, 16-byte aligned key, value and strides,
//          no slot twice
// Moves    12 * num_tokens * num_kv_heads * head_dim bytes: f32 in, 2 bytes out, K and V
// Order    warps touch disjoint rows: none
// Source   Kwon et al. 2023 (arXiv 2309.06180)
template <class T>
DEVICE void write_kv(const WriteKvParams& params) {
  const KvCacheView& cache = params.cache;
  const i64 row = i64(blockIdx.x) * kKvRowsPerCta + threadIdx.x / kWarpSize;
  if (row >= i64(params.num_tokens) * cache.num_kv_heads) return;
  const i32 token = i32(u32(row) / u32(cache.num_kv_heads));
  const i32 head = i32(u32(row) % u32(cache.num_kv_heads));
  const i32 slot = params.slot_mapping[token];
  if (slot < 0) return;

  const i32 lane = threadIdx.x % kWarpSize;
  const i64 from = token * params.token_stride + i64(head) * cache.head_dim;
  u8* const key_row = row_of(cache, slot, params.layer, head, false);
  u8* const value_row = row_of(cache, slot, params.layer, head, true);
  write_row<T>(key_row, params.key + from, cache.head_dim, lane);
  write_row<T>(value_row, params.value + from, cache.head_dim, lane);
}

// Widens a row of the cache into f32; a null row gives zeros.
template <class T>
DEVICE void read_row(f32* to, const u8* row, i32 head_dim, i32 lane) {
  const i32 d = lane * kElemsPerVec;
  if (d >= head_dim) return;
  const Vec16 packed = row == nullptr ? Vec16{} : ld16(row + d * 2);
  Vec16 wide[2];
#pragma unroll
  for (i32 i = 0; i < 4; i++) {
    const f32x2 pair = unpack2<T>(packed.words[i]);
    wide[i / 2].words[i % 2 * 2] = bits_of(pair.x);
    wide[i / 2].words[i % 2 * 2 + 1] = bits_of(pair.y);
  }
  st16(to + d, wide[0]);
  st16(to + d + 4, wide[1]);
}

// Reads slots back, widened to f32; slot -1 gives zeros.
//
// Shapes   as in ReadKvParams
// Grid     one warp per (slot, kv head), kKvRowsPerCta of them in a CTA
// Needs    as write_kv; a slot may be named twice
// Moves    12 * num_slots * num_kv_heads * head_dim bytes
// Order    none
template <class T>
DEVICE void read_kv(const ReadKvParams& params) {
  const KvCacheView& cache = params.cache;
  const i64 row = i64(blockIdx.x) * kKvRowsPerCta + threadIdx.x / kWarpSize;
  if (row >= i64(params.num_slots) * cache.num_kv_heads) return;
  const i32 index = i32(u32(row) / u32(cache.num_kv_heads));
  const i32 head = i32(u32(row) % u32(cache.num_kv_heads));
  const i32 slot = params.slots[index];

  const u8* key_row = nullptr;
  const u8* value_row = nullptr;
  if (slot >= 0) {
    key_row = row_of(cache, slot, params.layer, head, false);
    value_row = row_of(cache, slot, params.layer, head, true);
  }
  const i32 lane = threadIdx.x % kWarpSize;
  read_row<T>(params.key + row * cache.head_dim, key_row, cache.head_dim, lane);
  read_row<T>(params.value + row * cache.head_dim, value_row, cache.head_dim, lane);
}

}  // namespace kv_cache

CU_KERNEL(write_kv_bf16, kv_cache::write_kv<bf16>, WriteKvParams, kKvRowThreads, 8)
CU_KERNEL(write_kv_f16, kv_cache::write_kv<f16>, WriteKvParams, kKvRowThreads, 8)
CU_KERNEL(read_kv_bf16, kv_cache::read_kv<bf16>, ReadKvParams, kKvRowThreads, 8)
CU_KERNEL(read_kv_f16, kv_cache::read_kv<f16>, ReadKvParams, kKvRowThreads, 8)
