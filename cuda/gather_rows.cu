// Picks rows of a tensor: the rows whose logits are wanted.

#include <device.cuh>

namespace gather_rows {

constexpr i32 kThreads = 256;

template <class Piece>
DEVICE void copy_piece(u8* to, const u8* from) {
  *reinterpret_cast<Piece*>(to) = *reinterpret_cast<const Piece*>(from);
}
template <>
DEVICE void copy_piece<Vec16>(u8* to, const u8* from) {
  st16(to, ld16(from));
}

// out[r] = x[rows[r]]
//
// Shapes   as in GatherRowsParams
// Grid     one CTA of up to kThreads threads per row
// Needs    rows in [0, num_source_rows); rows of whole Pieces, aligned to them
// Moves    twice the bytes of out; no arithmetic: bandwidth is the ceiling
// Order    none
template <class Piece>
DEVICE void run(const GatherRowsParams& params) {
  const i32 elem_bytes = params.dtype == kF32 || params.dtype == kI32 ? 4 : 2;
  const i64 row_bytes = i64(params.dim) * elem_bytes;
  const i32 source = params.rows[blockIdx.x];
  CU_ASSERT(source >= 0 && source < params.num_source_rows);
  const u8* const from = static_cast<const u8*>(params.x) + source * row_bytes;
  u8* const to = static_cast<u8*>(params.out) + i64(blockIdx.x) * row_bytes;
  const i64 stride = i64(blockDim.x) * i64(sizeof(Piece));
  for (i64 at = i64(threadIdx.x) * i64(sizeof(Piece)); at < row_bytes; at += stride) {
    copy_piece<Piece>(to + at, from + at);
  }
}

}  // namespace gather_rows

// Named by the bytes of a piece: the dtype does not matter.
CU_KERNEL(gather_rows_16, gather_rows::run<Vec16>, GatherRowsParams, gather_rows::kThreads, 4)
CU_KERNEL(gather_rows_4, gather_rows::run<u32>, GatherRowsParams, gather_rows::kThreads, 4)
CU_KERNEL(gather_rows_2, gather_rows::run<u16>, GatherRowsParams, gather_rows::kThreads, 4)
