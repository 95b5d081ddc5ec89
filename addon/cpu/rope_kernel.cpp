// Rotary embedding of fused qkv rows with optional q/k norm, and the scatter of k and v.

#include "isa_kernels.h"
#include "kv_tile.h"
#include "norm.h"

namespace cpu::PA_ISA {
namespace {

// out = head, normalised where norm is given.
void prepare_head(f32* out, const f32* head, i32 head_dim, const f32* norm, f32 eps, f32 offset) {
  if (norm == nullptr) {
    memcpy(out, head, size_t(head_dim) * sizeof(f32));
    return;
  }
  const f32 inverse = inverse_rms(head, head_dim, eps);
  for (i32 i = 0; i < head_dim; i += kLanes) {
    const i32 count = head_dim - i < kLanes ? head_dim - i : kLanes;
    const Vec x = load_partial(head + i, count);
    store_partial(out + i, normalized(x, inverse, load_partial(norm + i, count), offset), count);
  }
}

// Rotates the pairs (d, d + rotary_dim / 2) in place.
void rotate_head(f32* head, const f32* cos_sin, i32 rotary_dim) {
  const i32 half = rotary_dim / 2;
  for (i32 i = 0; i < half; i += kLanes) {
    const i32 count = half - i < kLanes ? half - i : kLanes;
    const bool whole = count == kLanes;
    const Vec cos = whole ? load(cos_sin + i) : load_partial(cos_sin + i, count);
    const Vec sin = whole ? load(cos_sin + half + i) : load_partial(cos_sin + half + i, count);
    const Vec a = whole ? load(head + i) : load_partial(head + i, count);
    const Vec b = whole ? load(head + half + i) : load_partial(head + half + i, count);
    store_partial(head + i, fnma(b, sin, a * cos), count);
    store_partial(head + half + i, fma(a, sin, b * cos), count);
  }
}

}  // namespace

void rope_and_write_kv(const RopeAndWriteKvParams& params, i32 first_token, i32 end_token) {
  const i32 head_dim = params.cache.head_dim;
  const i32 num_kv_heads = params.cache.num_kv_heads;
  const i64 row_elems = i64(params.num_heads + 2 * num_kv_heads) * head_dim;
  for (i32 t = first_token; t < end_token; ++t) {
    const f32* q = params.qkv + t * row_elems;
    const f32* k = q + i64(params.num_heads) * head_dim;
    const f32* v = k + i64(num_kv_heads) * head_dim;
    const f32* cos_sin = params.cos_sin + i64(params.positions[t]) * params.rotary_dim;

    for (i32 head = 0; head < params.num_heads; ++head) {
      f32* out = params.q_out + (i64(t) * params.num_heads + head) * head_dim;
      prepare_head(out, q + i64(head) * head_dim, head_dim, params.q_norm, params.norm_eps,
                   params.norm_weight_offset);
      rotate_head(out, cos_sin, params.rotary_dim);
    }

    const i32 slot = params.slot_mapping[t];
    if (slot < 0) continue;
    for (i32 head = 0; head < num_kv_heads; ++head) {
      f32 key[kMaxHeadDim];
      prepare_head(key, k + i64(head) * head_dim, head_dim, params.k_norm, params.norm_eps,
                   params.norm_weight_offset);
      rotate_head(key, cos_sin, params.rotary_dim);
      write_slot(params.cache, params.layer, head, slot, key, v + i64(head) * head_dim);
    }
  }
}

}  // namespace cpu::PA_ISA
