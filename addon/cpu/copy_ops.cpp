#include "copy_ops.h"

#include <cassert>
#include <cstring>

#include "weight_pack.h"

namespace cpu {

void embed_rows(const EmbedParams& params, i32 first_token, i32 end_token) {
  const i64 hidden = params.table.in_dim;
  for (i32 t = first_token; t < end_token; ++t) {
    f32* out = params.out + t * hidden;
    if (params.vector_rows != nullptr && params.vector_rows[t] >= 0) {
      std::memcpy(out, params.vectors + params.vector_rows[t] * hidden,
                  size_t(hidden) * sizeof(f32));
      continue;
    }
    assert(params.ids[t] >= 0 && params.ids[t] < params.table.out_dim);
    unpack_row(params.table, params.ids[t], out);
  }
}

void gather_rows(const GatherRowsParams& params, i32 first_row, i32 end_row) {
  const i64 elem_bytes = params.dtype == kF32 || params.dtype == kI32 ? 4 : 2;
  const i64 row_bytes = params.dim * elem_bytes;
  const u8* x = static_cast<const u8*>(params.x);
  for (i32 r = first_row; r < end_row; ++r) {
    assert(params.rows[r] >= 0 && params.rows[r] < params.num_source_rows);
    std::memcpy(static_cast<u8*>(params.out) + r * row_bytes, x + params.rows[r] * row_bytes,
                size_t(row_bytes));
  }
}

void copy_block(const CopyBlocksParams& params, i32 pair) {
  const i64 stride = params.cache.block_stride;
  u8* data = static_cast<u8*>(params.cache.data);
  const i32 source = params.pairs[pair * 2];
  const i32 destination = params.pairs[pair * 2 + 1];
  assert(source >= 0 && source < params.cache.num_blocks);
  assert(destination >= 0 && destination < params.cache.num_blocks);
  if (source == destination) return;
  std::memcpy(data + destination * stride, data + source * stride, size_t(stride));
}

}  // namespace cpu
