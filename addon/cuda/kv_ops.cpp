// cuda/kv_cache.cu    write_kv_<dtype>, read_kv_<dtype>
// cuda/rope.cu        rope_and_write_kv_<dtype>
// cuda/copy_blocks.cu copy_blocks
//
// The ops of the paged cache. Shapes were checked when the op was recorded; what is checked here is
// that a kernel exists for this cache and that its 16-byte accesses are aligned.

#include <algorithm>
#include <string>

#include "../../cuda/kv_params.h"
#include "ops.h"

namespace cuda {
namespace {

constexpr i64 kMaxRows = i64{1} << 31;
constexpr i64 kCopyCtasPerSm = 4;  // 64 KiB in flight on each SM

// An op's name in messages and its kernel for each dtype of the cache.
struct RowOp {
  const char* name;
  const char* bf16;
  const char* f16;
};
constexpr RowOp kWriteKv = {"write_kv", "write_kv_bf16", "write_kv_f16"};
constexpr RowOp kReadKv = {"read_kv", "read_kv_bf16", "read_kv_f16"};
constexpr RowOp kRopeAndWriteKv = {"rope_and_write_kv", "rope_and_write_kv_bf16",
                                   "rope_and_write_kv_f16"};

Status refuse(const char* op, const std::string& found, const std::string& expected) {
  return Status::error("ERR_NATIVE", std::string(op) + ": " + found + "; expected " + expected);
}

bool is_aligned(const void* data) { return reinterpret_cast<size_t>(data) % 16 == 0; }

Status check_cache(const char* op, const KvCacheView& cache) {
  if (cache.dtype != kBF16 && cache.dtype != kF16) {
    return Status::error("ERR_UNSUPPORTED_DTYPE",
                         std::string(op) + ": no kernel for a KV cache of dtype code " +
                             std::to_string(cache.dtype) + "; there are bf16 and f16");
  }
  if (cache.head_dim <= 0 || cache.head_dim % 8 != 0 || cache.head_dim > kKvMaxHeadDim) {
    return refuse(op, "head_dim is " + std::to_string(cache.head_dim),
                  "a multiple of 8 up to " + std::to_string(kKvMaxHeadDim));
  }
  const i64 strides =
      cache.block_stride | cache.layer_stride | cache.value_stride | cache.head_stride;
  if (strides % 16 != 0 || !is_aligned(cache.data)) {
    return refuse(op, "the cache's memory or strides are not 16-byte aligned", "aligned ones");
  }
  return Status::ok();
}

Status check_aligned(const char* op, std::initializer_list<const void*> tensors) {
  const bool all = std::all_of(tensors.begin(), tensors.end(), is_aligned);
  return all ? Status::ok() : refuse(op, "a tensor is not 16-byte aligned", "aligned ones");
}

// One warp for each of num_items * rows_per_item head rows.
template <class Params>
Status launch_rows(Launcher& launcher, const RowOp& op, const KvCacheView& cache, i64 num_items,
                   i64 rows_per_item, const Params& params) {
  const i64 num_rows = num_items * rows_per_item;
  if (num_rows == 0) return Status::ok();
  if (num_rows >= kMaxRows) {
    return refuse(op.name, std::to_string(num_rows) + " head rows", "fewer than 2^31");
  }
  Grid grid;
  grid.x = u32((num_rows + kKvRowsPerCta - 1) / kKvRowsPerCta);
  grid.threads = kKvRowThreads;
  return launcher.launch(cache.dtype == kBF16 ? op.bf16 : op.f16, grid, params);
}

}  // namespace

Status write_kv(Launcher& launcher, const WriteKvParams& params) {
  const KvCacheView& cache = params.cache;
  Status status = check_cache("write_kv", cache);
  if (status.is_ok()) status = check_aligned("write_kv", {params.key, params.value});
  if (!status.is_ok()) return status;
  if (params.token_stride % 4 != 0) {
    return refuse("write_kv", "token_stride is " + std::to_string(params.token_stride),
                  "a multiple of 4");
  }
  return launch_rows(launcher, kWriteKv, cache, params.num_tokens, cache.num_kv_heads, params);
}

Status read_kv(Launcher& launcher, const ReadKvParams& params) {
  const KvCacheView& cache = params.cache;
  Status status = check_cache("read_kv", cache);
  if (status.is_ok()) status = check_aligned("read_kv", {params.key, params.value});
  if (!status.is_ok()) return status;
  return launch_rows(launcher, kReadKv, cache, params.num_slots, cache.num_kv_heads, params);
}

Status rope_and_write_kv(Launcher& launcher, const RopeAndWriteKvParams& params) {
  const char* const op = kRopeAndWriteKv.name;
  const KvCacheView& cache = params.cache;
  Status status = check_cache(op, cache);
  if (status.is_ok()) {
    status =
        check_aligned(op, {params.q_out, params.qkv, params.cos_sin, params.q_norm, params.k_norm});
  }
  if (!status.is_ok()) return status;
  if (params.rotary_dim < 0 || params.rotary_dim % 2 != 0 || params.rotary_dim > cache.head_dim) {
    return refuse(op, "rotary_dim is " + std::to_string(params.rotary_dim),
                  "an even number up to head_dim");
  }
  return launch_rows(launcher, kRopeAndWriteKv, cache, params.num_tokens,
                     i64{params.num_heads} + 2 * i64{cache.num_kv_heads}, params);
}

Status copy_blocks(Launcher& launcher, const CopyBlocksParams& params) {
  if (params.num_pairs == 0) return Status::ok();
  const i64 stride = params.cache.block_stride;
  if (stride % 16 != 0 || !is_aligned(params.cache.data)) {
    return refuse("copy_blocks", "the cache's blocks are not 16-byte aligned", "aligned ones");
  }
  const i64 num_pieces = params.num_pairs * ((stride + kCopyPieceBytes - 1) / kCopyPieceBytes);
  Grid grid;
  grid.x = u32(std::min(num_pieces, kCopyCtasPerSm * launcher.gpu().num_sms));
  grid.threads = kCopyThreads;
  return launcher.launch("copy_blocks", grid, params);
}

}  // namespace cuda
