#include "weight_pack.h"

#include <algorithm>

#include "scalar_convert.h"

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

// The row of output `output` among stacked parts, and its dtype; null past the last.
const u8* find_row(const WeightPart* parts, int num_parts, i32 in_dim, i32 output, DType* source) {
  for (int i = 0; i < num_parts; ++i) {
    if (output < parts[i].out_dim) {
      *source = parts[i].source_dtype;
      return static_cast<const u8*>(parts[i].data) +
             i64(output) * in_dim * elem_bytes(parts[i].source_dtype);
    }
    output -= parts[i].out_dim;
  }
  return nullptr;
}

}  // namespace

i32 num_panels(i32 out_dim) { return (out_dim + kPanelOutputs - 1) / kPanelOutputs; }

i64 panel_bytes(DType dtype, i32 in_dim) {
  const i64 steps = dtype == kF32 ? in_dim : (i64(in_dim) + 1) / 2;
  return steps * kStepBytes;
}

void pack_panel(void* destination, DType dtype, i32 in_dim, const WeightPart* parts, int num_parts,
                i32 panel) {
  u8* to = static_cast<u8*>(destination) + panel * panel_bytes(dtype, in_dim);
  const u8* rows[kPanelOutputs];
  DType sources[kPanelOutputs];
  bool whole_pairs = dtype != kF32 && in_dim % 2 == 0;
  for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
    rows[lane] = find_row(parts, num_parts, in_dim, panel * kPanelOutputs + lane, &sources[lane]);
    whole_pairs = whole_pairs && rows[lane] != nullptr && sources[lane] == dtype;
  }
  if (whole_pairs) return copy_pair_lanes(to, rows, in_dim);

  std::memset(to, 0, size_t(panel_bytes(dtype, in_dim)));
  for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
    if (rows[lane] == nullptr) continue;
    if (dtype == kF32) {
      pack_f32_lane(to, lane, rows[lane], sources[lane], in_dim);
    } else {
      pack_pair_lane(to, lane, rows[lane], sources[lane], dtype, in_dim);
    }
  }
}

void unpack_row(const PackedWeight& weight, i32 row, f32* out) {
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
