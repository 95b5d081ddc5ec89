// paged_attention over K and V in blocks in random order, cold L2: `layers` sets of K and V take
// turns.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "../../../addon/cuda/ops.h"
#include "../../../addon/float_types.h"
#include "rows.h"

namespace bench {
namespace {

struct Batch {
  i32 num_heads, num_kv_heads, head_dim, block_size, query_len;
  std::vector<i32> lengths;
  bool is_layer_major;
  bool is_in_order;  // blocks of a sequence lie side by side
  i32 num_layers;    // sets that take turns
  i32 num_blocks;
  i32 max_blocks;
  std::vector<i32> tables;  // [num_seqs, max_blocks]
};

i32 blocks_of(const Batch& batch, i32 length) {
  return (length + batch.block_size - 1) / batch.block_size;
}

i64 tile_bytes(const Batch& batch) { return i64{batch.block_size} * batch.head_dim * 2; }

// K and V bytes that one call must read.
i64 kv_bytes(const Batch& batch) {
  i64 tokens = 0;
  for (const i32 length : batch.lengths) tokens += length;
  return tokens * batch.num_kv_heads * batch.head_dim * 2 * 2;
}

// Twice as many blocks as needed, handed out in random order or as they lie; block 0 belongs to
// nobody.
void make_tables(Batch& batch) {
  i32 needed = 0;
  for (const i32 length : batch.lengths) {
    needed += blocks_of(batch, length);
    batch.max_blocks = std::max(batch.max_blocks, blocks_of(batch, length));
  }
  batch.num_blocks = 2 * needed + 1;
  std::vector<i32> order(static_cast<size_t>(batch.num_blocks - 1));
  std::iota(order.begin(), order.end(), 1);
  if (!batch.is_in_order) std::shuffle(order.begin(), order.end(), std::mt19937(1));
  batch.tables.assign(batch.lengths.size() * static_cast<size_t>(batch.max_blocks), 0);
  size_t taken = 0;
  for (size_t s = 0; s < batch.lengths.size(); s++) {
    for (i32 i = 0; i < blocks_of(batch, batch.lengths[s]); i++) {
      batch.tables[s * static_cast<size_t>(batch.max_blocks) + static_cast<size_t>(i)] =
          order[taken++];
    }
  }
}

Batch read_batch(Gpu& gpu, const Request& request) {
  Batch batch{};
  batch.num_heads = request.number("heads");
  batch.num_kv_heads = request.number("kvHeads");
  batch.head_dim = request.number("headDim");
  batch.block_size = request.number("block");
  batch.query_len = request.number("queryLen");
  batch.lengths = request.numbers("lengths");
  batch.is_layer_major = request.text("layout") == "layer-major";
  batch.is_in_order = request.text("order") == "in order";
  make_tables(batch);
  batch.num_layers = num_sets(gpu, kv_bytes(batch));
  if (request.has("layers")) batch.num_layers = request.number("layers");
  return batch;
}

KvCacheView cache_view(const Batch& batch, void* data) {
  const i64 head = tile_bytes(batch);
  const i64 value = head * batch.num_kv_heads;
  KvCacheView view{};
  view.data = data;
  view.head_stride = head;
  view.value_stride = value;
  view.layer_stride = batch.is_layer_major ? 2 * value * batch.num_blocks : 2 * value;
  view.block_stride = batch.is_layer_major ? 2 * value : 2 * value * batch.num_layers;
  view.num_blocks = batch.num_blocks;
  view.block_size = batch.block_size;
  view.num_layers = batch.num_layers;
  view.num_kv_heads = batch.num_kv_heads;
  view.head_dim = batch.head_dim;
  view.dtype = kBF16;
  return view;
}

PagedAttentionParams make_params(Gpu& gpu, Scope& scope, const Batch& batch) {
  const i32 num_seqs = static_cast<i32>(batch.lengths.size());
  const i32 num_tokens = num_seqs * batch.query_len;
  std::vector<i32> rows(static_cast<size_t>(num_seqs));
  std::vector<i32> starts(static_cast<size_t>(num_seqs) + 1);
  std::iota(rows.begin(), rows.end(), 0);
  for (size_t s = 0; s < starts.size(); s++) starts[s] = static_cast<i32>(s) * batch.query_len;

  const i64 values = i64{num_tokens} * batch.num_heads * batch.head_dim;
  const i64 cache_bytes =
      2 * tile_bytes(batch) * batch.num_kv_heads * batch.num_layers * batch.num_blocks;
  PagedAttentionParams params{};
  params.cache = cache_view(batch, scope.allocate(static_cast<size_t>(cache_bytes)));
  gpu.fill_random(params.cache.data, kBF16, cache_bytes / 2, 1.0f, 2);
  f32* const q = scope.array<f32>(values);
  gpu.fill_random(q, kF32, values, 4.0f, 3);  // logits spread by about 1.3
  params.q = q;
  params.out = scope.allocate(static_cast<size_t>(values) * 2);
  params.out_dtype = kBF16;
  params.block_tables = scope.array(batch.tables);
  params.table_rows = scope.array(rows);
  params.query_start = scope.array(starts);
  params.context_lens = scope.array(batch.lengths);
  params.table_stride = batch.max_blocks;
  params.num_table_rows = num_seqs;
  params.num_seqs = num_seqs;
  params.num_tokens = num_tokens;
  params.num_heads = batch.num_heads;
  params.scale = 1.0f / std::sqrt(static_cast<f32>(batch.head_dim));
  params.window = -1;
  return params;
}

std::vector<double> widen(const std::vector<u16>& bits) {
  std::vector<double> values;
  for (const u16 value : bits) values.push_back(double(cpu::bf16_to_f32(value)));
  return values;
}

// K (part 0) or V (part 1) of one sequence and kv head in layer 0, [length, head_dim].
std::vector<double> read_tiles(Gpu& gpu, const Batch& batch, const KvCacheView& cache, size_t s,
                               i32 kv_head, i32 part) {
  std::vector<double> values;
  const i64 count = i64{batch.block_size} * batch.head_dim;
  for (i32 i = 0; i < blocks_of(batch, batch.lengths[s]); i++) {
    const i64 block =
        batch.tables[s * static_cast<size_t>(batch.max_blocks) + static_cast<size_t>(i)];
    const u8* const tile = static_cast<const u8*>(cache.data) + block * cache.block_stride +
                           part * cache.value_stride + kv_head * cache.head_stride;
    const std::vector<double> tile_values =
        widen(gpu.download_array(reinterpret_cast<const u16*>(tile), count));
    values.insert(values.end(), tile_values.begin(), tile_values.end());
  }
  return values;
}

// One row head in float64: softmax(q . K / sqrt(d)) . V over the first `visible` positions.
std::vector<double> attend(const std::vector<double>& q, const std::vector<double>& keys,
                           const std::vector<double>& values, size_t visible) {
  const size_t dim = q.size();
  std::vector<double> weights(visible);
  double max = -1e300;
  for (size_t t = 0; t < visible; t++) {
    double dot = 0;
    for (size_t d = 0; d < dim; d++) dot += q[d] * keys[t * dim + d];
    weights[t] = dot / std::sqrt(double(dim));
    max = std::max(max, weights[t]);
  }
  double sum = 0;
  std::vector<double> out(dim, 0.0);
  for (size_t t = 0; t < visible; t++) {
    const double weight = std::exp(weights[t] - max);
    sum += weight;
    for (size_t d = 0; d < dim; d++) out[d] += weight * values[t * dim + d];
  }
  for (double& value : out) value /= sum;
  return out;
}

// Compares the last row of the first and last sequence, first and last head.
double verify(Gpu& gpu, const Batch& batch, const PagedAttentionParams& params) {
  double worst = 0;
  const i32 group = batch.num_heads / batch.num_kv_heads;
  for (const size_t s : {size_t{0}, batch.lengths.size() - 1}) {
    const i64 row = (static_cast<i64>(s) + 1) * batch.query_len - 1;
    for (const i32 head : {0, batch.num_heads - 1}) {
      const i64 first = (row * batch.num_heads + head) * batch.head_dim;
      std::vector<double> q;
      for (const f32 value : gpu.download_array(params.q + first, batch.head_dim)) {
        q.push_back(double(value));
      }
      const std::vector<double> expected =
          attend(q, read_tiles(gpu, batch, params.cache, s, head / group, 0),
                 read_tiles(gpu, batch, params.cache, s, head / group, 1),
                 static_cast<size_t>(batch.lengths[s]));
      const std::vector<double> actual =
          widen(gpu.download_array(static_cast<const u16*>(params.out) + first, batch.head_dim));
      const double error = relative_error(actual, expected);
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

// Floating-point operations of the visible part: 4 per element of q, position and head.
double flops_of(const Batch& batch) {
  double pairs = 0;
  for (const i32 length : batch.lengths) {
    pairs += double(batch.query_len) * (length - (batch.query_len - 1) / 2.0);
  }
  return 4.0 * pairs * batch.num_heads * batch.head_dim;
}

}  // namespace

void run_attention(Gpu& gpu, const Request& request) {
  const Batch batch = read_batch(gpu, request);
  Scope scope(gpu);
  PagedAttentionParams params = make_params(gpu, scope, batch);
  cuda::Launcher& launcher =
      request.has("deterministic") ? gpu.deterministic_launcher() : gpu.launcher();

  std::vector<std::function<Status()>> calls;
  for (i32 layer = 0; layer < batch.num_layers; layer++) {
    params.layer = layer;
    calls.emplace_back([&launcher, params] { return cuda::paged_attention(launcher, params); });
  }
  require(calls[0]());
  params.layer = 0;
  const double error = verify(gpu, batch, params);
  require_accuracy(request, error, 0.06);
  const Times times = time_calls(gpu, calls);
  print({request, times, double(kv_bytes(batch)), flops_of(batch), error});
}

}  // namespace bench
