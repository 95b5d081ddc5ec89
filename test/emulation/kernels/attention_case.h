#pragma once
// Attention cases for kernel tests: sequences with keys, values and queries per position, so that a
// row's inputs are the same however it is batched, chunked and placed.

#include <algorithm>
#include <map>
#include <optional>

#include "kv_fixture.h"

namespace attention_case {

struct SequenceLens {
  i32 query_len, context_len;
};

// How the numbers of a case are made.
enum class Content {
  kEdges,   // scores of positions at edges of blocks, tiles, splits and windows are raised by 5
  kLarge,   // scores of hundreds: exponentials overflow unless the maximum is taken off
  kNeedle,  // each row looks at one position and must give its value back
};

struct Shape {
  DType dtype = kBF16;  // of the cache
  DType out_dtype = kF32;
  i32 head_dim = 64;
  i32 num_kv_heads = 2;
  i32 group = 2;
  i32 block_size = 16;
  i32 window = -1;
  f32 softcap = 0.0f;
  std::optional<f32> scale;  // 1 / sqrt(head_dim) without
  bool with_sinks = false;
  bool with_lse = true;
  Content content = Content::kEdges;
  std::vector<SequenceLens> sequences;
  i32 num_padding_rows = 0;
  i32 num_padding_seqs = 0;

  i32 num_heads() const { return num_kv_heads * group; }
  i32 num_rows() const {
    i32 rows = num_padding_rows;
    for (const SequenceLens& s : sequences) rows += s.query_len;
    return rows;
  }
  f32 factor() const { return scale.value_or(1.0f / std::sqrt(f32(head_dim))); }
  // The lowest position that a row at `position` sees.
  i32 low(i32 position) const { return window < 0 || position < window ? 0 : position - window; }
  std::string text() const {
    std::string lens;
    for (const SequenceLens& s : sequences) {
      lens += check::text(" ", s.query_len, "/", s.context_len);
    }
    return check::text(dtype_name(dtype), " to ", dtype_name(out_dtype), ", head_dim ", head_dim,
                       ", ", num_kv_heads, " kv heads, group ", group, ", block_size ", block_size,
                       ", window ", window, ", softcap ", softcap, ", sinks ", with_sinks,
                       ", query/context lens", lens);
  }
};

// Of one sequence, rounded to the cache's dtype: keys and values [context_len, num_kv_heads,
// head_dim], queries [context_len, num_heads, head_dim].
struct SequenceValues {
  std::vector<f32> keys, values, queries;
};

inline f32 rounded(DType dtype, f32 value) {
  FloatArray one(dtype, 1);
  one.set(0, value);
  return one[0];
}

// Positions where kernels change path.
inline std::vector<i32> edge_positions(const Shape& shape, SequenceLens lens) {
  const i32 last = lens.context_len - 1;
  const i32 first_row = lens.context_len - lens.query_len;
  const i32 block = shape.block_size;
  std::vector<i32> edges = {
      0, block, 64, 1024, first_row, lens.context_len, last / block * block, last / 64 * 64};
  if (shape.window >= 0) {
    edges.push_back(shape.low(std::max(first_row, 0)));
    edges.push_back(shape.low(std::max(last, 0)));
  }
  std::vector<i32> positions;
  for (const i32 edge : edges) {
    for (const i32 p : {edge - 1, edge}) {
      if (p >= 0 && p <= last) positions.push_back(p);
    }
  }
  return positions;
}

class Values {
 public:
  Values(Random& random, const Shape& shape)
      : sinks(random.uniforms(size_t(shape.num_heads()), 3)) {
    for (const SequenceLens& lens : shape.sequences) sequences.push_back(draw(random, shape, lens));
    for (f32& sink : sinks) sink += 4.0f;
  }

  std::vector<SequenceValues> sequences;
  std::vector<f32> sinks;  // [num_heads]

 private:
  static SequenceValues draw(Random& random, const Shape& shape, SequenceLens lens) {
    const size_t kv = size_t(shape.num_kv_heads) * size_t(shape.head_dim);
    const size_t length = size_t(lens.context_len);
    const f32 size = shape.content == Content::kLarge ? 40.0f : 1.7f;
    SequenceValues one = {random.uniforms(length * kv, 1.7f), random.uniforms(length * kv),
                          random.uniforms(length * kv * size_t(shape.group), size)};
    if (shape.content == Content::kEdges) raise_edges(random, shape, lens, one);
    if (shape.content == Content::kNeedle) point_at_needles(random, shape, lens, one);
    for (std::vector<f32>* array : {&one.keys, &one.values, &one.queries}) {
      for (f32& x : *array) x = rounded(shape.dtype, x);
    }
    return one;
  }

