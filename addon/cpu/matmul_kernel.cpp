// matmul over packed weights. x is first put into tiles of rows (pack_x), then tasks multiply tiles
// with panels of outputs; large tasks go through K in blocks that stay in the caches and resume from
// the stored f32, which changes no bit.

#include "dot.h"
#include "isa_kernels.h"

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
  const i32 num_rows = rows_of_tile(params, tile);
  const i32 out_dim = params.weight.out_dim;
  for (i32 v = 0; v < kPanelOutputs / kLanes; ++v) {
    const i32 output = panel * kPanelOutputs + v * kLanes;
    const i32 count = out_dim - output < kLanes ? out_dim - output : kLanes;
    if (count <= 0) return;
    const Vec bias = params.bias != nullptr ? load_partial(params.bias + output, count) : zero();
    for (i32 r = 0; r < num_rows; ++r) {
      const Vec sum = load(sums + r * stride + v * kLanes);
      const Vec out = params.bias != nullptr ? sum + bias : sum;
      store_as(params.out_dtype, params.out, i64(first_row + r) * out_dim + output, out, count);
    }
  }
}

template <class Steps>
void multiply_task(const MatmulParams& params, const u8* packed_x, const MatmulTask& task,
                   f32* sums) {
  const i32 in_dim = params.weight.in_dim;
  const i32 steps = divide_up(in_dim, Steps::kElemsPerStep);
  const i64 step_bytes = i64(kPanelOutputs) * 4;
  const i64 panel_bytes = step_bytes * steps;
  const u8* weights = static_cast<const u8*>(params.weight.data);
  const i32 rows_per_tile = matmul_tiling(params.num_rows).rows_per_tile;
  const i64 stride = i64(task.num_panels) * kPanelOutputs;
  constexpr i32 kBlockSteps = kBlockElems / Steps::kElemsPerStep;
  // One tile keeps its sums in registers through all of K.
  const i32 steps_at_once = task.num_tiles == 1 ? steps : kBlockSteps;

  for (i32 first_step = 0; first_step < steps; first_step += steps_at_once) {
    const i32 left = steps - first_step;
    for (i32 p = 0; p < task.num_panels; ++p) {
      for (i32 t = 0; t < task.num_tiles; ++t) {
        const i32 tile = task.first_tile + t;
        const i32 num_rows = rows_of_tile(params, tile);
        const i64 block = i64(first_step / kBlockSteps) * num_rows * row_block_bytes<Steps>();
        Product product;
        product.x = packed_x + tile * tile_bytes(params) + block;
        product.w = weights + (task.first_panel + p) * panel_bytes + first_step * step_bytes;
        product.w_step = step_bytes;
        product.num_steps = left < steps_at_once ? left : steps_at_once;
        product.out = sums + i64(t) * rows_per_tile * stride + i64(p) * kPanelOutputs;
        product.out_stride = stride;
        product.resume = first_step > 0;
        multiply<Steps, kBlockElems>(product, num_rows, kPanelOutputs / kLanes);
      }
    }
  }

  for (i32 p = 0; p < task.num_panels; ++p) {
    for (i32 t = 0; t < task.num_tiles; ++t) {
      finish_tile(params, task.first_tile + t, task.first_panel + p,
                  sums + i64(t) * rows_per_tile * stride + i64(p) * kPanelOutputs, stride);
    }
  }
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
  const i32 panels_at_once = task.num_tiles == 1 ? 1 : task.num_panels;
  return size_t(task.num_tiles) * size_t(rows_per_tile) * size_t(panels_at_once) * kPanelOutputs *
         sizeof(f32);
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
  // With one tile every panel is done alone: its weights are read once and its sums stay in L1.
  const i32 panels_at_once = task.num_tiles == 1 ? 1 : task.num_panels;
  for (i32 p = 0; p < task.num_panels; p += panels_at_once) {
    const MatmulTask part = {task.first_tile, task.num_tiles, task.first_panel + p, panels_at_once};
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
