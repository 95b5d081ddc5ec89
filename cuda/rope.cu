// Rotary embedding of fused qkv rows with optional q/k norm, and the scatter of k and v.

#include <device.cuh>

#include "kv_cache.cuh"

namespace rope {

constexpr i32 kElemsPerVec = 4;  // f32 of a 16-byte access
constexpr i32 kElemsPerTrip = kElemsPerVec * kWarpSize;
constexpr i32 kMaxVecs = kKvMaxHeadDim / kElemsPerTrip;  // of one lane

// A lane's part of a head row: elements first_element(j) and the three after it.
struct Part {
  f32 elems[kMaxVecs][kElemsPerVec];
};

DEVICE i32 lane_of() { return i32(threadIdx.x % kWarpSize); }
DEVICE i32 first_element(i32 vec) { return vec * kElemsPerTrip + lane_of() * kElemsPerVec; }

DEVICE void load_elems(f32 (&elems)[kElemsPerVec], const f32* from) {
  const Vec16 vec = ld16(from);
#pragma unroll
  for (i32 i = 0; i < kElemsPerVec; i++) elems[i] = f32_of(vec.words[i]);
}

DEVICE void store_elems(f32* to, const f32 (&elems)[kElemsPerVec]) {
  Vec16 vec;
#pragma unroll
  for (i32 i = 0; i < kElemsPerVec; i++) vec.words[i] = bits_of(elems[i]);
  st16(to, vec);
}

// 1 / sqrt(mean of squares + eps) of the row that the warp holds; elements past head_dim are 0.
DEVICE f32 inverse_rms(const Part& part, i32 head_dim, f32 eps) {
  f32 squares = 0.0f;
#pragma unroll
  for (i32 j = 0; j < kMaxVecs; j++) {
#pragma unroll
    for (i32 i = 0; i < kElemsPerVec; i++) {
      squares = fma_f32(part.elems[j][i], part.elems[j][i], squares);
    }
  }
#pragma unroll
  for (u32 distance = kWarpSize / 2; distance > 0; distance /= 2) {
    squares = squares + shuffle_xor(0xffffffffu, squares, distance);
  }
  return 1.0f / sqrt_f32(squares / f32(head_dim) + eps);
}

DEVICE Part load_part(const f32* row, i32 head_dim) {
  Part part = {};
#pragma unroll
  for (i32 j = 0; j < kMaxVecs; j++) {
    const i32 d = first_element(j);
    if (d < head_dim) load_elems(part.elems[j], row + d);
  }
  return part;
}

DEVICE void normalise(Part& part, const f32* weight, const RopeAndWriteKvParams& params) {
  const i32 head_dim = params.cache.head_dim;
  const f32 inverse = inverse_rms(part, head_dim, params.norm_eps);
#pragma unroll
  for (i32 j = 0; j < kMaxVecs; j++) {
    const i32 d = first_element(j);
    if (d >= head_dim) continue;
    f32 weights[kElemsPerVec];
    load_elems(weights, weight + d);
#pragma unroll
    for (i32 i = 0; i < kElemsPerVec; i++) {
      part.elems[j][i] = (part.elems[j][i] * inverse) * (params.norm_weight_offset + weights[i]);
    }
  }
}

// x turned with its partner: the first of a pair is x cos - y sin, the second x cos + y sin.
DEVICE f32 turned(f32 x, f32 partner, f32 cos, f32 sin, bool is_first) {
  return fma_f32(is_first ? -partner : partner, sin, x * cos);
}

// Rotates elements d … d + 3 of `row`, which other lanes wrote; cos_sin is of this position.
DEVICE void rotate_elems(f32 (&elems)[kElemsPerVec], const f32* row, const f32* cos_sin, i32 half,
                         i32 d) {
  if (half % kElemsPerVec == 0) {  // the four are in one half, and so are their partners
    if (d >= 2 * half) return;
    const bool is_first = d < half;
    const i32 pair = is_first ? d : d - half;
    f32 partners[kElemsPerVec], cos[kElemsPerVec], sin[kElemsPerVec];
    load_elems(partners, row + (is_first ? d + half : pair));
    load_elems(cos, cos_sin + pair);
    load_elems(sin, cos_sin + half + pair);
#pragma unroll
    for (i32 i = 0; i < kElemsPerVec; i++) {
      elems[i] = turned(elems[i], partners[i], cos[i], sin[i], is_first);
    }
    return;
  }
#pragma unroll
  for (i32 i = 0; i < kElemsPerVec; i++) {
    if (d + i >= 2 * half) continue;
    const bool is_first = d + i < half;
    const i32 pair = is_first ? d + i : d + i - half;
    const f32 partner = row[is_first ? pair + half : pair];
    elems[i] = turned(elems[i], partner, cos_sin[pair], cos_sin[half + pair], is_first);
  }
}

DEVICE void rotate(Part& part, f32* row, const RopeAndWriteKvParams& params, i32 token) {
  const i32 head_dim = params.cache.head_dim;
  const i32 position = params.positions[token];
  CU_ASSERT(position >= 0 && position < params.max_positions);
  const f32* const cos_sin = params.cos_sin + i64(position) * params.rotary_dim;
#pragma unroll
  for (i32 j = 0; j < kMaxVecs; j++) {
    const i32 d = first_element(j);
    if (d < head_dim) store_elems(row + d, part.elems[j]);
  }
  sync_warp();
#pragma unroll
  for (i32 j = 0; j < kMaxVecs; j++) {
    const i32 d = first_element(j);
    if (d < head_dim) rotate_elems(part.elems[j], row, cos_sin, params.rotary_dim / 2, d);
  }
}

// Rounds a row into the cache, 8 bytes per lane: a warp's stores are whole sectors side by side.
template <class T>
DEVICE void store_key(u8* to, const Part& part, i32 head_dim) {
#pragma unroll
  for (i32 j = 0; j < kMaxVecs; j++) {
    const i32 d = first_element(j);
    if (d >= head_dim) continue;
    const f32(&e)[kElemsPerVec] = part.elems[j];
    const u64 low = pack2<T>(e[0], e[1]);
    const u64 high = pack2<T>(e[2], e[3]);
    *reinterpret_cast<u64*>(to + d * 2) = low | (high << 32);
  }
}

// Splits fused qkv rows; q and k are normalised per head where asked and rotated, q goes out, k and
// v go to their slots. For a pair (a, b) = (x[d], x[d + rotary_dim / 2]) and its angle:
//
//   a' = a cos - b sin,  b' = b cos + a sin;  elements past rotary_dim stay
//   norm: x[d] / sqrt(mean(x^2) + eps) * (norm_weight_offset + weight[d]), before the rotation
//
// Shapes   as in RopeAndWriteKvParams
// Grid     one warp per (token, head row), kKvRowsPerCta of them in a CTA; rows are q heads, k, v
// Needs    head_dim % 8 == 0, head_dim <= 256, 16-byte aligned pointers and strides, no slot twice
// Moves    (8 * num_heads + 12 * num_kv_heads) * head_dim bytes per token
// Order    of the squares: a lane's elements in order, then lanes by xor 16 … 1; nothing depends on
//          the token, the batch or the slot
// Source   Su et al. 2021 (arXiv 2104.09864), pairs as Hugging Face's checkpoints have them
template <class T>
DEVICE void rope_and_write_kv(const RopeAndWriteKvParams& params) {
  CU_SHARED(f32, rows, kKvRowsPerCta * kKvMaxHeadDim);
  const i32 warp = i32(threadIdx.x / kWarpSize);
  const i32 head_dim = params.cache.head_dim;
  const i32 num_kv_heads = params.cache.num_kv_heads;
  const i32 rows_per_token = params.num_heads + 2 * num_kv_heads;
  const i64 row = i64(blockIdx.x) * kKvRowsPerCta + warp;
  if (row >= i64(params.num_tokens) * rows_per_token) return;
  const i32 token = i32(u32(row) / u32(rows_per_token));
  const i32 head = i32(u32(row) % u32(rows_per_token));
  const f32* const from = params.qkv + row * head_dim;

  if (head < params.num_heads) {
    Part part = load_part(from, head_dim);
    if (params.q_norm != nullptr) normalise(part, params.q_norm, params);
    rotate(part, rows + warp * kKvMaxHeadDim, params, token);
    f32* const out = params.q_out + (i64(token) * params.num_heads + head) * head_dim;
#pragma unroll
    for (i32 j = 0; j < kMaxVecs; j++) {
      if (first_element(j) < head_dim) store_elems(out + first_element(j), part.elems[j]);
    }
    return;
  }

  const i32 slot = params.slot_mapping[token];
  if (slot < 0) return;
  const bool is_value = head >= params.num_heads + num_kv_heads;
  const i32 kv_head = head - params.num_heads - (is_value ? num_kv_heads : 0);
  u8* const to = kv_cache::row_of(params.cache, slot, params.layer, kv_head, is_value);
  if (is_value) return kv_cache::write_row<T>(to, from, head_dim, lane_of());

  Part part = load_part(from, head_dim);
  if (params.k_norm != nullptr) normalise(part, params.k_norm, params);
  rotate(part, rows + warp * kKvMaxHeadDim, params, token);
  store_key<T>(to, part, head_dim);
}

}  // namespace rope

CU_KERNEL(rope_and_write_kv_bf16, rope::rope_and_write_kv<bf16>, RopeAndWriteKvParams,
          kKvRowThreads, 8)
CU_KERNEL(rope_and_write_kv_f16, rope::rope_and_write_kv<f16>, RopeAndWriteKvParams, kKvRowThreads,
          8)
