#pragma once
// Rows of a weight as files hold them: floats, or the blocks of llama.cpp's Q8_0 and Q4_0, which stand
// here as kInt8 and kInt4; in their own order, or with the halves of each head as neighbours. For
// loading only.
//
//   Q8_0 block   f16 scale, 32 signed bytes q          weight = scale * q
//   Q4_0 block   f16 scale, 16 bytes                   weight = scale * (half - 8); input i is in the
//                                                      low half of byte i, input 16 + i in the high one

#include "../backend.h"
#include "quantized.h"
#include "scalar_convert.h"

namespace cpu {

constexpr i64 stored_block_bytes(DType dtype) { return dtype == kInt8 ? 34 : 18; }

// Bytes of one stored row; quantised ones have whole blocks.
constexpr i64 stored_row_bytes(DType dtype, i32 in_dim) {
  if (is_quantized(dtype)) return i64(in_dim) / kGroupElems * stored_block_bytes(dtype);
  return i64(in_dim) * (dtype == kF16 || dtype == kBF16 ? 2 : 4);
}

// The stored row that is row `row` of the weight: with halves as neighbours, row i of a head's first
// half is stored as 2 i, of its second half as 2 i + 1.
constexpr i32 stored_row(i32 row, i32 interleaved_head_dim) {
  if (interleaved_head_dim == 0) return row;
  const i32 in_head = row % interleaved_head_dim;
  const i32 half = interleaved_head_dim / 2;
  return row - in_head + (in_head % half) * 2 + in_head / half;
}

inline const u8* stored_row(const WeightPart& part, i32 in_dim, i32 row) {
  return static_cast<const u8*>(part.data) +
         stored_row(row, part.interleaved_head_dim) * stored_row_bytes(part.source_dtype, in_dim);
}

// out[k] = weight k of a row of blocks; exact. [in_dim]
inline void widen_blocks(const u8* row, DType dtype, i32 in_dim, f32* out) {
  const i32 half_elems = kGroupElems / 2;
  for (i32 k = 0; k < in_dim;
       k += kGroupElems, row += stored_block_bytes(dtype), out += kGroupElems) {
    u16 bits;
    std::memcpy(&bits, row, sizeof(bits));
    const f32 scale = f32_from_bits(f16_to_f32_bits(bits));
    const u8* data = row + sizeof(bits);
    if (dtype == kInt8) {
      for (i32 i = 0; i < kGroupElems; ++i) out[i] = scale * f32(static_cast<signed char>(data[i]));
      continue;
    }
    for (i32 i = 0; i < half_elems; ++i) {
      out[i] = scale * f32((data[i] & 15) - 8);
      out[half_elems + i] = scale * f32((data[i] >> 4) - 8);
    }
  }
}

}  // namespace cpu
