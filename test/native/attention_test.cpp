#include <algorithm>

#include "attention_inputs.h"
#include "check.h"

namespace {

const DType kCacheDTypes[] = {kF32, kF16, kBF16};

void check_shape(Random& random, const AttentionShape& shape, const Placement& placement) {
  const check::Case description(check::text(shape.text(), ", block_size ", placement.block_size));
  const AttentionValues values(random, shape);
  const AttentionResult result = same_on_all_backends(
      [&](Backend& backend) { return attend(backend, shape, values, placement); });
  check_against_doubles(shape, values, result);
}

}  // namespace

TEST("pagedAttention equals double loops over NaN-poisoned caches, with the same bits everywhere") {
  Random random(21);
  const i32 head_dims[] = {64, 80, 96, 128, 256, 16};
  const i32 groups[] = {1, 2, 4, 7, 8};
  const i32 block_sizes[] = {8, 16, 32, 64, 256};
  for (i32 i = 0; i < 30; ++i) {
    AttentionShape shape;
    shape.dtype = kCacheDTypes[i % 3];
    shape.out_dtype = kCacheDTypes[i / 3 % 3];
    shape.head_dim = head_dims[i % 6];
    shape.group = groups[i % 5];
    shape.num_kv_heads = 1 + i % 2;
    shape.with_sinks = i % 4 == 1;
    shape.softcap = i % 7 == 2 ? 4.0f : 0.0f;
    shape.window = i % 3 == 1 ? random.below(90) : -1;
    shape.num_padding_rows = i % 4;
    const i32 block_size = block_sizes[i / 2 % 5];
    shape.sequences = {
        {1, 1 + random.below(140)}, {0, 20}, {5, 5},          {3, block_size + 1},
        {9, 63 + random.below(4)},  {0, 0},  {1, block_size}, {2, std::max(2, block_size - 1)}};
    check_shape(random, shape, {.block_size = block_size, .seed = u64(i)});
  }
}

TEST("pagedAttention over several splits equals double loops, whoever computes the splits") {
  Random random(22);
  for (const DType dtype : kCacheDTypes) {
    for (const i32 window : {-1, 1100}) {
      AttentionShape shape;
      shape.dtype = dtype;
      shape.head_dim = 32;
      shape.num_kv_heads = 1;
      shape.group = 2;
      shape.window = window;
      shape.with_sinks = window > 0;
      shape.sequences = {{2, 2050}, {1, 1024}, {1, 1025}};
      check_shape(random, shape, {.block_size = 16, .seed = 5, .null_blocks = true});
    }
  }
}

TEST("a window's dropped blocks are never read") {
  Random random(23);
  for (const DType dtype : kCacheDTypes) {
    AttentionShape shape;
    shape.dtype = dtype;
    shape.head_dim = 48;
    for (const i32 window : {0, 1, 7, 15, 16, 40}) {
      shape.window = window;
      shape.sequences = {{1, 100}, {6, 131}, {4, 64}};
      check_shape(random, shape, {.block_size = 8, .seed = 3, .null_blocks = true});
    }
  }
}

TEST("a row has the same bits in a whole prefill, in chunks, alone and at any block size") {
  Random random(24);
  constexpr i32 kContext = 150;
  for (const DType dtype : kCacheDTypes) {
    for (const i32 window : {-1, 37}) {
      AttentionShape whole;
      whole.dtype = dtype;
      whole.head_dim = 64;
      whole.group = 3;
      whole.window = window;
      whole.sequences = {{kContext, kContext}, {2, 77}};
      const AttentionValues values(random, whole);
      const AttentionResult expected = attend(best_backend(), whole, values, {});
      for (i32 context = 1; context <= kContext; context += 1 + random.below(13)) {
        AttentionShape part = whole;
        const i32 query_len = 1 + random.below(std::min(context, 70));
        part.sequences = {{query_len, context}};
        AttentionValues seen = values;
        for (auto* rows : {&seen.keys[0], &seen.values[0], &seen.queries[0]}) {
          rows->resize(rows->size() / kContext * size_t(context));
        }
        const Placement placement = {.block_size = 8 << random.below(4), .seed = random.next()};
        const size_t backend = size_t(random.below(i32(all_backends().size())));
        const check::Case description(check::text(part.text(), ", block_size ",
                                                  placement.block_size, ", ",
                                                  all_backends()[backend].label));
        const AttentionResult result =
            attend(*all_backends()[backend].backend, part, seen, placement);
        for (i32 i = 0; i < query_len; ++i) {
          CHECK(result.row(part, i) == expected.row(whole, context - query_len + i));
        }
      }
    }
  }
}

TEST("a row is blind to NaN at later positions of its own block and sequence") {
  Random random(25);
  for (const DType dtype : kCacheDTypes) {
    AttentionShape shape;
    shape.dtype = dtype;
    shape.sequences = {{90, 90}};
    const AttentionValues clean(random, shape);
    AttentionValues poisoned = clean;
    const size_t kv_elems = size_t(shape.num_kv_heads) * size_t(shape.head_dim);
    constexpr i32 kFirstPoisoned = 71;
    std::fill(poisoned.keys[0].begin() + i64(kFirstPoisoned * kv_elems), poisoned.keys[0].end(),
              NAN);
    std::fill(poisoned.values[0].begin() + i64(kFirstPoisoned * kv_elems), poisoned.values[0].end(),
              INFINITY);
    for (const OpenBackend& open : all_backends()) {
      const check::Case description(check::text(dtype_name(dtype), ", ", open.label));
      const AttentionResult expected = attend(*open.backend, shape, clean, {});
      const AttentionResult result = attend(*open.backend, shape, poisoned, {});
      for (i32 row = 0; row < kFirstPoisoned; ++row) {
        CHECK(result.row(shape, row) == expected.row(shape, row));
      }
      for (i32 row = kFirstPoisoned; row < 90; ++row) {
        CHECK(std::isnan(result.lse[size_t(row) * size_t(shape.num_heads())]));
      }
    }
  }
}

TEST("pagedAttention refuses head dims and block sizes that no kernel has") {
  AttentionShape shape;
  shape.sequences = {{1, 1}};
  for (const auto& [head_dim, block_size] :
       {std::pair<i32, i32>{72, 16}, {272, 16}, {64, 24}, {64, 4}}) {
    PagedAttentionParams params = {};
    params.cache.head_dim = head_dim;
    params.cache.block_size = block_size;
    CHECK(!best_backend().paged_attention(params).is_ok());
  }
}
