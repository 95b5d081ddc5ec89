// matmul over int8 and int4 weights. x, which is f32, is first quantised into tiles of rows
// (quantize_x), then tasks multiply tiles with panels of outputs. Formats and the order of
// arithmetic are in quantized.h.

#include "group_dot.h"
#include "isa_kernels.h"
#include "matmul_rows.h"
#include "quantize.h"

namespace cpu::PA_ISA {
namespace {

i64 tile_groups(const MatmulParams& params) {
  return i64(num_groups(params.weight.in_dim)) * quantized_tiling(params.num_rows).rows_per_tile;
}

i32 rows_of_tile(const MatmulParams& params, i32 tile) {
  const i32 rows_per_tile = quantized_tiling(params.num_rows).rows_per_tile;
  const i32 left = params.num_rows - tile * rows_per_tile;
  return left < rows_per_tile ? left : rows_per_tile;
}

template <class RowGroup>
void quantize_row_group(RowGroup* to, const f32* x, i32 count, i32 zero_point) {
  const bool is_whole = count >= kGroupElems;
  const Group group = {
      is_whole || count >= kLanes ? load(x) : load_partial(x, count),
      is_whole ? load(x + kLanes) : load_partial(x + kLanes, count > kLanes ? count - kLanes : 0)};
  const i32 bits = max_magnitude_bits(group);
  const bool is_finite = bits < kInfinityBits;
  const f32 scale = is_finite ? float_of(bits) / 127.0f : 0.0f;
  const Vec inverse = broadcast(inverse_of(scale));
  VecI low = broadcast_int(0), high = low;
  if (scale != 0.0f) {
    low = round_to_int(group.low * inverse);
    high = round_to_int(group.high * inverse);
  }
  set_elements(to, low, high);
  to->scale = is_finite ? scale : __builtin_nanf("");
  to->start = -zero_point * reduce_add(low + high);
}

template <class Format>
void quantize_tile(const MatmulParams& params, void* packed_x, i32 tile) {
  typedef typename Format::Sums::RowGroup RowGroup;
  RowGroup* groups = static_cast<RowGroup*>(packed_x) + tile * tile_groups(params);
  const i32 in_dim = params.weight.in_dim;
  const i32 num_rows = rows_of_tile(params, tile);
  const i64 first_row = i64(tile) * quantized_tiling(params.num_rows).rows_per_tile;
  const f32* x = static_cast<const f32*>(params.x) + first_row * in_dim;
  const i32 zero = zero_point(params.weight.dtype);
  for (i32 r = 0; r < num_rows; ++r) {
    for (i32 g = 0; g < num_groups(in_dim); ++g) {
      const i32 k = g * kGroupElems;
      quantize_row_group(groups + i64(g) * num_rows + r, x + i64(r) * in_dim + k, in_dim - k, zero);
    }
  }
}

// Panels [first_panel, + num_panels), kPanelsHeld at most, times every tile of the task.
// sums: [kMaxGroupRows, kPanelsHeld * kPanelOutputs]
template <class Format>
void multiply_panels(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
                     i32 first_panel, i32 num_panels, f32* sums) {
  typedef typename Format::Sums::RowGroup RowGroup;
  const MatmulTiling tiling = quantized_tiling(params.num_rows);
  GroupProduct<Format> product;
  product.num_groups = num_groups(params.weight.in_dim);
  product.panel_bytes = product.num_groups * group_bytes(Format::kDType);
  product.weights = static_cast<const u8*>(params.weight.data) + first_panel * product.panel_bytes;
  product.out = sums;
  product.out_stride = kPanelsHeld * kPanelOutputs;
  for (i32 tile = task.first_tile; tile < task.first_tile + task.num_tiles; ++tile) {
    const i32 num_rows = rows_of_tile(params, tile);
    product.x = static_cast<const RowGroup*>(packed_x) + tile * tile_groups(params);
    const i32 num_vectors = num_panels * kVectorsPerPanel;
    if (task.num_tiles == 1) {
      multiply_row_groups<Format, kVectorsPerPanel>(product, num_rows, num_vectors);
    } else {
      multiply_row_groups<Format>(product, num_rows, num_vectors);
    }
    for (i32 p = 0; p < num_panels; ++p) {
      finish_rows(params, tile * tiling.rows_per_tile, num_rows, first_panel + p,
                  sums + p * kPanelOutputs, product.out_stride);
    }
  }
}

template <class Format>
void multiply_task(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
                   f32* sums) {
  const i32 rows_per_tile = quantized_tiling(params.num_rows).rows_per_tile;
  const i32 panels_at_once = task.num_tiles == 1                     ? kPanelsHeld
                             : max_group_vectors(rows_per_tile) >= 4 ? 2
                                                                     : 1;
  const i32 end = task.first_panel + task.num_panels;
  for (i32 panel = task.first_panel; panel < end; panel += panels_at_once) {
    const i32 left = end - panel;
    multiply_panels<Format>(params, packed_x, task, panel,
                            left < panels_at_once ? left : panels_at_once, sums);
  }
}

}  // namespace

MatmulTiling quantized_tiling(i32 num_rows) {
  const i32 tiles = (num_rows + kMaxGroupRows - 1) / kMaxGroupRows;
  if (tiles <= 0) return {0, 1};
  const i32 rows_per_tile = (num_rows + tiles - 1) / tiles;
  return {(num_rows + rows_per_tile - 1) / rows_per_tile, rows_per_tile};
}

size_t quantized_x_bytes(const MatmulParams& params) {
  const size_t row_group_bytes = params.weight.dtype == kInt8 ? sizeof(Int8Groups::Sums::RowGroup)
                                                              : sizeof(Int4Groups::Sums::RowGroup);
  return size_t(tile_groups(params)) * size_t(quantized_tiling(params.num_rows).num_tiles) *
         row_group_bytes;
}

size_t quantized_scratch_bytes(const MatmulParams&, const MatmulTask&) {
  return size_t(kMaxGroupRows) * kPanelsHeld * kPanelOutputs * sizeof(f32);
}

void quantize_x(const MatmulParams& params, void* packed_x, i32 tile) {
  if (params.weight.dtype == kInt8) return quantize_tile<Int8Groups>(params, packed_x, tile);
  quantize_tile<Int4Groups>(params, packed_x, tile);
}

void quantized_matmul(const MatmulParams& params, const void* packed_x, const MatmulTask& task,
                      void* scratch) {
  f32* sums = static_cast<f32*>(scratch);
  if (params.weight.dtype == kInt8) return multiply_task<Int8Groups>(params, packed_x, task, sums);
  multiply_task<Int4Groups>(params, packed_x, task, sums);
}

}  // namespace cpu::PA_ISA
