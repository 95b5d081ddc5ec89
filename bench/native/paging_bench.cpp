#include <cmath>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

#include "bench.h"

namespace {

constexpr i32 kHeads = 16, kKvHeads = 8, kHeadDim = 64, kLayers = 8;
constexpr i32 kElemBytes = 2;

// How K and V of one sequence lie in memory.
enum class Order {
  kContiguous,  // [layer][K or V][head][position]: the memory that an unpaged cache has
  kShuffled,    // the pool's [block][layer][K or V][head][offset], blocks in random order
};

struct Layout {
  const char* name;
  Order order;
  i32 block_size;
};

// A tile of 64 positions is what the kernel reads at once, so that contiguous memory is cut there.
constexpr Layout kLayouts[] = {
    {"contiguous", Order::kContiguous, 64},
    {"block16", Order::kShuffled, 16},
    {"block64", Order::kShuffled, 64},
};
constexpr size_t kReadLayout = 1;

volatile u64 sink;

// Reads runs of memory one after the other and computes nothing, each line asked for a run ahead. A
// mark for what attention takes from the same runs, not a bound: another way of asking may be better.
void read_runs(const std::vector<const u8*>& runs, size_t begin, size_t end, size_t run_bytes) {
  constexpr size_t kLineBytes = 64;
  u64 sum = 0;
  for (size_t i = begin; i < end; ++i) {
    const u8* next = runs[i + 1 < end ? i + 1 : i];
    for (size_t at = 0; at < run_bytes; at += kLineBytes) {
      __builtin_prefetch(next + at, 0, 2);
      sum += *reinterpret_cast<const u64*>(runs[i] + at);
    }
  }
  sink = sum;
}

// One sequence of context_len tokens of which the last query_len are run.
struct PagingCase {
  const char* name;
  i32 query_len, context_len;

  double flops() const {
    const double mean_context = context_len - (query_len - 1) / 2.0;
    return 4.0 * query_len * mean_context * kHeads * kHeadDim;
  }
  double layer_bytes() const { return 2.0 * context_len * kKvHeads * kHeadDim * kElemBytes; }
};

class PagedSequence {
 public:
  PagedSequence(Backend& backend, const PagingCase& paging, const Layout& layout)
      : backend_(backend), context_len_(paging.context_len), query_len_(paging.query_len) {
    num_blocks_ = (paging.context_len + layout.block_size - 1) / layout.block_size;
    describe(layout);
    bytes_ = size_t(num_blocks_ + 1) * size_t(2 * kLayers * kKvHeads) * tile_bytes(layout);
    cache_.data = backend.allocate(bytes_, true);
    // An ordinary bf16 number, so that no multiplication is slower than another.
    backend.fill(cache_.data, 0x38, bytes_);
    fill_table(layout);
    query_start_ = {0, query_len_};
    q_.assign(size_t(query_len_) * kHeads * kHeadDim, 0.1f);
    out_.resize(q_.size());
  }
  ~PagedSequence() { backend_.free(cache_.data, bytes_); }
  PagedSequence(const PagedSequence&) = delete;
  PagedSequence& operator=(const PagedSequence&) = delete;

  // Seconds of attention in every layer, divided by the layers.
  double seconds_per_layer() {
    PagedAttentionParams params = make_params();
    const double start = clock_seconds();
    for (i32 layer = 0; layer < kLayers; ++layer) {
      params.layer = layer;
      backend_.paged_attention(params);
    }
    return (clock_seconds() - start) / kLayers;
  }

  // Seconds of reading every layer's keys and values in the order of the table, divided by the layers.
  double read_seconds_per_layer(int num_threads) const {
    std::vector<const u8*> runs;
    for (i32 layer = 0; layer < kLayers; ++layer) {
      for (const i32 block : table_) {
        runs.push_back(static_cast<const u8*>(cache_.data) + block * cache_.block_stride +
                       layer * cache_.layer_stride);
      }
    }
    const size_t share = (runs.size() + size_t(num_threads) - 1) / size_t(num_threads);
    const auto read = [&](size_t begin) {
      read_runs(runs, begin, std::min(begin + share, runs.size()), size_t(cache_.layer_stride));
    };
    const double start = clock_seconds();
    std::vector<std::thread> others;
    for (size_t at = share; at < runs.size(); at += share) others.emplace_back(read, at);
    read(0);
    for (std::thread& other : others) other.join();
    return (clock_seconds() - start) / kLayers;
  }

