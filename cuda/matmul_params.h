#pragma once
// What the matrix product's kernels and their launcher share: the layout of packed weights on CUDA,
// the tiles, and the launch's plan.

#include "params.h"

// Elements from one row of a packed weight to the next: rows start 16-byte aligned, and the padding
// is zeros.
constexpr i64 matmul_weight_pitch(i32 in_dim) { return (i64(in_dim) + 7) / 8 * 8; }

// Tiles of the output that one CTA makes. kDepth elements of K are multiplied per turn of the loop,
// and kStages such turns lie in shared memory. Every tile adds the products of one output in the
// same order, so they differ in speed only.
struct MatmulTile128x128 {
  static constexpr i32 kRows = 128;
  static constexpr i32 kCols = 128;
  static constexpr i32 kDepth = 32;
  static constexpr i32 kStages = 4;  // 64 KiB: two CTAs on an SM of 164 KiB
  static constexpr i32 kWarpsAlongRows = 2;
  static constexpr i32 kWarpsAlongCols = 2;
};
struct MatmulTile64x64 {
  static constexpr i32 kRows = 64;
  static constexpr i32 kCols = 64;
  static constexpr i32 kDepth = 64;
  static constexpr i32 kStages = 3;  // 48 KiB
  static constexpr i32 kWarpsAlongRows = 2;
  static constexpr i32 kWarpsAlongCols = 2;
};
// For few rows, where reading the weight is all the time it takes: many small CTAs, many stages.
struct MatmulTile16x32 {
  static constexpr i32 kRows = 16;
  static constexpr i32 kCols = 32;
  static constexpr i32 kDepth = 64;
  static constexpr i32 kStages = 6;  // 36 KiB
  static constexpr i32 kWarpsAlongRows = 1;
  static constexpr i32 kWarpsAlongCols = 2;
};

template <class Tile>
constexpr i32 kMatmulThreads = Tile::kWarpsAlongRows * Tile::kWarpsAlongCols * 32;
// Dynamic shared memory of a CTA.
template <class Tile>
constexpr i32 kMatmulSharedBytes = Tile::kStages * (Tile::kRows + Tile::kCols) * Tile::kDepth * 2;

struct MatmulPlan {
  MatmulParams params;
  i64 weight_pitch;  // elements
  i32 num_row_tiles;
  i32 num_col_tiles;
};

constexpr i32 kMaxFewRows = 8;
constexpr i32 kFewRowsWarps = 8;     // of a CTA
constexpr i32 kFewRowsDepth = 128;   // elements of K that a warp takes at a time
constexpr i32 kFewRowsOutputs = 16;  // output columns of a warp

struct MatmulFewRowsPlan {
  MatmulParams params;
  i64 weight_pitch;  // elements
  i32 num_slices;    // warps that share the K of one output: 1, 2, 4 or 8
};
