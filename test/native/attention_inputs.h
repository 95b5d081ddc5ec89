#pragma once
// Attention cases for native tests: what a batch attends to, apart from where its blocks lie.

#include <functional>

#include "backends.h"
#include "values.h"

struct SequenceLens {
  i32 query_len, context_len;
};

struct AttentionShape {
  DType dtype = kBF16;  // of the cache
  DType out_dtype = kF32;
  i32 head_dim = 64;
  i32 num_kv_heads = 2;
  i32 group = 2;
  i32 window = -1;
  f32 softcap = 0.0f;
  bool with_sinks = false;
  std::vector<SequenceLens> sequences;
  i32 num_padding_rows = 0;

  i32 num_heads() const { return num_kv_heads * group; }
  i32 num_rows() const;
  f32 scale() const { return 1.0f / std::sqrt(f32(head_dim)); }
  std::string text() const;
};

// Keys and values of each sequence, [context_len, num_kv_heads, head_dim], and a q for each of
// their positions, [context_len, num_heads, head_dim]: so that a row has the same q however it is
// batched.
struct AttentionValues {
  std::vector<std::vector<f32>> keys, values, queries;
  std::vector<f32> sinks;

  AttentionValues(Random& random, const AttentionShape& shape);
};

// How a batch lies in the cache.
struct Placement {
  i32 block_size = 16;
  u64 seed = 1;              // of the blocks' order
  bool null_blocks = false;  // blocks before the window are dropped from the tables
};

struct AttentionResult {
  std::vector<u8> out;   // [num_rows, num_heads, head_dim] out_dtype
  std::vector<f32> lse;  // [num_rows, num_heads]
  bool operator==(const AttentionResult& other) const;
  // The bits of one row, out and lse.
  std::vector<u8> row(const AttentionShape& shape, i32 row) const;
};

// Writes the keys and values into a cache that is otherwise NaN, and attends. Table entries past a
// context name blocks far outside the cache.
AttentionResult attend(Backend& backend, const AttentionShape& shape, const AttentionValues& values,
                       const Placement& placement);

// The same with `run` in the place of the op; it may run it several times.
AttentionResult attend_with(Backend& backend, const AttentionShape& shape,
                            const AttentionValues& values, const Placement& placement,
                            const std::function<void(const PagedAttentionParams&)>& run);

// Compares with double-precision loops over q, K and V as the cache's dtype rounds them.
void check_against_doubles(const AttentionShape& shape, const AttentionValues& values,
                           const AttentionResult& result);
