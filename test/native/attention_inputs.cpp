#include "attention_inputs.h"

#include <algorithm>

namespace {

constexpr i32 kNumLayers = 2;
constexpr i32 kLayer = 1;
constexpr i32 kPoisonBlock = 0x3fffffff;

i32 divide_up(i32 a, i32 b) { return (a + b - 1) / b; }

// A cache whose every byte is 0xff, which is NaN in all three types, and shuffled block tables.
class PagedBatch {
 public:
  PagedBatch(Backend& backend, const AttentionShape& shape, const Placement& placement)
      : backend_(backend), shape_(shape), block_size_(placement.block_size) {
    for (const SequenceLens& s : shape.sequences) {
      num_blocks_ += divide_up(s.context_len, block_size_);
      table_stride_ = std::max(table_stride_, divide_up(s.context_len, block_size_) + 2);
    }
    view_ = make_view();
    bytes_ = size_t(view_.block_stride) * size_t(num_blocks_);
    view_.data = backend.allocate(bytes_, true);
    check_ok(backend.fill(view_.data, 0xff, bytes_));
    make_tables(placement);
  }
  ~PagedBatch() { backend_.free(view_.data, bytes_); }
  PagedBatch(const PagedBatch&) = delete;
  PagedBatch& operator=(const PagedBatch&) = delete;

  const KvCacheView& view() const { return view_; }
  const std::vector<i32>& tables() const { return tables_; }
  i32 table_stride() const { return table_stride_; }

  void write(const AttentionValues& values) {
    for (size_t s = 0; s < shape_.sequences.size(); ++s) {
      std::vector<i32> slots;
      for (i32 p = 0; p < shape_.sequences[s].context_len; ++p) slots.push_back(slot_of(s, p));
      check_ok(backend_.write_kv({.cache = view_,
                                  .layer = kLayer,
                                  .key = values.keys[s].data(),
                                  .value = values.values[s].data(),
                                  .token_stride = i64(shape_.num_kv_heads) * shape_.head_dim,
                                  .slot_mapping = slots.data(),
                                  .num_tokens = i32(slots.size())}));
    }
  }

 private:
  KvCacheView make_view() const {
    KvCacheView view = {};
    view.head_stride = i64(block_size_) * shape_.head_dim * i64(elem_bytes(shape_.dtype));
    view.value_stride = view.head_stride * shape_.num_kv_heads;
    view.layer_stride = view.value_stride * 2;
    view.block_stride = (view.layer_stride * kNumLayers + 4095) / 4096 * 4096;
    view.num_blocks = num_blocks_;
    view.block_size = block_size_;
    view.num_layers = kNumLayers;
    view.num_kv_heads = shape_.num_kv_heads;
    view.head_dim = shape_.head_dim;
    view.dtype = shape_.dtype;
    return view;
  }

  void make_tables(const Placement& placement) {
    Random random(placement.seed);
    std::vector<i32> blocks;
    for (i32 block = 1; block < num_blocks_; ++block) blocks.push_back(block);
    for (size_t i = blocks.size(); i > 1; --i)
      std::swap(blocks[i - 1], blocks[size_t(random.below(i32(i)))]);
    tables_.assign(shape_.sequences.size() * size_t(table_stride_), kPoisonBlock);
    for (size_t s = 0; s < shape_.sequences.size(); ++s) {
      const SequenceLens lens = shape_.sequences[s];
      const i32 first_seen = lens.context_len - lens.query_len - shape_.window;
      for (i32 i = 0; i < divide_up(lens.context_len, block_size_); ++i) {
        const bool dropped =
            placement.null_blocks && shape_.window >= 0 && (i + 1) * block_size_ <= first_seen;
        tables_[s * size_t(table_stride_) + size_t(i)] = dropped ? 0 : blocks.back();
        if (!dropped) blocks.pop_back();
      }
    }
  }

  i32 slot_of(size_t sequence, i32 position) const {
    const i32 block = tables_[sequence * size_t(table_stride_) + size_t(position / block_size_)];
    return block == 0 ? -1 : block * block_size_ + position % block_size_;
  }

