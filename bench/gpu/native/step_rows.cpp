// A whole decode step of a Llama-shaped model with random bf16 weights: every op that a recorded
// program runs, in its order, captured as one graph.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "../../../addon/cuda/ops.h"
#include "../../../cuda/matmul_params.h"
#include "rows.h"

namespace bench {
namespace {

struct Shape {
  i32 hidden, mlp, num_layers, num_heads, num_kv_heads, head_dim, vocab, block_size;
  i32 q_dim() const { return num_heads * head_dim; }
  i32 kv_dim() const { return num_kv_heads * head_dim; }
};

struct Layer {
  PackedWeight qkv, out, gate_up, down;
};

class DecodeStep {
 public:
  DecodeStep(Gpu& gpu, Scope& scope, const Shape& shape, i32 num_seqs, i32 context_len);

  Status run(cuda::Launcher& launcher) const;
  // Bytes that a step must read: every weight once (one row of the embedding per sequence), K and
  // V.
  double weight_bytes() const { return weight_bytes_; }
  double kv_bytes() const;
  std::vector<i32> samples() const { return gpu_.download_array(sample_.samples, num_seqs_); }
  bool is_finite() const;

 private:
  PackedWeight random_weight(i32 out_dim, i32 in_dim);
  void make_weights();
  void make_cache();
  void make_batch();
  void make_sampling();
  Status run_layer(cuda::Launcher& launcher, i32 layer) const;
  Status norm(cuda::Launcher& launcher, const f32* x, bool adds) const;
  Status product(cuda::Launcher& launcher, const PackedWeight& weight, const void* x,
                 f32* out) const;

