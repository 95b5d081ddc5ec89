#pragma once
// What one instruction set offers: a table of kernels that each do a range of an op's work on one
// thread. The backend cuts an op into ranges, hands out scratch memory and picks the table.
//
// Every table gives the same bits. Kernels allocate nothing and expect FTZ and DAZ to be set.

#include <cstddef>

#include "../../cuda/params.h"

namespace cpu {

// A packed weight is panels of 32 outputs: [panel][ceil(in_dim / 2)][32][2] for 2-byte types,
// [panel][in_dim][32] for f32; zeros where the last panel or an odd in_dim has no weight. Quantised
// weights have panels of groups, see quantized.h.
constexpr i32 kPanelOutputs = 32;

// Attention's tree: online softmax over tiles of 64 positions, one split is 16 tiles.
constexpr i32 kTilePositions = 64;
constexpr i32 kSplitPositions = 1024;
constexpr i32 kMaxHeadDim = 256;
constexpr i32 kHeadDimUnit = 16;  // a head_dim is a multiple of it
constexpr i32 kMinBlockSize = 8;

constexpr i32 kCacheLineBytes = 64;

// Rows are computed in tiles of `rows_per_tile` (the last may have fewer).
struct MatmulTiling {
  i32 num_tiles;
  i32 rows_per_tile;
};

// Tiles [first_tile, first_tile + num_tiles) times panels [first_panel, first_panel + num_panels).
struct MatmulTask {
  i32 first_tile;
  i32 num_tiles;
  i32 first_panel;
  i32 num_panels;
};

// Rows of one sequence at neighbouring positions, attended together by one kv head's query heads.
struct AttentionTask {
  i32 sequence;
  i32 first_row;       // in q and out
  i32 first_position;  // of first_row; >= 0
  i32 num_rows;
};

// Neighbouring kv heads of one task: all their splits, or one of them. With several heads an item
// reads a block's keys and values in long runs, one head after the other, tile by tile.
struct AttentionItem {
  i32 task;
  i32 first_head, end_head;  // kv heads
  i32 first_split, end_split;
  i64 partial;         // place of first_head's state among the partial states; -1 when it finishes
  i64 partial_stride;  // places from a head's state to the next head's
};

// One split's, or all splits', softmax of a task's row heads: [num_rows * group] each, row-major.
struct SoftmaxState {
  f32* max;
  f32* sum;
  f32* out;  // [row heads, head_dim], not yet divided by sum
};

// What a pass over a row of logits finds.
struct LogitsScan {
  f32 max;          // over the values that are not NaN
  bool non_finite;  // a NaN or +inf is there
};

// matmul, over weights of some dtypes: pack_x for each tile, then multiply for each task.
struct MatmulKernels {
  MatmulTiling (*tiling)(i32 num_rows);
  size_t (*packed_x_bytes)(const MatmulParams& params);
  size_t (*scratch_bytes)(const MatmulParams& params, const MatmulTask& task);
  void (*pack_x)(const MatmulParams& params, void* packed_x, i32 tile);
  void (*multiply)(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
                   void* scratch);
};

// Stored rows of a panel's outputs: [in_dim] of `source` each; null where there is no output.
struct PanelRows {
  const u8* row[kPanelOutputs];
  DType source[kPanelOutputs];
};

struct Kernels {
  const char* isa;

  MatmulKernels matmul;            // f32, f16 and bf16 weights
  MatmulKernels quantized_matmul;  // int8 and int4 weights
  // Quantises the rows of one panel into `panel`, as quantized.h says.
  void (*quantize_panel)(void* panel, DType dtype, i32 in_dim, const PanelRows& rows);

  i32 attention_row_heads;  // row heads that a task should have, when there are that many
  // Tasks of at most so many row heads per kv head read memory longer than they multiply.
  i32 attention_streaming_row_heads;
  // @param max_row_heads  row heads of an item: of its task, times its kv heads
  size_t (*attention_scratch_bytes)(i32 head_dim, i32 max_row_heads);
  // Computes an item. One with a place among `partials` has one split, whose states go there; of
  // another the splits are merged and the rows are finished.
  void (*attend)(const PagedAttentionParams& params, const AttentionTask& task,
                 const AttentionItem& item, void* scratch, const SoftmaxState* partials);
  // Merges the partial states of all splits of an item's heads and finishes the rows.
  void (*merge_splits)(const PagedAttentionParams& params, const AttentionTask& task,
                       const AttentionItem& item, const SoftmaxState* partials, void* scratch);

  void (*rms_norm)(const RmsNormParams& params, i32 first_row, i32 end_row);
  void (*write_kv)(const WriteKvParams& params, i32 first_token, i32 end_token);
  void (*read_kv)(const ReadKvParams& params, i32 first_slot, i32 end_slot);
  void (*rope_and_write_kv)(const RopeAndWriteKvParams& params, i32 first_token, i32 end_token);
  void (*silu_mul)(const GatedMulParams& params, i32 first_row, i32 end_row);
  void (*gelu_mul)(const GatedMulParams& params, i32 first_row, i32 end_row);
  void (*scale)(const ElementwiseParams& params, i32 first_row, i32 end_row);
  void (*softcap)(const ElementwiseParams& params, i32 first_row, i32 end_row);

  LogitsScan (*scan_logits)(const f32* logits, i32 count);
  // out[i] = exp(logits[i] - max); chunk_sums[c] is the sum of chunk c of kLogitsChunk values.
  void (*exp_logits)(const f32* logits, i32 count, f32 max, f32* out, double* chunk_sums);
  f32 (*log)(f32 x);
  u64 (*digest)(const f32* logits, i32 count);
};

constexpr i32 kLogitsChunk = 1024;

// One table per instruction set, in that instruction set's kernel_table.cpp.
namespace portable {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
namespace avx512bf16 {
extern const Kernels kKernels;
}

}  // namespace cpu
