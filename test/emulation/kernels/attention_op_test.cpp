// The host side of pagedAttention: which kernels it chooses, what it refuses; and what one launch
// must reach.

#include "../../../addon/cuda/attention_op.h"

#include "attention_run.h"

using namespace attention_case;
using emulation::EmulatedLauncher;

namespace {

void check_head_dim(i32 head_dim) {
  Random random(emulation::run_seed() + u64(head_dim));
  Shape shape;
  shape.head_dim = head_dim;
  shape.num_kv_heads = 1;
  shape.sequences = {{1, 90}, {1, 20}, {34, 150}, {9, 9}};
  const check::Case scope(shape.text());
  const Values values(random, shape);
  for (const bool is_deterministic : {false, true}) {
    EmulatedLauncher launcher(is_deterministic);
    check_result(shape, values, attend(launcher, shape, values), launcher.last_kernel());
  }
}

}  // namespace

TEST("attention fits the shared memory of sm_86") {
  for (const i32 head_dim : {64, 80, 96, 128, 256}) {
    for (const i32 bytes : {attention_decode_bytes(head_dim), attention_fixed_bytes(head_dim),
                            attention_prefill_bytes(head_dim)}) {
      CHECK(bytes + 2048 <= emulation::small_gpu().max_shared_bytes);
    }
  }
}

TEST("attention chooses kernels by rows, and refuses what it has none for") {
  PagedAttentionParams params = {};
  params.cache.block_size = 16;
  params.cache.num_kv_heads = 2;
  params.cache.head_dim = 64;
  params.cache.dtype = kBF16;
  params.num_heads = 8;
  params.num_tokens = params.num_seqs = 32;
  using cuda::AttentionRouting;
  CHECK(cuda::choose_attention_routing(params) == AttentionRouting::kDecode);
  params.num_tokens = 33;
  CHECK(cuda::choose_attention_routing(params) == AttentionRouting::kBoth);
  params.num_tokens = 4;
  params.num_seqs = 1;
  CHECK(cuda::choose_attention_routing(params) == AttentionRouting::kDecode);
  params.num_heads = 34;
  CHECK(cuda::choose_attention_routing(params) == AttentionRouting::kPrefill);

  EmulatedLauncher launcher;
  using kv_fixture::check_refused;
  params.num_seqs = 4001;
  check_refused(cuda::paged_attention(launcher, params), "ERR_NATIVE", "4001 sequences");
  params.num_tokens = 0;
  params.num_seqs = 1;
  kv_fixture::check_ok(cuda::paged_attention(launcher, params));
  CHECK_EQUAL(launcher.num_launches(), 0);
  params.num_heads = 7;
  check_refused(cuda::paged_attention(launcher, params), "ERR_NATIVE", "7 heads");
  params.cache.head_dim = 72;
  check_refused(cuda::paged_attention(launcher, params), "ERR_NATIVE", "known are 64, 80");
  params.cache.head_dim = 64;
  for (const i32 block_size : {4, 12, 512}) {
    params.cache.block_size = block_size;
    check_refused(cuda::paged_attention(launcher, params), "ERR_NATIVE", "powers of two");
  }
  params.cache.block_size = 16;
  params.cache.num_kv_heads = 0;
  check_refused(cuda::paged_attention(launcher, params), "ERR_NATIVE", "0 kv heads");
  params.cache.dtype = kF32;
  check_refused(cuda::paged_attention(launcher, params), "ERR_UNSUPPORTED_DTYPE", "bf16, f16");
  params.cache.dtype = kF16;
  params.out_dtype = kI32;
  check_refused(cuda::paged_attention(launcher, params), "ERR_UNSUPPORTED_DTYPE", "out is i32");
}

TEST("attention reaches rows of q and out past 2^31 elements") {
  Random random(emulation::run_seed());
  Shape shape;
  shape.num_kv_heads = 8;
  shape.group = 16;
  shape.num_padding_rows = 1;
  // 8,192 elements per row.
  const Placement placement = {.first_row = 1 << 18};
  cuda::GpuInfo gpu = emulation::small_gpu();
  gpu.num_sms = 64;
  for (const i32 context_len : {70, 900}) {
    shape.sequences = {{1, context_len}, {2, context_len}};
    const check::Case scope(shape.text());
    const Values values(random, shape);
    for (const bool is_deterministic : {false, true}) {
      EmulatedLauncher launcher(is_deterministic, gpu);
      check_result(shape, values, attend(launcher, shape, values, placement),
                   launcher.last_kernel());
    }
  }
}

TEST("attention of head_dim 80, whose rows are not swizzled, in decode and prefill") {
  check_head_dim(80);
}

TEST("attention of head_dim 256, whose q lies in shared memory, in decode and prefill") {
  check_head_dim(256);
}
