#include "weight_pack.h"

#include <algorithm>
#include <vector>

#include "quantized.h"
#include "scalar_convert.h"
#include "stored_rows.h"

namespace cpu {
namespace {

constexpr i32 kStepBytes = kPanelOutputs * 4;  // one step of a panel, for every dtype

i32 elem_bytes(DType dtype) { return dtype == kF32 ? 4 : 2; }

u32 load_as_f32_bits(const u8* from, DType dtype) {
  if (dtype == kF32) {
    u32 bits;
    std::memcpy(&bits, from, sizeof(bits));
    return bits;
  }
  u16 half;
  std::memcpy(&half, from, sizeof(half));
  return dtype == kBF16 ? u32(half) << 16 : f16_to_f32_bits(half);
}

// One source row into lane `lane` of a panel of f32.
void pack_f32_lane(u8* panel, i32 lane, const u8* row, DType source, i32 in_dim) {
  for (i32 k = 0; k < in_dim; ++k) {
    const u32 bits = load_as_f32_bits(row + i64(k) * elem_bytes(source), source);
    std::memcpy(panel + i64(k) * kStepBytes + lane * 4, &bits, sizeof(bits));
  }
}

// One source row into lane `lane` of a panel of pairs.
void pack_pair_lane(u8* panel, i32 lane, const u8* row, DType source, DType dtype, i32 in_dim) {
  for (i32 k = 0; k < in_dim; ++k) {
    u16 half;
    if (source == dtype) {
      std::memcpy(&half, row + i64(k) * 2, sizeof(half));
    } else {
      const u32 bits = load_as_f32_bits(row + i64(k) * elem_bytes(source), source);
      half = dtype == kBF16 ? f32_to_bf16(bits) : f32_to_f16(bits);
    }
    std::memcpy(panel + i64(k / 2) * kStepBytes + lane * 4 + k % 2 * 2, &half, sizeof(half));
  }
}

// The same without conversion: whole pairs, in stretches that keep the rows' lines in L1.
void copy_pair_lanes(u8* panel, const u8* const* rows, i32 in_dim) {
  for (i32 pair = 0; pair < in_dim / 2; ++pair) {
    u8* step = panel + i64(pair) * kStepBytes;
    for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
      std::memcpy(step + lane * 4, rows[lane] + i64(pair) * 4, 4);
    }
  }
}

// scale * q of each element of a row; exact.
void unpack_groups(const PackedWeight& weight, i32 row, f32* out) {
  const DType dtype = weight.dtype;
  const i32 lane = row % kPanelOutputs;
  const u8* group =
      static_cast<const u8*>(weight.data) + row / kPanelOutputs * panel_bytes(dtype, weight.in_dim);
  for (i32 k = 0; k < weight.in_dim; ++k) {
    if (k > 0 && k % kGroupElems == 0) group += group_bytes(dtype);
    u16 scale;
    std::memcpy(&scale, group + group_data_bytes(dtype) + lane * 2, sizeof(scale));
    const i32 quad = k % kGroupElems / 4;
    const i32 chunk = dtype == kInt8 ? quad : quad / 2;
    const i32 byte = group[(chunk * kPanelOutputs + lane) * 4 + k % 4];
    const i32 q = dtype == kInt8 ? byte : quad % 2 == 0 ? byte & 15 : byte >> 4;
    out[k] = f32_from_bits(f16_to_f32_bits(scale)) * f32(q - zero_point(dtype));
  }
}

// The row of output `output` among stacked parts, and its dtype; null past the last.
const u8* find_row(const WeightPart* parts, int num_parts, i32 in_dim, i32 output, DType* source) {
  for (int i = 0; i < num_parts; ++i) {
    if (output < parts[i].out_dim) {
      *source = parts[i].source_dtype;
      return stored_row(parts[i], in_dim, output);
    }
    output -= parts[i].out_dim;
  }
  return nullptr;
}

// Replaces rows of blocks by floats in `widened`, [kPanelOutputs, in_dim], which lives as long as the
// panel is packed. Values of blocks that llama.cpp wrote quantise to the same blocks again.
void widen_rows(PanelRows& rows, i32 in_dim, std::vector<f32>& widened) {
  for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
    if (rows.row[lane] == nullptr || !is_quantized(rows.source[lane])) continue;
    widened.resize(size_t(kPanelOutputs) * size_t(in_dim));
    f32* floats = widened.data() + i64(lane) * in_dim;
    widen_blocks(rows.row[lane], rows.source[lane], in_dim, floats);
    rows.row[lane] = reinterpret_cast<const u8*>(floats);
    rows.source[lane] = kF32;
  }
}

}  // namespace

i32 num_panels(i32 out_dim) { return (out_dim + kPanelOutputs - 1) / kPanelOutputs; }

i64 panel_bytes(DType dtype, i32 in_dim) {
  if (is_quantized(dtype)) return num_groups(in_dim) * group_bytes(dtype);
  const i64 steps = dtype == kF32 ? in_dim : (i64(in_dim) + 1) / 2;
  return steps * kStepBytes;
}

void pack_panel(const Kernels& kernels, void* destination, DType dtype, i32 in_dim,
                const WeightPart* parts, int num_parts, i32 panel) {
  u8* to = static_cast<u8*>(destination) + panel * panel_bytes(dtype, in_dim);
  PanelRows rows;
  bool whole_pairs = dtype != kF32 && in_dim % 2 == 0;
  for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
    const i32 output = panel * kPanelOutputs + lane;
    rows.row[lane] = find_row(parts, num_parts, in_dim, output, &rows.source[lane]);
    whole_pairs = whole_pairs && rows.row[lane] != nullptr && rows.source[lane] == dtype;
  }
  std::vector<f32> widened;
  widen_rows(rows, in_dim, widened);
  if (is_quantized(dtype)) return kernels.quantize_panel(to, dtype, in_dim, rows);
  if (whole_pairs) return copy_pair_lanes(to, rows.row, in_dim);

  std::memset(to, 0, size_t(panel_bytes(dtype, in_dim)));
  for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
    if (rows.row[lane] == nullptr) continue;
    if (dtype == kF32) {
      pack_f32_lane(to, lane, rows.row[lane], rows.source[lane], in_dim);
    } else {
      pack_pair_lane(to, lane, rows.row[lane], rows.source[lane], dtype, in_dim);
    }
  }
}

void unpack_row(const PackedWeight& weight, i32 row, f32* out) {
  if (is_quantized(weight.dtype)) return unpack_groups(weight, row, out);
  const u8* lane = static_cast<const u8*>(weight.data) +
                   row / kPanelOutputs * panel_bytes(weight.dtype, weight.in_dim) +
                   row % kPanelOutputs * 4;
  for (i32 k = 0; k < weight.in_dim; ++k) {
    const u8* from = weight.dtype == kF32 ? lane + i64(k) * kStepBytes
                                          : lane + i64(k / 2) * kStepBytes + k % 2 * 2;
    const u32 bits = load_as_f32_bits(from, weight.dtype);
    std::memcpy(out + k, &bits, sizeof(bits));
  }
}

}  // namespace cpu