 private:
  static size_t tile_bytes(const Layout& layout) {
    return size_t(layout.block_size) * kHeadDim * kElemBytes;
  }

  void describe(const Layout& layout) {
    const i64 tile = i64(tile_bytes(layout));
    const i64 run = layout.order == Order::kContiguous ? tile * (num_blocks_ + 1) : tile;
    cache_.head_stride = run;
    cache_.value_stride = run * kKvHeads;
    cache_.layer_stride = cache_.value_stride * 2;
    cache_.block_stride = layout.order == Order::kContiguous ? tile : cache_.layer_stride * kLayers;
    cache_.num_blocks = num_blocks_ + 1;
    cache_.block_size = layout.block_size;
    cache_.num_layers = kLayers;
    cache_.num_kv_heads = kKvHeads;
    cache_.head_dim = kHeadDim;
    cache_.dtype = kBF16;
  }

  void fill_table(const Layout& layout) {
    table_.resize(size_t(num_blocks_));
    std::iota(table_.begin(), table_.end(), 1);
    if (layout.order == Order::kContiguous) return;
    u32 state = 1;
    for (size_t i = table_.size() - 1; i > 0; --i) {
      state = state * 1664525u + 1013904223u;
      std::swap(table_[i], table_[(u64(state) * (i + 1)) >> 32]);
    }
  }

  PagedAttentionParams make_params() {
    PagedAttentionParams params = {};
    params.out = out_.data();
    params.q = q_.data();
    params.cache = cache_;
    params.block_tables = table_.data();
    params.table_rows = &table_row_;
    params.query_start = query_start_.data();
    params.context_lens = &context_len_;
    params.table_stride = num_blocks_;
    params.num_table_rows = 1;
    params.num_seqs = 1;
    params.num_tokens = query_len_;
    params.num_heads = kHeads;
    params.scale = 1.0f / std::sqrt(f32(kHeadDim));
    params.window = -1;
    params.out_dtype = kF32;
    return params;
  }

  Backend& backend_;
  KvCacheView cache_ = {};
  size_t bytes_ = 0;
  i32 num_blocks_ = 0, table_row_ = 0, context_len_, query_len_;
  std::vector<i32> table_, query_start_;
  std::vector<f32> q_, out_;
};

void print_row(const PagingCase& paging, const char* layout, double flops, double seconds) {
  std::printf(
      "{\"row\": \"%s\", \"layout\": \"%s\", \"seconds\": %.9f, \"gflops\": %.2f, "
      "\"gigabytesPerSecond\": %.3f}\n",
      paging.name, layout, seconds, flops / seconds / 1e9, paging.layer_bytes() / seconds / 1e9);
}

// Attention over every layout by turns, and, for a decode, its blocks of 16 read alone.
void run_case(Backend& backend, const PagingCase& paging, int num_rounds) {
  std::vector<std::unique_ptr<PagedSequence>> sequences;
  for (const Layout& layout : kLayouts) {
    sequences.push_back(std::make_unique<PagedSequence>(backend, paging, layout));
    sequences.back()->seconds_per_layer();
  }
  const int num_threads = backend.info().threads;
  std::vector<std::vector<double>> seconds(sequences.size());
  std::vector<double> read_seconds;
  for (int round = 0; round < num_rounds; ++round) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      seconds[i].push_back(sequences[i]->seconds_per_layer());
    }
    read_seconds.push_back(sequences[kReadLayout]->read_seconds_per_layer(num_threads));
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    print_row(paging, kLayouts[i].name, paging.flops(), median(seconds[i]));
  }
  if (paging.query_len == 1) print_row(paging, "block16 read alone", 0.0, median(read_seconds));
}

}  // namespace

void bench_paging(Backend& backend, int num_rounds, bool is_quick) {
  run_case(backend, {"prefill", is_quick ? 512 : 2048, is_quick ? 512 : 2048}, num_rounds);
  run_case(backend, {"decode", 1, is_quick ? 8192 : 32768}, num_rounds);
}