  // Adds one direction to every query and to the keys of edge positions.
  static void raise_edges(Random& random, const Shape& shape, SequenceLens lens,
                          SequenceValues& one) {
    const size_t dim = size_t(shape.head_dim);
    const f32 amount = std::sqrt(5.0f / (f32(dim) * std::fabs(shape.factor())));
    std::vector<f32> direction(dim);
    for (f32& x : direction) x = random.below(2) == 0 ? amount : -amount;
    const f32 sign = shape.factor() < 0 ? -1.0f : 1.0f;
    for (size_t i = 0; i < one.queries.size(); ++i) one.queries[i] += sign * direction[i % dim];
    std::vector<i32> edges = edge_positions(shape, lens);
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    const size_t kv = size_t(shape.num_kv_heads) * dim;
    for (const i32 p : edges) {
      for (size_t i = 0; i < kv; ++i) one.keys[size_t(p) * kv + i] += direction[i % dim];
    }
  }

  // Keys of random signs; the query of each position and head is 8 times some visible key.
  static void point_at_needles(Random& random, const Shape& shape, SequenceLens lens,
                               SequenceValues& one) {
    const size_t dim = size_t(shape.head_dim);
    const std::vector<i32> edges = edge_positions(shape, lens);
    for (f32& x : one.keys) x = x < 0 ? -1.0f : 1.0f;
    for (i32 position = 0; position < lens.context_len; ++position) {
      const i32 low = shape.low(position);
      for (i32 head = 0; head < shape.num_heads(); ++head) {
        i32 needle = edges[size_t(random.below(i32(edges.size())))];
        if (needle < low || needle > position) needle = low + random.below(position - low + 1);
        const f32* key =
            &one.keys[(size_t(needle) * size_t(shape.num_kv_heads) + size_t(head / shape.group)) *
                      dim];
        f32* query =
            &one.queries[(size_t(position) * size_t(shape.num_heads()) + size_t(head)) * dim];
        for (size_t d = 0; d < dim; ++d) query[d] = 8.0f * key[d];
      }
    }
  }
};

struct RowLimits {
  std::vector<double> out, limit;  // [head_dim] expected, and what it may be off by
  double lse = -INFINITY, lse_limit = 0;
};

// One row and head in double, and the error that rounding explains: weights are rounded to the
// cache's dtype, an error of a score is a relative error of its weight, all else is f32.
inline RowLimits reference_row(const Shape& shape, const Values& values, size_t s, i32 position,
                               i32 head) {
  const size_t dim = size_t(shape.head_dim);
  const SequenceValues& one = values.sequences[s];
  const f32* q = &one.queries[(size_t(position) * size_t(shape.num_heads()) + size_t(head)) * dim];
  const auto kv_at = [&](i32 p) {
    return (size_t(p) * size_t(shape.num_kv_heads) + size_t(head / shape.group)) * dim;
  };
  const i32 low = shape.low(position);
  const double sink = shape.with_sinks ? double(values.sinks[size_t(head)]) : -INFINITY;
  std::vector<double> logits;
  double largest = -INFINITY, score_magnitude = 0;
  for (i32 p = low; p <= position; ++p) {
    const f32* k = &one.keys[kv_at(p)];
    double score = 0, magnitude = 0;
    for (size_t d = 0; d < dim; ++d) {
      score += double(q[d]) * double(k[d]);
      magnitude += std::fabs(double(q[d]) * double(k[d]));
    }
    score *= double(shape.factor());
    score_magnitude = std::max(score_magnitude, magnitude * std::fabs(double(shape.factor())));
    if (shape.softcap > 0) score = shape.softcap * std::tanh(score / shape.softcap);
    logits.push_back(score);
    largest = std::max(largest, score);
  }
  const double max = std::max(largest, sink);
  double sum = std::exp(sink - max);
  for (const double logit : logits) sum += std::exp(logit - max);
  constexpr double kUlp = 0x1p-24;
  RowLimits row = {std::vector<double>(dim), std::vector<double>(dim), max + std::log(sum),
                   16 * kUlp * (1 + score_magnitude) + 4 * kUlp * std::fabs(max + std::log(sum))};
  const double relative = unit_roundoff(shape.dtype) + 16 * kUlp * (1 + score_magnitude);
  const double tiny = shape.dtype == kF16 ? 0x1p-25 * std::exp(largest - max) / sum : 0;
  for (i32 p = low; p <= position; ++p) {
    const double weight = std::exp(logits[size_t(p - low)] - max) / sum;
    const f32* v = &one.values[kv_at(p)];
    for (size_t d = 0; d < dim; ++d) {
      row.out[d] += weight * double(v[d]);
      row.limit[d] += std::fabs(double(v[d])) * (weight * relative + tiny);
    }
  }
  const double smallest = shape.out_dtype == kF16 ? 0x1p-25 : 0x1p-126;
  for (size_t d = 0; d < dim; ++d) {
    row.limit[d] += std::fabs(row.out[d]) * 1.25 * unit_roundoff(shape.out_dtype) + smallest;
  }
  return row;
}

}  // namespace attention_case