  Backend& backend_;
  const AttentionShape& shape_;
  const i32 block_size_;
  i32 num_blocks_ = 1;  // block 0 is the null block
  i32 table_stride_ = 1;
  size_t bytes_ = 0;
  KvCacheView view_;
  std::vector<i32> tables_;
};

}  // namespace

i32 AttentionShape::num_rows() const {
  i32 rows = num_padding_rows;
  for (const SequenceLens& s : sequences) rows += s.query_len;
  return rows;
}

std::string AttentionShape::text() const {
  std::string lens;
  for (const SequenceLens& s : sequences) lens += check::text(" ", s.query_len, "/", s.context_len);
  return check::text(dtype_name(dtype), ", head_dim ", head_dim, ", ", num_kv_heads,
                     " kv heads, group ", group, ", window ", window, ", softcap ", softcap,
                     ", sinks ", with_sinks, ", query/context lens", lens);
}

AttentionValues::AttentionValues(Random& random, const AttentionShape& shape) {
  const size_t kv_elems = size_t(shape.num_kv_heads) * size_t(shape.head_dim);
  for (const SequenceLens& s : shape.sequences) {
    keys.push_back(random.uniforms(size_t(s.context_len) * kv_elems, 2.0f));
    values.push_back(random.uniforms(size_t(s.context_len) * kv_elems));
    queries.push_back(
        random.uniforms(size_t(s.context_len) * kv_elems * size_t(shape.group), 3.0f));
  }
  sinks = random.uniforms(size_t(shape.num_heads()), 3.0f);
}

bool AttentionResult::operator==(const AttentionResult& other) const {
  return out == other.out && lse.size() == other.lse.size() &&
         std::memcmp(lse.data(), other.lse.data(), lse.size() * sizeof(f32)) == 0;
}

std::vector<u8> AttentionResult::row(const AttentionShape& shape, i32 row) const {
  const size_t heads = size_t(shape.num_heads());
  const size_t row_bytes = heads * size_t(shape.head_dim) * elem_bytes(shape.out_dtype);
  const u8* out_row = out.data() + size_t(row) * row_bytes;
  std::vector<u8> bits(out_row, out_row + row_bytes);
  const u8* lse_row = reinterpret_cast<const u8*>(lse.data() + size_t(row) * heads);
  bits.insert(bits.end(), lse_row, lse_row + heads * sizeof(f32));
  return bits;
}

AttentionResult attend(Backend& backend, const AttentionShape& shape, const AttentionValues& values,
                       const Placement& placement) {
  return attend_with(backend, shape, values, placement, [&](const PagedAttentionParams& params) {
    check_ok(backend.paged_attention(params));
  });
}

AttentionResult attend_with(Backend& backend, const AttentionShape& shape,
                            const AttentionValues& values, const Placement& placement,
                            const std::function<void(const PagedAttentionParams&)>& run) {
  PagedBatch batch(backend, shape, placement);
  batch.write(values);
  const size_t row_elems = size_t(shape.num_heads()) * size_t(shape.head_dim);
  std::vector<f32> q(size_t(shape.num_rows()) * row_elems, NAN);
  std::vector<i32> query_start = {0}, context_lens, table_rows;
  for (size_t s = 0; s < shape.sequences.size(); ++s) {
    const SequenceLens lens = shape.sequences[s];
    const i32 num_seen = std::min(lens.query_len, lens.context_len);
    std::copy(values.queries[s].end() - i64(num_seen) * i64(row_elems), values.queries[s].end(),
              q.begin() + i64(query_start.back() + lens.query_len - num_seen) * i64(row_elems));
    query_start.push_back(query_start.back() + lens.query_len);
    context_lens.push_back(lens.context_len);
    table_rows.push_back(i32(s));
  }
  FloatArray out(shape.out_dtype, q.size());
  std::memset(out.data(), 0xff, out.bytes().size());
  AttentionResult result;
  result.lse.assign(size_t(shape.num_rows()) * size_t(shape.num_heads()), NAN);
  run({.out = out.data(),
       .lse = result.lse.data(),
       .q = q.data(),
       .cache = batch.view(),
       .layer = kLayer,
       .block_tables = batch.tables().data(),
       .table_rows = table_rows.data(),
       .query_start = query_start.data(),
       .context_lens = context_lens.data(),
       .sinks = shape.with_sinks ? values.sinks.data() : nullptr,
       .table_stride = batch.table_stride(),
       .num_table_rows = i32(shape.sequences.size()),
       .num_seqs = i32(shape.sequences.size()),
       .num_tokens = shape.num_rows(),
       .num_heads = shape.num_heads(),
       .scale = shape.scale(),
       .softcap = shape.softcap,
       .window = shape.window,
       .out_dtype = shape.out_dtype});
  result.out = out.bytes();
  return result;
}

