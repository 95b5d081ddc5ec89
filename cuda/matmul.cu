// Matrix products of activations and packed weights on tensor cores, for any number of rows.

#include <device.cuh>
#include <ptx.cuh>

#include "matmul_params.h"

namespace matmul {

constexpr i32 kElemsPerVec = 8;  // 16 bytes
constexpr i32 kStepDepth = 16;   // K of one mma
// Row tiles whose products run next to each other, so that weights are read from L2.
constexpr i32 kRowTilesPerGroup = 8;

struct TilePlace {
  i32 row;  // first row and column of the CTA's outputs
  i32 col;
};

// CTAs in order walk down kRowTilesPerGroup row tiles before they go one column tile right: a wave
// of CTAs covers a nearly square piece of the output, which needs the fewest bytes of x and weight.
template <class Tile>
DEVICE TilePlace place_of(const MatmulPlan& plan) {
  const i32 tile = i32(blockIdx.x);
  const i32 per_group = kRowTilesPerGroup * plan.num_col_tiles;
  const i32 group = tile / per_group;
  const i32 first_row_tile = group * kRowTilesPerGroup;
  const i32 num_rows = min_i32(kRowTilesPerGroup, plan.num_row_tiles - first_row_tile);
  const i32 within = tile - group * per_group;
  const i32 col_tile = within / num_rows;
  const i32 row_tile = first_row_tile + within - col_tile * num_rows;
  return {row_tile * Tile::kRows, col_tile * Tile::kCols};
}

// Shared tiles are [rows][kDepth] elements. The 16-byte pieces of a row change places by the row's
// number, so that the 8 rows of a matrix that ldmatrix reads lie in different banks.
template <i32 kDepth>
DEVICE i32 swizzle_of(i32 row) {
  static_assert(kDepth == 32 || kDepth == 64, "rows of 64 or 128 bytes");
  return kDepth == 64 ? row & 7 : (row >> 1) & 3;
}

// One thread's part of copying tiles of an operand [num_rows, depth] into shared memory: one piece
// in each of kPasses rows.
template <class T, class Tile, i32 kTileRows>
struct Operand {
  static constexpr i32 kPiecesPerRow = Tile::kDepth / kElemsPerVec;
  static constexpr i32 kRowsPerPass = kMatmulThreads<Tile> / kPiecesPerRow;
  static constexpr i32 kPasses = kTileRows / kRowsPerPass;
  static_assert(kPasses * kRowsPerPass == kTileRows, "whole passes");
  static_assert(kRowsPerPass % 8 == 0, "all rows of a thread have one swizzle");

  const T* source;  // this thread's piece of its first row, at K 0
  i64 pass_stride;  // elements
  i32 rows_left;    // rows of the matrix from this thread's first one on
  i32 first_k;      // of this thread's piece
  i32 offset;       // of this thread's piece in a tile, in elements

  DEVICE Operand(const void* matrix, i64 pitch, i32 first_row, i32 num_rows) {
    const i32 row = i32(threadIdx.x) / kPiecesPerRow;
    const i32 piece = i32(threadIdx.x) % kPiecesPerRow;
    first_k = piece * kElemsPerVec;
    source = static_cast<const T*>(matrix) + (i64(first_row) + row) * pitch + first_k;
    pass_stride = pitch * kRowsPerPass;
    rows_left = num_rows - first_row - row;
    offset = row * Tile::kDepth + (piece ^ swizzle_of<Tile::kDepth>(row)) * kElemsPerVec;
  }

  // Starts the copy of K [k, k + kDepth) into `tile`, zeros past in_dim and past the last row.
  DEVICE void copy(T* tile, i32 k, i32 in_dim) const {
    const bool is_inside = k + first_k < in_dim;
    const u32 to = ptx::shared_address(tile + offset);
#pragma unroll
    for (i32 pass = 0; pass < kPasses; pass++) {
      const bool is_valid = is_inside && pass * kRowsPerPass < rows_left;
      ptx::cp_async16(to + u32(pass * kRowsPerPass * Tile::kDepth * 2),
                      source + pass * pass_stride + k, is_valid);
    }
  }

