// Quantising at load: stored rows of f32, f16 or bf16 into panels of int8 or int4 groups. The
// formats and their rounding are in quantized.h.

#include "isa_kernels.h"
#include "quantize.h"

namespace cpu::PA_ISA {
namespace {

// Elements [k, k + 32) of a stored row, widened; +0 past in_dim.
Group load_group(const u8* row, DType source, i32 k, i32 in_dim) {
  const i64 elem_bytes = source == kF32 ? 4 : 2;
  alignas(64) u8 padded[kGroupElems * 4];
  const u8* from = row + k * elem_bytes;
  if (in_dim - k < kGroupElems) {
    memset(padded, 0, sizeof(padded));
    memcpy(padded, from, size_t(in_dim - k) * size_t(elem_bytes));
    from = padded;
  }
  if (source == kF32) {
    const f32* elements = reinterpret_cast<const f32*>(from);
    return {load(elements), load(elements + kLanes)};
  }
  const u16* halves = reinterpret_cast<const u16*>(from);
  if (source == kF16) return {load_f16(halves), load_f16(halves + kLanes)};
  return {load_bf16(halves), load_bf16(halves + kLanes)};
}

u16 f16_of(f32 value) {
  u16 halves[kLanes];
  store_f16(halves, broadcast(value));
  return halves[0];
}

// The group's scale as its f16 bits and as f32; NaN where the group has NaN or infinity.
struct Scale {
  u16 bits;
  f32 value;
};

Scale scale_of(const Group& group, DType dtype) {
  const i32 bits = max_magnitude_bits(group);
  if (bits >= kInfinityBits) return {kF16NaN, 0.0f};
  const f32 magnitude = float_of(bits);
  // -8 stands for the farthest weight, so a positive one makes the scale negative.
  const bool has_negative =
      reduce_max(max_or_second(zero() - group.low, zero() - group.high)) == magnitude;
  const f32 exact = dtype == kInt8 ? magnitude / 127.0f : magnitude / (has_negative ? 8.0f : -8.0f);
  return {f16_of(exact), first_lane(round_to_f16(broadcast(exact)))};
}

VecI round_clamped(Vec x, Vec inverse, f32 least, f32 most) {
  return round_to_int(min_or_second(max_or_second(x * inverse, broadcast(least)), broadcast(most)));
}

void quantize_group(u8* data, u16* scales, DType dtype, i32 lane, const Group& group) {
  const Scale scale = scale_of(group, dtype);
  const Vec inverse = broadcast(inverse_of(scale.value));
  const f32 least = dtype == kInt8 ? -127.0f : -8.0f;
  const f32 most = dtype == kInt8 ? 127.0f : 7.0f;
  u8 q[kGroupElems] = {};
  if (scale.value != 0.0f) {
    store_low_bytes(q, round_clamped(group.low, inverse, least, most));
    store_low_bytes(q + kLanes, round_clamped(group.high, inverse, least, most));
  }
  memcpy(scales + lane, &scale.bits, sizeof(scale.bits));

  u8 bytes[kGroupElems];
  for (i32 i = 0; i < kGroupElems; ++i) bytes[i] = u8(q[i] + zero_point(dtype));
  if (dtype == kInt8) {
    for (i32 quad = 0; quad < kQuadsPerGroup; ++quad) {
      memcpy(data + (quad * kPanelOutputs + lane) * 4, bytes + quad * 4, 4);
    }
    return;
  }
  for (i32 pair = 0; pair < kQuadsPerGroup / 2; ++pair) {
    const u8* first = bytes + pair * 8;
    u8 halves[4];
    for (i32 i = 0; i < 4; ++i) halves[i] = u8(first[i] | (first[4 + i] << 4));
    memcpy(data + (pair * kPanelOutputs + lane) * 4, halves, 4);
  }
}

}  // namespace

void quantize_panel(void* panel, DType dtype, i32 in_dim, const PanelRows& rows) {
  u8* data = static_cast<u8*>(panel);
  for (i32 k = 0; k < in_dim; k += kGroupElems, data += group_bytes(dtype)) {
    u16* scales = reinterpret_cast<u16*>(data + group_data_bytes(dtype));
    for (i32 lane = 0; lane < kPanelOutputs; ++lane) {
      const Group group = rows.row[lane] == nullptr
                              ? Group{zero(), zero()}
                              : load_group(rows.row[lane], rows.source[lane], k, in_dim);
      quantize_group(data, scales, dtype, lane, group);
    }
  }
}

}  // namespace cpu::PA_ISA
