// Token ids, or rows of vectors, into the residual stream.

#include <device.cuh>

#include "f32_groups.cuh"
#include "matmul_params.h"

namespace embed {

constexpr i32 kThreads = 256;
constexpr i32 kElemsPerVec = 8;

template <class T>
DEVICE void copy_table_row(f32* out, const T* row, i32 hidden, bool aligned) {
  const i32 stride = i32(blockDim.x) * kElemsPerVec;
  for (i32 at = i32(threadIdx.x) * kElemsPerVec; at < hidden; at += stride) {
    const Vec16 vec = ld16(row + at);  // rows of a packed weight end 16-byte aligned
#pragma unroll
    for (i32 half = 0; half < 2; half++) {
      const f32x2 first = unpack2<T>(vec.words[2 * half]);
      const f32x2 second = unpack2<T>(vec.words[2 * half + 1]);
      const i32 group = at + half * f32_groups::kGroup;
      if (group >= hidden) break;
      f32_groups::store<f32>(out + group, {first.x, first.y, second.x, second.y}, hidden - group,
                             aligned);
    }
  }
}

DEVICE void copy_vector(f32* out, const f32* vector, i32 hidden, bool aligned) {
  const i32 stride = i32(blockDim.x) * f32_groups::kGroup;
  for (i32 at = i32(threadIdx.x) * f32_groups::kGroup; at < hidden; at += stride) {
    const f32x4 group = f32_groups::load(vector + at, hidden - at, aligned);
    f32_groups::store<f32>(out + at, group, hidden - at, aligned);
  }
}

// out[t] = table[ids[t]], or vectors[vector_rows[t]] where vector_rows[t] >= 0
//
// Shapes   as in EmbedParams; table rows are matmul_weight_pitch(hidden) elements apart
// Grid     one CTA of up to kThreads threads per token
// Needs    every id that counts in [0, vocab_size); table 16-byte aligned
// Moves    6 * num_tokens * hidden bytes (8 from vectors); no arithmetic: bandwidth is the ceiling
// Order    none
template <class T>
DEVICE void run(const EmbedParams& params) {
  const i32 token = i32(blockIdx.x);
  const i32 hidden = params.table.in_dim;
  f32* const out = params.out + i64(token) * hidden;
  const i32 vector = params.vector_rows != nullptr ? params.vector_rows[token] : -1;
  if (vector >= 0) {
    const f32* const from = params.vectors + i64(vector) * hidden;
    const bool aligned = f32_groups::is_aligned(params.out, hidden) &&
                         f32_groups::is_aligned(params.vectors, hidden);
    copy_vector(out, from, hidden, aligned);
    return;
  }
  const i32 id = params.ids[token];
  CU_ASSERT(id >= 0 && id < params.table.out_dim);
  const T* const row =
      static_cast<const T*>(params.table.data) + i64(id) * matmul_weight_pitch(hidden);
  copy_table_row(out, row, hidden, f32_groups::is_aligned(params.out, hidden));
}

}  // namespace embed

CU_KERNEL(embed_bf16, embed::run<bf16>, EmbedParams, embed::kThreads, 4)
CU_KERNEL(embed_f16, embed::run<f16>, EmbedParams, embed::kThreads, 4)