  // The same for rows that do not start 16-byte aligned: element by element, done on return.
  DEVICE void copy_unaligned(T* tile, i32 k, i32 in_dim) const {
    for (i32 pass = 0; pass < kPasses; pass++) {
      const i32 count = pass * kRowsPerPass < rows_left ? in_dim - k - first_k : 0;
      const T* const from = source + pass * pass_stride + k;
      Vec16 vec;
#pragma unroll
      for (i32 pair = 0; pair < 4; pair++) {
        const u32 low = 2 * pair < count ? from[2 * pair].bits : 0;
        const u32 high = 2 * pair + 1 < count ? from[2 * pair + 1].bits : 0;
        vec.words[pair] = low | high << 16;
      }
      st16(tile + offset + pass * kRowsPerPass * Tile::kDepth, vec);
    }
  }
};

// One warp's piece of a tile: kMmaRows x kMmaCols products of 16 x 8 outputs.
template <class T, class Tile>
struct WarpPiece {
  static constexpr i32 kRows = Tile::kRows / Tile::kWarpsAlongRows;
  static constexpr i32 kCols = Tile::kCols / Tile::kWarpsAlongCols;
  static constexpr i32 kMmaRows = kRows / 16;
  static constexpr i32 kMmaCols = kCols / 8;
  static_assert(kRows % 16 == 0 && kCols % 16 == 0, "whole fragments");

  f32 sums[kMmaRows][kMmaCols][4];
  i32 row;  // in the tile
  i32 col;

  DEVICE WarpPiece() : sums{} {
    const i32 warp = i32(threadIdx.x) / kWarpSize;
    row = warp / Tile::kWarpsAlongCols * kRows;
    col = warp % Tile::kWarpsAlongCols * kCols;
  }