  Gpu& gpu_;
  Scope& scope_;
  const Shape shape_;
  const i32 num_seqs_;
  const i32 context_len_;
  double weight_bytes_ = 0;
  u64 seed_ = 1;
  std::vector<Layer> layers_;
  PackedWeight embedding_{};
  PackedWeight head_{};
  f32* norm_weight_ = nullptr;
  f32* hidden_ = nullptr;
  u16* normed_ = nullptr;  // what enters a product
  f32* wide_ = nullptr;    // what a product gives
  f32* narrow_ = nullptr;  // [num_seqs, hidden]
  RopeAndWriteKvParams rope_{};
  PagedAttentionParams attention_{};
  EmbedParams embed_{};
  SampleParams sample_{};
};

DecodeStep::DecodeStep(Gpu& gpu, Scope& scope, const Shape& shape, i32 num_seqs, i32 context_len)
    : gpu_(gpu), scope_(scope), shape_(shape), num_seqs_(num_seqs), context_len_(context_len) {
  make_weights();
  make_cache();
  make_batch();
  make_sampling();
}

PackedWeight DecodeStep::random_weight(i32 out_dim, i32 in_dim) {
  const i64 count = out_dim * matmul_weight_pitch(in_dim);
  void* const data = scope_.array<u16>(count);
  gpu_.fill_random(data, kBF16, count, std::sqrt(3.0f / static_cast<f32>(in_dim)), seed_++);
  weight_bytes_ += 2.0 * static_cast<double>(count);
  return {data, out_dim, in_dim, kBF16};
}

void DecodeStep::make_weights() {
  const Shape& s = shape_;
  embedding_ = random_weight(s.vocab, s.hidden);
  weight_bytes_ = 2.0 * num_seqs_ * s.hidden;
  for (i32 layer = 0; layer < s.num_layers; layer++) {
    layers_.push_back({random_weight(s.q_dim() + 2 * s.kv_dim(), s.hidden),
                       random_weight(s.hidden, s.q_dim()), random_weight(2 * s.mlp, s.hidden),
                       random_weight(s.hidden, s.mlp)});
  }
  head_ = random_weight(s.vocab, s.hidden);
  norm_weight_ = scope_.array(std::vector<f32>(static_cast<size_t>(s.hidden), 1.0f));
}

void DecodeStep::make_cache() {
  const Shape& s = shape_;
  const i32 blocks_per_seq = (context_len_ + s.block_size - 1) / s.block_size;
  const i64 tile = i64{s.block_size} * s.head_dim * 2;
  KvCacheView cache{};
  cache.head_stride = tile;
  cache.value_stride = tile * s.num_kv_heads;
  cache.layer_stride = 2 * cache.value_stride;
  cache.block_stride = cache.layer_stride * s.num_layers;
  cache.num_blocks = num_seqs_ * blocks_per_seq + 1;
  cache.block_size = s.block_size;
  cache.num_layers = s.num_layers;
  cache.num_kv_heads = s.num_kv_heads;
  cache.head_dim = s.head_dim;
  cache.dtype = kBF16;
  const i64 bytes = cache.block_stride * cache.num_blocks;
  cache.data = scope_.allocate(static_cast<size_t>(bytes));
  gpu_.fill_random(cache.data, kBF16, bytes / 2, 1.0f, seed_++);

  std::vector<i32> tables(static_cast<size_t>(num_seqs_ * blocks_per_seq));
  std::iota(tables.begin(), tables.end(), 1);
  std::shuffle(tables.begin(), tables.end(), std::mt19937(1));
  std::vector<i32> slots;
  for (i32 seq = 0; seq < num_seqs_; seq++) {
    const i32 last = tables[static_cast<size_t>((seq + 1) * blocks_per_seq - 1)];
    slots.push_back(last * s.block_size + (context_len_ - 1) % s.block_size);
  }
  rope_.cache = attention_.cache = cache;
  rope_.slot_mapping = scope_.array(slots);
  attention_.block_tables = scope_.array(tables);
  attention_.table_stride = blocks_per_seq;
  attention_.num_table_rows = num_seqs_;
}

void DecodeStep::make_batch() {
  const Shape& s = shape_;
  const size_t rows = static_cast<size_t>(num_seqs_);
  std::vector<i32> counting(rows + 1);
  std::iota(counting.begin(), counting.end(), 0);
  const std::vector<i32> positions(rows, context_len_ - 1);
  hidden_ = scope_.array<f32>(i64{num_seqs_} * s.hidden);
  narrow_ = scope_.array<f32>(i64{num_seqs_} * s.hidden);
  wide_ = scope_.array<f32>(i64{num_seqs_} * std::max({2 * s.mlp, s.q_dim() + 2 * s.kv_dim()}));
  normed_ = scope_.array<u16>(i64{num_seqs_} * std::max({s.hidden, s.mlp, s.q_dim()}));
  embed_ = {hidden_, embedding_, scope_.array(counting), nullptr, nullptr, num_seqs_};

  f32* const table = scope_.array<f32>(i64{context_len_} * s.head_dim);
  gpu_.fill_random(table, kF32, i64{context_len_} * s.head_dim, 1.0f, seed_++);
  f32* const q = scope_.array<f32>(i64{num_seqs_} * s.q_dim());
  rope_.q_out = q;
  rope_.qkv = wide_;
  rope_.cos_sin = table;
  rope_.positions = scope_.array(positions);
  rope_.num_tokens = num_seqs_;
  rope_.num_heads = s.num_heads;
  rope_.rotary_dim = s.head_dim;
  rope_.max_positions = context_len_;

  attention_.out = normed_;
  attention_.out_dtype = kBF16;
  attention_.q = q;
  attention_.table_rows = scope_.array(counting);
  attention_.query_start = scope_.array(counting);
  attention_.context_lens = scope_.array(std::vector<i32>(rows, context_len_));
  attention_.num_seqs = num_seqs_;
  attention_.num_tokens = num_seqs_;
  attention_.num_heads = s.num_heads;
  attention_.scale = 1.0f / std::sqrt(static_cast<f32>(s.head_dim));
  attention_.window = -1;
}

void DecodeStep::make_sampling() {
  const size_t rows = static_cast<size_t>(num_seqs_);
  SamplingSlotView greedy{};
  greedy.params.top_p = 1.0f;
  greedy.params.repetition_penalty = 1.0f;
  greedy.params.num_logprobs = -1;
  std::vector<i32> row_slots(rows);
  std::iota(row_slots.begin(), row_slots.end(), 0);
  sample_.logits = scope_.array<f32>(i64{num_seqs_} * shape_.vocab);
  sample_.slots = scope_.array(std::vector<SamplingSlotView>(rows, greedy));
  sample_.row_slots = scope_.array(row_slots);
  sample_.row_positions = scope_.array(std::vector<i32>(rows, context_len_));
  sample_.samples = scope_.array<i32>(num_seqs_);
  sample_.sample_logprobs = scope_.array<f32>(num_seqs_);
  sample_.top_ids = scope_.array<i32>(i64{num_seqs_} * kMaxTopLogprobs);
  sample_.top_logprobs = scope_.array<f32>(i64{num_seqs_} * kMaxTopLogprobs);
  sample_.non_finite = scope_.array<u8>(num_seqs_);
  sample_.num_rows = num_seqs_;
  sample_.vocab_size = shape_.vocab;
  sample_.num_slots = num_seqs_;
}

Status DecodeStep::norm(cuda::Launcher& launcher, const f32* x, bool adds) const {
  return cuda::rms_norm(launcher, {normed_, x, adds ? hidden_ : nullptr, norm_weight_, 1e-5f, 0.0f,
                                   num_seqs_, shape_.hidden, kBF16});
}

Status DecodeStep::product(cuda::Launcher& launcher, const PackedWeight& weight, const void* x,
                           f32* out) const {
  return cuda::matmul(launcher, {out, x, weight, nullptr, num_seqs_, kF32});
}

Status DecodeStep::run_layer(cuda::Launcher& launcher, i32 index) const {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  RopeAndWriteKvParams rope = rope_;
  PagedAttentionParams attention = attention_;
  rope.layer = attention.layer = index;
  Status status = product(launcher, layer.qkv, normed_, wide_);
  if (status.is_ok()) status = cuda::rope_and_write_kv(launcher, rope);
  if (status.is_ok()) status = cuda::paged_attention(launcher, attention);
  if (status.is_ok()) status = product(launcher, layer.out, normed_, narrow_);
  if (status.is_ok()) status = norm(launcher, narrow_, true);
  if (status.is_ok()) status = product(launcher, layer.gate_up, normed_, wide_);
  if (status.is_ok()) {
    status = cuda::silu_mul(launcher, {normed_, wide_, num_seqs_, shape_.mlp, kBF16});
  }
  if (status.is_ok()) status = product(launcher, layer.down, normed_, narrow_);
  return status.is_ok() ? norm(launcher, narrow_, true) : status;
}

Status DecodeStep::run(cuda::Launcher& launcher) const {
  Status status = cuda::embed(launcher, embed_);
  if (status.is_ok()) status = norm(launcher, hidden_, false);
  for (i32 layer = 0; layer < shape_.num_layers && status.is_ok(); layer++) {
    status = run_layer(launcher, layer);
  }
  if (status.is_ok()) {
    status = product(launcher, head_, normed_, const_cast<f32*>(sample_.logits));
  }
  return status.is_ok() ? cuda::sample(launcher, sample_) : status;
}

double DecodeStep::kv_bytes() const {
  return 4.0 * shape_.kv_dim() * shape_.num_layers * num_seqs_ * double(context_len_);
}

bool DecodeStep::is_finite() const {
  const std::vector<u8> flags = gpu_.download_array(sample_.non_finite, num_seqs_);
  return std::all_of(flags.begin(), flags.end(), [](u8 flag) { return flag == 0; });
}

}  // namespace

void run_step(Gpu& gpu, const Request& request) {
  const Shape shape = {request.number("hidden"),  request.number("mlp"),
                       request.number("layers"),  request.number("heads"),
                       request.number("kvHeads"), request.number("headDim"),
                       request.number("vocab"),   request.number("block")};
  Scope scope(gpu);
  const DecodeStep step(gpu, scope, shape, request.number("seqs"), request.number("context"));
  require(step.run(gpu.deterministic_launcher()));
  const std::vector<i32> expected = step.samples();
  require(step.run(gpu.launcher()));
  const std::vector<i32> samples = step.samples();
  if (!step.is_finite()) stop("a decode step gave logits that are not finite");
  i32 num_equal = 0;
  for (size_t i = 0; i < samples.size(); i++) {
    if (samples[i] < 0 || samples[i] >= shape.vocab) stop("a decode step drew no token");
    num_equal += samples[i] == expected[i];
  }
  const Times times = time_calls(gpu, {[&] { return step.run(gpu.launcher()); }}, 4);
  Row row{request, times, step.weight_bytes() + step.kv_bytes()};
  row.note = std::to_string(num_equal) + " of " + std::to_string(samples.size()) +
             " samples as in the fixed order of arithmetic";
  print(row);
}

}  // namespace bench
