// copy_blocks, rope_and_write_kv and transfers: operations that only move bytes.

#include <chrono>
#include <numeric>
#include <random>

#include "../../../addon/cuda/ops.h"
#include "../../../addon/cuda/transfers.h"
#include "rows.h"

namespace bench {
namespace {

KvCacheView block_view(void* data, i64 block_bytes, i32 num_blocks) {
  KvCacheView view{};
  view.data = data;
  view.block_stride = block_bytes;
  view.layer_stride = block_bytes;
  view.value_stride = block_bytes / 2;
  view.head_stride = block_bytes / 2;
  view.num_blocks = num_blocks;
  view.block_size = 16;
  view.num_layers = 1;
  view.num_kv_heads = 1;
  view.head_dim = 64;
  view.dtype = kBF16;
  return view;
}

std::vector<i32> shuffled_blocks(i32 count) {
  std::vector<i32> blocks(static_cast<size_t>(count));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(1));
  return blocks;
}

void require_equal_blocks(Gpu& gpu, const KvCacheView& cache, i32 source, i32 destination) {
  const u8* const data = static_cast<const u8*>(cache.data);
  if (gpu.download_array(data + source * cache.block_stride, cache.block_stride) !=
      gpu.download_array(data + destination * cache.block_stride, cache.block_stride)) {
    stop("copy_blocks: block " + std::to_string(destination) + " is no copy of " +
         std::to_string(source));
  }
}

}  // namespace

void run_copy_blocks(Gpu& gpu, const Request& request) {
  const i64 block_bytes = request.bytes("blockBytes");
  const i32 num_pairs = request.number("pairs");
  Scope scope(gpu);
  void* const data = scope.allocate(static_cast<size_t>(2 * num_pairs * block_bytes));
  gpu.fill_random(data, kBF16, num_pairs * block_bytes, 1.0f, 1);
  const std::vector<i32> pairs = shuffled_blocks(2 * num_pairs);
  const KvCacheView cache = block_view(data, block_bytes, 2 * num_pairs);
  const CopyBlocksParams params{cache, scope.array(pairs), num_pairs};
  const auto call = [&] { return cuda::copy_blocks(gpu.launcher(), params); };
  require(call());
  require_equal_blocks(gpu, cache, pairs[0], pairs[1]);
  require_equal_blocks(gpu, cache, pairs[pairs.size() - 2], pairs.back());
  print({request, time_calls(gpu, {call}), 2.0 * double(num_pairs) * double(block_bytes)});
}

void run_rope(Gpu& gpu, const Request& request) {
  const i32 num_tokens = request.number("tokens");
  const i32 num_heads = request.number("heads");
  const i32 num_kv_heads = request.number("kvHeads");
  const i32 head_dim = request.number("headDim");
  const i32 block_size = request.number("block");
  const i32 num_blocks = 2 * (num_tokens / block_size + 1);
  const i64 row = i64{num_heads + 2 * num_kv_heads} * head_dim;
  Scope scope(gpu);
  RopeAndWriteKvParams params{};
  f32* const qkv = scope.array<f32>(num_tokens * row);
  f32* const table = scope.array<f32>(i64{num_tokens} * head_dim);
  gpu.fill_random(qkv, kF32, num_tokens * row, 1.0f, 1);
  gpu.fill_random(table, kF32, i64{num_tokens} * head_dim, 1.0f, 2);
  std::vector<i32> positions(static_cast<size_t>(num_tokens));
  std::iota(positions.begin(), positions.end(), 0);
  std::vector<i32> slots = shuffled_blocks(num_blocks * block_size);
  slots.resize(static_cast<size_t>(num_tokens));
  const i64 tile = i64{block_size} * head_dim * 2;
  params.cache = block_view(nullptr, 2 * tile * num_kv_heads, num_blocks);
  params.cache.data = scope.allocate(static_cast<size_t>(params.cache.block_stride * num_blocks));
  params.cache.head_stride = tile;
  params.cache.value_stride = tile * num_kv_heads;
  params.cache.num_kv_heads = num_kv_heads;
  params.cache.head_dim = head_dim;
  params.cache.block_size = block_size;
  params.q_out = scope.array<f32>(i64{num_tokens} * num_heads * head_dim);
  params.qkv = qkv;
  params.cos_sin = table;
  params.positions = scope.array(positions);
  params.slot_mapping = scope.array(slots);
  params.num_tokens = num_tokens;
  params.num_heads = num_heads;
  params.rotary_dim = head_dim;
  params.max_positions = num_tokens;
  const auto call = [&] { return cuda::rope_and_write_kv(gpu.launcher(), params); };
  require(call());

  // Element 0 of the last token's first query head: its pair is half a head away.
  const i64 last = num_tokens - 1;
  const std::vector<f32> in = gpu.download_array(qkv + last * row, head_dim);
  const std::vector<f32> angles = gpu.download_array(table + last * head_dim, head_dim);
  const size_t half = static_cast<size_t>(head_dim) / 2;
  const double expected = double(in[0]) * angles[0] - double(in[half]) * angles[half];
  const f32 actual = gpu.download_array(params.q_out + last * num_heads * head_dim, 1)[0];
  const double error = std::abs(actual - expected);
  require_accuracy(request, error, 1e-4);

  const double values = double(num_tokens) * double(row);
  const double kv_values = double(num_tokens) * 2.0 * num_kv_heads * head_dim;
  const double bytes = values * 4 + (values - kv_values) * 4 + kv_values * 2;
  print({request, time_calls(gpu, {call}), bytes, 0, error});
}

void run_transfer(Gpu& gpu, const Request& request) {
  const i64 block_bytes = request.bytes("blockBytes");
  const i32 num_blocks = request.number("blocks");
  const bool to_host = request.text("name").find("to host") != std::string::npos;
  const size_t bytes = static_cast<size_t>(num_blocks * block_bytes);
  Scope scope(gpu);
  u8* const blocks = scope.array<u8>(static_cast<i64>(bytes));
  gpu.fill_random(blocks, kBF16, static_cast<i64>(bytes) / 2, 1.0f, 1);
  cuda::PinnedMemory host(gpu.context());
  require(host.open(bytes));
  std::vector<i32> pairs;
  const std::vector<i32> order = shuffled_blocks(num_blocks);
  for (i32 i = 0; i < num_blocks; i++) {
    pairs.push_back(request.text("order") == "shuffled" ? order[static_cast<size_t>(i)] : i);
    pairs.push_back(i);
  }
  std::mutex gate;
  cuda::Transfers transfers(gpu.context(), gpu.kernels(), gpu.stream(), gate);
  require(transfers.open());
  const std::atomic<bool> cancelled{false};
  const TransferParams params{blocks,     block_bytes, host.data(), pairs.data(),
                              num_blocks, to_host,     &cancelled};
  gpu.synchronize();
  require(transfers.run(params));
  std::vector<double> us;
  for (int round = 0; round < 7; round++) {
    const auto before = std::chrono::steady_clock::now();
    require(transfers.run(params));
    const auto after = std::chrono::steady_clock::now();
    us.push_back(std::chrono::duration<double, std::micro>(after - before).count());
  }
  std::sort(us.begin(), us.end());
  const std::vector<u8> last =
      gpu.download_array(blocks + i64{pairs[pairs.size() - 2]} * block_bytes, block_bytes);
  const u8* const host_last = host.data() + i64{num_blocks - 1} * block_bytes;
  if (!std::equal(last.begin(), last.end(), host_last)) stop("a transfer moved nothing");
  print({request, {us[us.size() / 2], us.front(), us.back()}, double(bytes)});
}

}  // namespace bench