  // Adds the products of one stage, K ascending in steps of 16.
  DEVICE void multiply(const T* x_tile, const T* weight_tile) {
    constexpr u32 kRowBytes = Tile::kDepth * 2;
    const i32 lane = i32(threadIdx.x) % kWarpSize;
    const i32 x_row = row + lane % 16;
    const i32 weight_row = col + lane % 8 + lane / 16 * 8;
    const u32 x_address = ptx::shared_address(x_tile) + u32(x_row) * kRowBytes;
    const u32 weight_address = ptx::shared_address(weight_tile) + u32(weight_row) * kRowBytes;
    const i32 x_swizzle = swizzle_of<Tile::kDepth>(x_row);
    const i32 weight_swizzle = swizzle_of<Tile::kDepth>(weight_row);
#pragma unroll
    for (i32 step = 0; step < Tile::kDepth / kStepDepth; step++) {
      const u32 x_piece = u32((2 * step + lane / 16) ^ x_swizzle) * 16;
      const u32 weight_piece = u32((2 * step + lane / 8 % 2) ^ weight_swizzle) * 16;
      u32 a[kMmaRows][4];
      u32 b[kMmaCols][2];
#pragma unroll
      for (i32 m = 0; m < kMmaRows; m++) {
        ptx::ldmatrix_x4(a[m], x_address + x_piece + u32(m) * 16 * kRowBytes);
      }
#pragma unroll
      for (i32 n = 0; n < kMmaCols; n += 2) {
        u32 pair[4];
        ptx::ldmatrix_x4(pair, weight_address + weight_piece + u32(n) * 8 * kRowBytes);
        b[n][0] = pair[0];
        b[n][1] = pair[1];
        b[n + 1][0] = pair[2];
        b[n + 1][1] = pair[3];
      }
#pragma unroll
      for (i32 m = 0; m < kMmaRows; m++) {
#pragma unroll
        for (i32 n = 0; n < kMmaCols; n++) ptx::mma_m16n8k16<T>(sums[m][n], a[m], b[n]);
      }
    }
  }
};

template <class Out>
DEVICE void store_pair(Out* to, f32 first, f32 second);
template <>
DEVICE void store_pair<f32>(f32* to, f32 first, f32 second) {
  *reinterpret_cast<f32x2*>(to) = {first, second};
}
template <>
DEVICE void store_pair<bf16>(bf16* to, f32 first, f32 second) {
  *reinterpret_cast<u32*>(to) = pack2<bf16>(first, second);
}
template <>
DEVICE void store_pair<f16>(f16* to, f32 first, f32 second) {
  *reinterpret_cast<u32*>(to) = pack2<f16>(first, second);
}

// Adds the bias, rounds, and writes the outputs that exist.
template <class Out, class Piece>
DEVICE void store(const MatmulParams& params, const Piece& piece, TilePlace place) {
  Out* const out = static_cast<Out*>(params.out);
  const i32 lane = i32(threadIdx.x) % kWarpSize;
  const i32 out_dim = params.weight.out_dim;
  const i32 first_row = place.row + piece.row + lane / 4;
  const i32 first_col = place.col + piece.col + lane % 4 * 2;
#pragma unroll
  for (i32 n = 0; n < Piece::kMmaCols; n++) {
    const i32 col = first_col + n * 8;
    const bool has_first = col < out_dim;
    const bool has_second = col + 1 < out_dim;
    const f32 first_bias = params.bias != nullptr && has_first ? params.bias[col] : 0.0f;
    const f32 second_bias = params.bias != nullptr && has_second ? params.bias[col + 1] : 0.0f;
#pragma unroll
    for (i32 half = 0; half < 2 * Piece::kMmaRows; half++) {
      const i32 row = first_row + half * 8;
      if (row >= params.num_rows || !has_first) continue;
      const f32* const sums = piece.sums[half / 2][n] + half % 2 * 2;
      Out* const to = out + i64(row) * out_dim + col;
      if (out_dim % 2 == 0) {  // then there is a second, and the pair is aligned
        store_pair<Out>(to, sums[0] + first_bias, sums[1] + second_bias);
      } else {
        to[0] = from_f32<Out>(sums[0] + first_bias);
        if (has_second) to[1] = from_f32<Out>(sums[1] + second_bias);
      }
    }
  }
}

// out = x . weight^T + bias
//
// Shapes   as in MatmulParams; weight rows are weight_pitch elements apart, zeros past in_dim
// Grid     one CTA per tile of the output, num_row_tiles * num_col_tiles in one dimension
// Needs    weight 16-byte aligned; kIsAligned: x too, and in_dim % 8 == 0; out aligned to a pair
// Moves    x once per column tile, the weight once per row tile (mostly from L2), out once
// Order    one accumulator per output, K ascending in steps of 16 whatever the tile; zeros past
//          in_dim add nothing. So the bits depend on neither num_rows nor the tile
// Math     bf16 or f16 products, f32 sums; the bias is added last
// Shared   kMatmulSharedBytes<Tile>, a ring of kStages stages of an x tile and a weight tile
template <class T, class Tile, bool kIsAligned>
DEVICE void multiply(const MatmulPlan& plan) {
  constexpr i32 kStageElems = (Tile::kRows + Tile::kCols) * Tile::kDepth;
  CU_DYNAMIC_SHARED(T, stages);
  const MatmulParams& params = plan.params;
  const i32 in_dim = params.weight.in_dim;
  const i32 num_turns = (in_dim + Tile::kDepth - 1) / Tile::kDepth;
  const TilePlace place = place_of<Tile>(plan);
  const Operand<T, Tile, Tile::kRows> x(params.x, in_dim, place.row, params.num_rows);
  const Operand<T, Tile, Tile::kCols> weight(params.weight.data, plan.weight_pitch, place.col,
                                             params.weight.out_dim);
  const auto start_turn = [&](i32 turn) {
    T* const stage = stages + turn % Tile::kStages * kStageElems;
    if (turn < num_turns) {
      if (kIsAligned) {
        x.copy(stage, turn * Tile::kDepth, in_dim);
      } else {
        x.copy_unaligned(stage, turn * Tile::kDepth, in_dim);
      }
      weight.copy(stage + Tile::kRows * Tile::kDepth, turn * Tile::kDepth, in_dim);
    }
    ptx::cp_async_commit();  // empty past the end: the count of groups stays the same
  };

  for (i32 turn = 0; turn < Tile::kStages - 1; turn++) start_turn(turn);
  WarpPiece<T, Tile> piece;
  for (i32 turn = 0; turn < num_turns; turn++) {
    ptx::cp_async_wait<Tile::kStages - 2>();
    sync_cta();  // this turn's stage is whole, and nobody reads the stage that is filled next
    start_turn(turn + Tile::kStages - 1);
    const T* const stage = stages + turn % Tile::kStages * kStageElems;
    piece.multiply(stage, stage + Tile::kRows * Tile::kDepth);
  }

  if (params.out_dtype == kF32) store<f32>(params, piece, place);
  if (params.out_dtype == kF16) store<f16>(params, piece, place);
  if (params.out_dtype == kBF16) store<bf16>(params, piece, place);
}

}  // namespace matmul

CU_KERNEL(matmul_bf16_128x128, (matmul::multiply<bf16, MatmulTile128x128, true>), MatmulPlan, 128,
          2)
CU_KERNEL(matmul_f16_128x128, (matmul::multiply<f16, MatmulTile128x128, true>), MatmulPlan, 128, 2)
CU_KERNEL(matmul_bf16_64x64, (matmul::multiply<bf16, MatmulTile64x64, true>), MatmulPlan, 128, 3)
CU_KERNEL(matmul_f16_64x64, (matmul::multiply<f16, MatmulTile64x64, true>), MatmulPlan, 128, 3)
CU_KERNEL(matmul_bf16_16x32, (matmul::multiply<bf16, MatmulTile16x32, true>), MatmulPlan, 64, 4)
CU_KERNEL(matmul_f16_16x32, (matmul::multiply<f16, MatmulTile16x32, true>), MatmulPlan, 64, 4)
CU_KERNEL(matmul_bf16_64x64_unaligned, (matmul::multiply<bf16, MatmulTile64x64, false>), MatmulPlan,
          128, 3)
CU_KERNEL(matmul_f16_64x64_unaligned, (matmul::multiply<f16, MatmulTile64x64, false>), MatmulPlan,
          128, 3)
