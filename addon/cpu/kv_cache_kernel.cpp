// Slots of the paged cache: writing and reading single positions. Attention reads whole tiles.

#include "isa_kernels.h"
#include "kv_tile.h"

namespace cpu::PA_ISA {
namespace {

void write_f32_slot(const KvCacheView& cache, u8* key_at, u8* value_at, i32 offset, const f32* key,
                    const f32* value) {
  for (i32 d = 0; d < cache.head_dim; ++d)
    memcpy(key_at + key_offset(cache, offset, d), key + d, 4);
  memcpy(value_at + value_offset(cache, offset, 0), value, size_t(cache.head_dim) * sizeof(f32));
}

void read_slot(const KvCacheView& cache, i32 layer, i32 head, i32 slot, f32* key, f32* value) {
  const i32 block = slot / cache.block_size;
  const i32 offset = slot % cache.block_size;
  const u8* key_at = key_tile(cache, block, layer, head);
  const u8* value_at = value_tile(cache, block, layer, head);
  if (cache.dtype == kF32) {
    for (i32 d = 0; d < cache.head_dim; ++d)
      memcpy(key + d, key_at + key_offset(cache, offset, d), 4);
    memcpy(value, value_at + value_offset(cache, offset, 0), size_t(cache.head_dim) * sizeof(f32));
    return;
  }
  for (i32 first = 0; first < cache.head_dim; first += kLanes) {
    u16 keys[kLanes];
    u16 values[kLanes];
    for (i32 i = 0; i < kLanes; ++i) {
      memcpy(keys + i, key_at + key_offset(cache, offset, first + i), 2);
      memcpy(values + i, value_at + value_offset(cache, offset, first + i), 2);
    }
    store(key + first, cache.dtype == kF16 ? load_f16(keys) : load_bf16(keys));
    store(value + first, cache.dtype == kF16 ? load_f16(values) : load_bf16(values));
  }
}

}  // namespace

void write_slot(const KvCacheView& cache, i32 layer, i32 head, i32 slot, const f32* key,
                const f32* value) {
  const i32 block = slot / cache.block_size;
  const i32 offset = slot % cache.block_size;
  u8* key_at = key_tile(cache, block, layer, head);
  u8* value_at = value_tile(cache, block, layer, head);
  if (cache.dtype == kF32) return write_f32_slot(cache, key_at, value_at, offset, key, value);
  for (i32 first = 0; first < cache.head_dim; first += kLanes) {
    u16 keys[kLanes];
    u16 values[kLanes];
    store_half(cache.dtype, keys, load(key + first));
    store_half(cache.dtype, values, load(value + first));
    u8* key_pair = key_at + key_offset(cache, offset, first);
    for (i32 i = 0; i < kLanes; i += 2, key_pair += i64(cache.block_size) * 4) {
      memcpy(key_pair, keys + i, 4);
    }
    u8* value_half = value_at + value_offset(cache, offset, first);
    for (i32 i = 0; i < kLanes; ++i, value_half += 4) memcpy(value_half, values + i, 2);
  }
}

void write_kv(const WriteKvParams& params, i32 first_token, i32 end_token) {
  const i32 head_dim = params.cache.head_dim;
  for (i32 t = first_token; t < end_token; ++t) {
    const i32 slot = params.slot_mapping[t];
    if (slot < 0) continue;
    for (i32 head = 0; head < params.cache.num_kv_heads; ++head) {
      const i64 from = t * params.token_stride + i64(head) * head_dim;
      write_slot(params.cache, params.layer, head, slot, params.key + from, params.value + from);
    }
  }
}

void read_kv(const ReadKvParams& params, i32 first_slot, i32 end_slot) {
  const KvCacheView& cache = params.cache;
  for (i32 i = first_slot; i < end_slot; ++i) {
    for (i32 head = 0; head < cache.num_kv_heads; ++head) {
      const i64 to = (i64(i) * cache.num_kv_heads + head) * cache.head_dim;
      if (params.slots[i] >= 0) {
        read_slot(cache, params.layer, head, params.slots[i], params.key + to, params.value + to);
        continue;
      }
      memset(params.key + to, 0, size_t(cache.head_dim) * sizeof(f32));
      memset(params.value + to, 0, size_t(cache.head_dim) * sizeof(f32));
    }
  }
}

}  // namespace cpu::PA_ISA
