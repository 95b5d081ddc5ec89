#include "weight_upload.h"

#include <cstring>
#include <vector>

#include "../../cuda/matmul_params.h"
#include "../float_types.h"

namespace cuda {
namespace {

constexpr size_t kElemBytes = 2;

size_t pitch_bytes(i32 in_dim) { return size_t(matmul_weight_pitch(in_dim)) * kElemBytes; }

// One stored row as `dtype`, padding included.
void convert_row(u8* into, DType dtype, const u8* row, DType source, i32 in_dim) {
  const size_t bytes = size_t(in_dim) * kElemBytes;
  std::memset(into + bytes, 0, pitch_bytes(in_dim) - bytes);
  if (source == dtype) {
    std::memcpy(into, row, bytes);
    return;
  }
  for (i32 k = 0; k < in_dim; k++) {
    const u32 bits = cpu::f32_bits(load_float(row, source, size_t(k)));
    const u16 half = dtype == kBF16 ? cpu::f32_to_bf16(bits) : cpu::f32_to_f16(bits);
    std::memcpy(into + size_t(k) * kElemBytes, &half, sizeof half);
  }
}

}  // namespace

bool is_weight_dtype(DType dtype) { return dtype == kBF16 || dtype == kF16; }

size_t weight_bytes(i32 out_dim, i32 in_dim) { return size_t(out_dim) * pitch_bytes(in_dim); }

Status upload_weight(Staging& staging, void* destination, DType dtype, i32 in_dim,
                     const WeightPart* parts, int num_parts) {
  if (!is_weight_dtype(dtype)) {
    return Status::error("ERR_UNSUPPORTED_DTYPE", "weights on CUDA are bf16 or f16");
  }
  const size_t pitch = pitch_bytes(in_dim);
  if (pitch > Staging::kMaxUnit) {
    return Status::error("ERR_UNSUPPORTED", "a weight row of " + std::to_string(pitch) +
                                                " bytes; at most " +
                                                std::to_string(Staging::kMaxUnit) + " fit");
  }
  u8* to = static_cast<u8*>(destination);
  for (int i = 0; i < num_parts; i++) {
    const WeightPart& part = parts[i];
    const bool is_blocks = cpu::is_quantized(part.source_dtype);
    std::vector<f32> widened(is_blocks ? size_t(in_dim) : 0);
    const auto fill = [&](u8* into, size_t offset, size_t bytes) {
      i32 output = i32(offset / pitch);
      for (u8* end = into + bytes; into < end; into += pitch, output++) {
        const u8* row = cpu::stored_row(part, in_dim, output);
        if (is_blocks) cpu::widen_blocks(row, part.source_dtype, in_dim, widened.data());
        const u8* floats = reinterpret_cast<const u8*>(widened.data());
        convert_row(into, dtype, is_blocks ? floats : row, is_blocks ? kF32 : part.source_dtype,
                    in_dim);
      }
    };
    const size_t bytes = weight_bytes(part.out_dim, in_dim);
    Status status = staging.upload(to, bytes, pitch, fill);
    if (!status.is_ok()) return status;
    to += bytes;
  }
  return Status::ok();
}

}  // namespace cuda