namespace {

struct RowReference {
  std::vector<double> out, magnitude;
  double lse;
};

RowReference reference_row(const AttentionShape& shape, const AttentionValues& values, size_t s,
                           i32 position, i32 head) {
  const size_t dim = size_t(shape.head_dim);
  const auto rounded = [&shape](f32 value) {
    return double(FloatArray(shape.dtype, std::vector<f32>{value})[0]);
  };
  const size_t q_at = (size_t(position) * size_t(shape.num_heads()) + size_t(head)) * dim;
  const auto kv_at = [&](i32 p) {
    return (size_t(p) * size_t(shape.num_kv_heads) + size_t(head / shape.group)) * dim;
  };
  std::vector<double> logits;
  const i32 first = shape.window < 0 ? 0 : std::max(0, position - shape.window);
  for (i32 p = first; p <= position; ++p) {
    double score = 0;
    for (size_t d = 0; d < dim; ++d) {
      score += rounded(values.queries[s][q_at + d]) * rounded(values.keys[s][kv_at(p) + d]);
    }
    score *= double(shape.scale());
    logits.push_back(shape.softcap > 0 ? shape.softcap * std::tanh(score / shape.softcap) : score);
  }
  double sum = shape.with_sinks ? std::exp(double(values.sinks[size_t(head)])) : 0.0;
  for (const double logit : logits) sum += std::exp(logit);
  RowReference row = {std::vector<double>(dim), std::vector<double>(dim), std::log(sum)};
  for (i32 p = first; p <= position; ++p) {
    const double probability = std::exp(logits[size_t(p - first)]) / sum;
    for (size_t d = 0; d < dim; ++d) {
      const double value = rounded(values.values[s][kv_at(p) + d]);
      row.out[d] += probability * value;
      row.magnitude[d] += probability * std::abs(value);
    }
  }
  return row;
}

}  // namespace

void check_against_doubles(const AttentionShape& shape, const AttentionValues& values,
                           const AttentionResult& result) {
  FloatArray out(shape.out_dtype, result.lse.size() * size_t(shape.head_dim));
  std::memcpy(out.data(), result.out.data(), result.out.size());
  size_t row_head = 0;
  for (size_t s = 0; s < shape.sequences.size(); ++s) {
    const SequenceLens lens = shape.sequences[s];
    for (i32 i = 0; i < lens.query_len * shape.num_heads(); ++i, ++row_head) {
      const i32 position = lens.context_len - lens.query_len + i / shape.num_heads();
      if (position < 0) {
        CHECK_EQUAL(result.lse[row_head], -INFINITY);
        continue;
      }
      const RowReference row = reference_row(shape, values, s, position, i % shape.num_heads());
      if (!(std::abs(double(result.lse[row_head]) - row.lse) < 2e-5)) {
        check::fail(__FILE__, __LINE__, check::text("lse ", result.lse[row_head], " ", row.lse));
      }
      for (size_t d = 0; d < row.out.size(); ++d) {
        const double actual = double(out[row_head * row.out.size() + d]);
        const double limit = row.magnitude[d] * (unit_roundoff(shape.dtype) + 2e-5) +
                             std::abs(row.out[d]) * unit_roundoff(shape.out_dtype) + 1e-7;
        if (std::abs(actual - row.out[d]) <= limit) continue;
        check::fail(__FILE__, __LINE__,
                    check::text("sequence ", s, " position ", position, " dim ", d, " is ", actual,
                                "; expected ", row.out[d]));
      }
    }
  }
  for (; row_head < result.lse.size(); ++row_head) {
    CHECK_EQUAL(result.lse[row_head], -INFINITY);
    for (i32 d = 0; d < shape.head_dim; ++d) {
      CHECK_EQUAL(out[row_head * size_t(shape.head_dim) + size_t(d)], 0.0f);
    }
  }
}
