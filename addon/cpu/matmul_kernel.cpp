// matmul over packed weights of f32, f16 and bf16. x is first put into tiles of rows (pack_x), then tasks multiply tiles
// with panels of outputs. A long K goes in blocks that resume from the stored f32, which changes no
// bit.

#include "dot.h"
#include "isa_kernels.h"
#include "matmul_rows.h"

namespace cpu::PA_ISA {
namespace {

i32 divide_up(i32 a, i32 b) { return (a + b - 1) / b; }

i32 num_k_blocks(const MatmulParams& params) {
  return divide_up(params.weight.in_dim, kBlockElems);
}

template <class Steps>
constexpr i64 row_block_bytes() {
  return i64(kBlockElems) / Steps::kElemsPerX * i64(sizeof(typename Steps::X));
}

i64 row_block_bytes(DType dtype) {
  return dtype == kBF16 ? row_block_bytes<Bf16Steps>() : row_block_bytes<F32Steps>();
}

constexpr i64 kStepBytes = i64(kPanelOutputs) * 4;

template <class Steps>
i64 panel_bytes(const MatmulParams& params) {
  return divide_up(params.weight.in_dim, Steps::kElemsPerStep) * kStepBytes;
}

i64 tile_bytes(const MatmulParams& params) {
  const MatmulTiling tiling = matmul_tiling(params.num_rows);
  return row_block_bytes(params.weight.dtype) * tiling.rows_per_tile * num_k_blocks(params);
}

i32 rows_of_tile(const MatmulParams& params, i32 tile) {
  const i32 rows_per_tile = matmul_tiling(params.num_rows).rows_per_tile;
  const i32 left = params.num_rows - tile * rows_per_tile;
  return left < rows_per_tile ? left : rows_per_tile;
}

// `count` elements of a row, widened where Steps wants f32, then +0 up to a whole step.
template <class Steps>
void pack_row_block(u8* to, const u8* from, i32 count) {
  if constexpr (Steps::kDType == kF32 || Steps::kElemsPerX == 2) {
    constexpr i32 kElemBytes = Steps::kDType == kF32 ? 4 : 2;
    memcpy(to, from, size_t(count) * kElemBytes);
    if (count % Steps::kElemsPerStep != 0) memset(to + count * kElemBytes, 0, kElemBytes);
    return;
  } else {
    f32* out = reinterpret_cast<f32*>(to);
    for (i32 i = 0; i < count; i += kLanes) {
      u16 halves[kLanes] = {};
      memcpy(halves, from + i * 2, size_t(count - i < kLanes ? count - i : kLanes) * 2);
      store(out + i, Steps::kDType == kF16 ? load_f16(halves) : load_bf16(halves));
    }
  }
}

template <class Steps>
void pack_tile(const MatmulParams& params, u8* tile_x, i32 tile) {
  const i32 first_row = tile * matmul_tiling(params.num_rows).rows_per_tile;
  const i32 num_rows = rows_of_tile(params, tile);
  const i32 in_dim = params.weight.in_dim;
  const i64 elem_bytes = Steps::kDType == kF32 ? 4 : 2;
  const u8* x = static_cast<const u8*>(params.x) + i64(first_row) * in_dim * elem_bytes;
  for (i32 k = 0; k < in_dim; k += kBlockElems) {
    const i32 count = in_dim - k < kBlockElems ? in_dim - k : kBlockElems;
    for (i32 r = 0; r < num_rows; ++r, tile_x += row_block_bytes<Steps>()) {
      pack_row_block<Steps>(tile_x, x + (i64(r) * in_dim + k) * elem_bytes, count);
    }
  }
}

// Adds the bias to one panel of one tile's sums and stores them as out_dtype.
void finish_tile(const MatmulParams& params, i32 tile, i32 panel, const f32* sums, i64 stride) {
  const i32 first_row = tile * matmul_tiling(params.num_rows).rows_per_tile;
  finish_rows(params, first_row, rows_of_tile(params, tile), panel, sums, stride);
}

// Adds steps [first_step, + num_steps) of the task to its sums, [tile rows][task's outputs].
template <class Steps>
void add_steps(const MatmulParams& params, const u8* packed_x, const MatmulTask& task,
               i32 first_step, i32 num_steps, f32* sums) {
  const i64 panel = panel_bytes<Steps>(params);
  i64 offsets[kPanelsHeld * kVectorsPerPanel];
  for (i32 v = 0; v < kPanelsHeld * kVectorsPerPanel; ++v) {
    offsets[v] = v / kVectorsPerPanel * panel + v % kVectorsPerPanel * kLanes * 4;
  }
  const i32 rows_per_tile = matmul_tiling(params.num_rows).rows_per_tile;
  const i64 stride = i64(task.num_panels) * kPanelOutputs;
  const bool is_one_tile = task.num_tiles == 1;
  const i32 panels_at_once =
      is_one_tile ? kPanelsHeld : divide_up(max_vectors(rows_per_tile), kVectorsPerPanel);
  for (i32 p = 0; p < task.num_panels; p += panels_at_once) {
    const i32 left = task.num_panels - p;
    const i32 num_vectors = (left < panels_at_once ? left : panels_at_once) * kVectorsPerPanel;
    const u8* weights = static_cast<const u8*>(params.weight.data) + (task.first_panel + p) * panel;
    const Segment segment = {weights + i64(first_step) * kStepBytes, num_steps};
    for (i32 t = 0; t < task.num_tiles; ++t) {
      const i32 tile = task.first_tile + t;
      const i32 num_rows = rows_of_tile(params, tile);
      const i64 k_block = first_step * Steps::kElemsPerStep / kBlockElems;
      Product product;
      product.x =
          packed_x + tile * tile_bytes(params) + k_block * num_rows * row_block_bytes<Steps>();
      product.segments = &segment;
      product.num_segments = 1;
      product.w_step = kStepBytes;
      product.vector_offsets = offsets;
      product.out = sums + i64(t) * rows_per_tile * stride + i64(p) * kPanelOutputs;
      product.out_stride = stride;
      product.resume = first_step > 0;
      product.row_scale = nullptr;
      if (is_one_tile) {
        multiply<Steps, kBlockElems, false, kVectorsPerPanel>(product, num_rows, num_vectors);
      } else {
        multiply<Steps, kBlockElems>(product, num_rows, num_vectors);
      }
    }
  }
}

template <class Steps>
void multiply_task(const MatmulParams& params, const u8* packed_x, const MatmulTask& task,
                   f32* sums) {
  const i32 steps = i32(panel_bytes<Steps>(params) / kStepBytes);
  // A panel that the tiles share stays in L2; a longer one goes block by block, which resumes.
  constexpr i32 kMaxSharedSteps = 2048;
  constexpr i32 kBlockSteps = 1024;
  const bool whole = task.num_tiles == 1 || steps <= kMaxSharedSteps;
  const i32 steps_at_once = whole ? steps : kBlockSteps;
  for (i32 first_step = 0; first_step < steps; first_step += steps_at_once) {
    const i32 left = steps - first_step;
    add_steps<Steps>(params, packed_x, task, first_step,
                     left < steps_at_once ? left : steps_at_once, sums);
  }

  const i32 rows_per_tile = matmul_tiling(params.num_rows).rows_per_tile;
  const i64 stride = i64(task.num_panels) * kPanelOutputs;
  for (i32 p = 0; p < task.num_panels; ++p) {
    for (i32 t = 0; t < task.num_tiles; ++t) {
      finish_tile(params, task.first_tile + t, task.first_panel + p,
                  sums + i64(t) * rows_per_tile * stride + i64(p) * kPanelOutputs, stride);
    }
  }
}

// Panels whose sums a task holds at a time.
i32 panels_held(const MatmulTask& task) {
  if (task.num_tiles != 1) return task.num_panels;
  return task.num_panels < kPanelsHeld ? task.num_panels : kPanelsHeld;
}

}  // namespace

MatmulTiling matmul_tiling(i32 num_rows) {
  const i32 tiles = divide_up(num_rows, kMaxRows);
  const i32 rows_per_tile = divide_up(num_rows, tiles > 0 ? tiles : 1);
  return {rows_per_tile > 0 ? divide_up(num_rows, rows_per_tile) : 0, rows_per_tile};
}

size_t packed_x_bytes(const MatmulParams& params) {
  return size_t(tile_bytes(params)) * size_t(matmul_tiling(params.num_rows).num_tiles);
}

size_t matmul_scratch_bytes(const MatmulParams& params, const MatmulTask& task) {
  const i32 rows_per_tile = matmul_tiling(params.num_rows).rows_per_tile;
  return size_t(task.num_tiles) * size_t(rows_per_tile) * size_t(panels_held(task)) *
         kPanelOutputs * sizeof(f32);
}

void pack_x(const MatmulParams& params, void* packed_x, i32 tile) {
  u8* tile_x = static_cast<u8*>(packed_x) + tile * tile_bytes(params);
  if (params.weight.dtype == kBF16) return pack_tile<Bf16Steps>(params, tile_x, tile);
  if (params.weight.dtype == kF16) return pack_tile<F16Steps>(params, tile_x, tile);
  pack_tile<F32Steps>(params, tile_x, tile);
}

void matmul(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
            void* scratch) {
  const u8* x = static_cast<const u8*>(packed_x);
  f32* sums = static_cast<f32*>(scratch);
  const i32 panels_at_once = panels_held(task);
  for (i32 p = 0; p < task.num_panels; p += panels_at_once) {
    const i32 left = task.num_panels - p;
    const MatmulTask part = {task.first_tile, task.num_tiles, task.first_panel + p,
                             left < panels_at_once ? left : panels_at_once};
    if (params.weight.dtype == kBF16) {
      multiply_task<Bf16Steps>(params, x, part, sums);
    } else if (params.weight.dtype == kF16) {
      multiply_task<F16Steps>(params, x, part, sums);
    } else {
      multiply_task<F32Steps>(params, x, part, sums);
    }
  }
}

}  // namespace cpu::PA_ISA
