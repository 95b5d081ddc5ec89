#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "bench.h"

namespace {

// One layer of attention: every sequence with the same lens, 16 heads over 8 kv heads.
struct AttentionCase {
  Backend& backend;
  DType dtype;
  i32 head_dim, num_seqs, query_len, context_len;

  static constexpr i32 kHeads = 16, kKvHeads = 8, kBlockSize = 16;

  KvCacheView view(i32 num_blocks) const {
    KvCacheView view = {};
    view.head_stride = i64(kBlockSize) * head_dim * (dtype == kF32 ? 4 : 2);
    view.value_stride = view.head_stride * kKvHeads;
    view.layer_stride = view.value_stride * 2;
    view.block_stride = view.layer_stride;
    view.num_blocks = num_blocks;
    view.block_size = kBlockSize;
    view.num_layers = 1;
    view.num_kv_heads = kKvHeads;
    view.head_dim = head_dim;
    view.dtype = dtype;
    return view;
  }

  void run(const Ceilings& ceilings) const {
    const i32 blocks_per_seq = (context_len + kBlockSize - 1) / kBlockSize;
    const i32 num_blocks = blocks_per_seq * num_seqs + 1;
    KvCacheView cache = view(num_blocks);
    const size_t bytes = size_t(cache.block_stride) * size_t(num_blocks);
    cache.data = backend.allocate(bytes, true);
    backend.fill(cache.data, 0x38, bytes);
    std::vector<i32> tables(size_t(blocks_per_seq) * size_t(num_seqs)),
        rows(static_cast<size_t>(num_seqs)), starts(size_t(num_seqs) + 1),
        contexts(size_t(num_seqs), context_len);
    // Neighbouring logical blocks are 7 physical blocks apart.
    for (size_t i = 0; i < tables.size(); ++i) tables[i] = 1 + i32(i * 7 % tables.size());
    std::iota(rows.begin(), rows.end(), 0);
    for (i32 s = 0; s <= num_seqs; ++s) starts[size_t(s)] = s * query_len;
    const i32 num_tokens = num_seqs * query_len;
    const std::vector<f32> q(size_t(num_tokens) * kHeads * size_t(head_dim), 0.1f);
    std::vector<f32> out(q.size());
    PagedAttentionParams params = {};
    params.out = out.data();
    params.q = q.data();
    params.cache = cache;
    params.block_tables = tables.data();
    params.table_rows = rows.data();
    params.query_start = starts.data();
    params.context_lens = contexts.data();
    params.table_stride = blocks_per_seq;
    params.num_table_rows = num_seqs;
    params.num_seqs = num_seqs;
    params.num_tokens = num_tokens;
    params.num_heads = kHeads;
    params.scale = 1.0f / std::sqrt(f32(head_dim));
    params.window = -1;
    params.out_dtype = kF32;
    const double seconds = best_seconds([&] { backend.paged_attention(params); });
    report(seconds, ceilings, bytes);
    backend.free(cache.data, bytes);
  }

  void report(double seconds, const Ceilings& ceilings, size_t bytes) const {
    const double mean_context = context_len - (query_len - 1) / 2.0;
    const double gflops =
        4.0 * num_seqs * query_len * mean_context * kHeads * head_dim / seconds / 1e9;
    const double gigabytes = double(bytes) / seconds / 1e9;
    const double peak = dtype == kBF16 ? ceilings.bf16_gflops : ceilings.f32_gflops;
    std::printf(
        "  attention %-4s head_dim %3d  %d x %d/%d  %8.1f GFLOP/s (%3.0f %% of %.0f)  %6.1f GB/s "
        "(%3.0f %% of %.1f)  %.3f ms\n",
        dtype == kF32   ? "f32"
        : dtype == kF16 ? "f16"
                        : "bf16",
        head_dim, num_seqs, query_len, context_len, gflops, peak > 0 ? 100.0 * gflops / peak : 0.0,
        peak, gigabytes, 100.0 * gigabytes / ceilings.gigabytes_per_second,
        ceilings.gigabytes_per_second, seconds * 1e3);
  }
};

}  // namespace

void bench_attention(Backend& backend, const Ceilings& ceilings) {
  const bool is_slow = backend.info().isa == "portable";
  for (const DType dtype : {kBF16, kF16, kF32}) {
    for (const i32 head_dim : {64, 128}) {
      AttentionCase{backend, dtype, head_dim, 1, 1, is_slow ? 512 : 8192}.run(ceilings);
      if (is_slow) continue;
      AttentionCase{backend, dtype, head_dim, 8, 1, 8192}.run(ceilings);
      AttentionCase{backend, dtype, head_dim, 1, 512, 512}.run(ceilings);
      AttentionCase{backend, dtype, head_dim, 1, 512, 4096}.run(ceilings);
    }
  }
}
