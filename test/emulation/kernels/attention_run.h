#pragma once
// Runs attention cases in a cache that is poison wherever nothing may be read, and compares.

#include "../../../addon/cuda/ops.h"
#include "../compare.h"
#include "../emulated_launcher.h"
#include "attention_case.h"

namespace attention_case {

using emulation::DeviceArray;
using emulation::DeviceBytes;
using emulation::DeviceFloats;

constexpr i32 kNumLayers = 2;
constexpr i32 kLayer = 1;

// How a batch lies in the cache.
struct Placement {
  u64 seed = 1;            // of the blocks' order
  f32 poison = NAN;        // in all slots that are not seen
  i64 first_block = 0;     // blocks before it are not used
  i64 pool_blocks = 0;     // 0: as many as are needed
  bool zero_pool = false;  // a pool too large to be filled with poison
  i32 first_row = 0;       // of the first sequence; those before it are nobody's
};

struct Result {
  std::vector<u8> out;   // [num_rows, num_heads, head_dim] out_dtype
  std::vector<f32> lse;  // [num_rows, num_heads]; empty without

  // The bits of one row.
  std::vector<u8> row(const Shape& shape, i32 row) const {
    const size_t heads = size_t(shape.num_heads());
    const size_t bytes = heads * size_t(shape.head_dim) * elem_bytes(shape.out_dtype);
    const u8* begin = out.data() + size_t(row) * bytes;
    std::vector<u8> bits(begin, begin + bytes);
    if (lse.empty()) return bits;
    const u8* of_lse = reinterpret_cast<const u8*>(lse.data() + size_t(row) * heads);
    bits.insert(bits.end(), of_lse, of_lse + heads * sizeof(f32));
    return bits;
  }
};

// The cache, the tables and everything else on the emulated device.
class Batch {
 public:
  Batch(const Shape& shape, const Values& values, const Placement& placement)
      : shape_(shape),
        placement_(placement),
        layout_(layout_of(shape, placement)),
        pool_(size_t(kv_fixture::view_of(layout_, nullptr).block_stride) *
              size_t(layout_.num_blocks)),
        view_(kv_fixture::view_of(layout_, pool_.data())) {
    fill_with_poison();
    place(values);
  }

  const KvCacheView& view() const { return view_; }
  const std::vector<i32>& tables() const { return tables_; }
  i32 table_stride() const { return table_stride_; }

  // Whether the kernels left the cache as it was.
  bool is_unchanged() const {
    return placement_.zero_pool || std::memcmp(bytes_.data(), pool_.data(), bytes_.size()) == 0;
  }

 private:
  static kv_fixture::Layout layout_of(const Shape& shape, const Placement& placement) {
    i64 blocks = 1 + placement.first_block;
    for (const SequenceLens& s : shape.sequences) {
      blocks += (s.context_len + shape.block_size - 1) / shape.block_size;
    }
    blocks = std::max(blocks, placement.pool_blocks);
    return {shape.dtype, i32(blocks),        shape.block_size,
            kNumLayers,  shape.num_kv_heads, shape.head_dim};
  }

  void fill_with_poison() {
    if (placement_.zero_pool) return;
    FloatArray poison(shape_.dtype, 1);
    poison.set(0, placement_.poison);
    bytes_.resize(pool_.bytes());
    for (size_t i = 0; i < bytes_.size(); i += 2) std::memcpy(&bytes_[i], poison.data(), 2);
    pool_.upload(bytes_.data(), bytes_.size());
  }

  // Writes what some row sees into shuffled blocks; blocks before the window are dropped from the
  // table, entries past the context name no block.
  void place(const Values& values) {
    const i32 block_size = shape_.block_size;
    Random random(placement_.seed);
    std::vector<i32> blocks =
        kv_fixture::shuffled(layout_.num_blocks - 1 - i32(placement_.first_block), random);
    for (const SequenceLens& s : shape_.sequences) {
      table_stride_ = std::max(table_stride_, (s.context_len + block_size - 1) / block_size + 2);
    }
    tables_.resize((shape_.sequences.size() + 1) * size_t(table_stride_));
    for (size_t i = 0; i < tables_.size(); ++i) tables_[i] = 0x7fffffff - i32(i);
    for (size_t s = 0; s < shape_.sequences.size(); ++s) {
      const SequenceLens lens = shape_.sequences[s];
      const i32 first_seen = shape_.low(std::max(lens.context_len - lens.query_len, 0));
      for (i32 begin = 0; begin < lens.context_len; begin += block_size) {
        i32& entry = tables_[s * size_t(table_stride_) + size_t(begin / block_size)];
        entry = 0;
        if (begin + block_size <= first_seen || lens.query_len == 0) continue;
        entry = 1 + i32(placement_.first_block) + blocks.back();
        blocks.pop_back();
        const i32 end = std::min(begin + block_size, lens.context_len);
        for (i32 p = std::max(begin, first_seen); p < end; ++p) {
          write_position(values.sequences[s], p, entry);
        }
      }
    }
  }

  void write_position(const SequenceValues& one, i32 position, i32 block) {
    const size_t dim = size_t(shape_.head_dim);
    for (i32 head = 0; head < shape_.num_kv_heads; ++head) {
      const size_t from = (size_t(position) * size_t(shape_.num_kv_heads) + size_t(head)) * dim;
      const i64 at = block * view_.block_stride + kLayer * view_.layer_stride +
                     head * view_.head_stride + position % shape_.block_size * i64(dim) * 2;
      write(size_t(at), &one.keys[from]);
      write(size_t(at + view_.value_stride), &one.values[from]);
    }
  }
  void write(size_t at, const f32* elems) {
    const FloatArray stored(shape_.dtype, std::vector<f32>(elems, elems + shape_.head_dim));
    pool_.upload(stored.data(), stored.bytes().size(), at);
    if (!bytes_.empty()) std::memcpy(&bytes_[at], stored.data(), stored.bytes().size());
  }

  const Shape& shape_;
  const Placement placement_;
  const kv_fixture::Layout layout_;
  DeviceBytes pool_;
  const KvCacheView view_;
  std::vector<u8> bytes_;  // what the pool holds
  std::vector<i32> tables_;
  i32 table_stride_ = 1;
};

// Rows of q as the step has them; NaN for rows that see nothing.
inline std::vector<f32> queries_of(const Shape& shape, const Values& values) {
  const size_t row_elems = size_t(shape.num_heads()) * size_t(shape.head_dim);
  std::vector<f32> q(size_t(shape.num_rows()) * row_elems, NAN);
  size_t row = 0;
  for (size_t s = 0; s < shape.sequences.size(); ++s) {
    const SequenceLens lens = shape.sequences[s];
    for (i32 i = 0; i < lens.query_len; ++i, ++row) {
      const i32 position = lens.context_len - lens.query_len + i;
      if (position < 0) continue;
      const auto from = values.sequences[s].queries.begin() + i64(position) * i64(row_elems);
      std::copy(from, from + i64(row_elems), q.begin() + i64(row * row_elems));
    }
  }
  return q;
}

// Rows of a step on the device, behind `first_row` others that are not touched.
template <class T>
class StepRows {
 public:
  StepRows(i32 first_row, size_t row_elems, const std::vector<T>& elems)
      : offset_(size_t(first_row) * row_elems * sizeof(T)),
        memory_(offset_ + elems.size() * sizeof(T)) {
    memory_.upload(elems.data(), elems.size() * sizeof(T), offset_);
  }
  // Of row 0.
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  std::vector<T> download() const {
    std::vector<T> elems((memory_.bytes() - offset_) / sizeof(T));
    std::memcpy(elems.data(), memory_.data() + offset_, elems.size() * sizeof(T));
    return elems;
  }

 private:
  const size_t offset_;
  DeviceBytes memory_;
};

// Runs the op; outputs start as NaN, and must all be written.
inline Result attend(cuda::Launcher& launcher, const Shape& shape, const Values& values,
                     const Placement& placement = {}) {
  Batch batch(shape, values, placement);
  const i32 num_seqs = i32(shape.sequences.size()) + shape.num_padding_seqs;
  std::vector<i32> query_start = {placement.first_row}, context_lens, table_rows;
  for (size_t s = 0; s < shape.sequences.size(); ++s) {
    query_start.push_back(query_start.back() + shape.sequences[s].query_len);
    context_lens.push_back(shape.sequences[s].context_len);
    table_rows.push_back(i32(s));
  }
  for (i32 i = 0; i < shape.num_padding_seqs; ++i) {
    query_start.push_back(query_start.back());
    context_lens.push_back(0);
    table_rows.push_back(i32(shape.sequences.size()));
  }
  const size_t heads = size_t(shape.num_heads());
  const size_t elems = heads * size_t(shape.head_dim);
  const std::vector<f32> nans(size_t(shape.num_rows()) * elems, NAN);
  const i32 first_row = placement.first_row;
  const StepRows<f32> q(first_row, elems, queries_of(shape, values));
  const StepRows<u8> out(first_row, elems * elem_bytes(shape.out_dtype),
                         FloatArray(shape.out_dtype, nans).bytes());
  const StepRows<f32> lse(first_row, heads,
                          {nans.begin(), nans.begin() + i64(heads) * shape.num_rows()});
  const DeviceArray<f32> sinks(values.sinks);
  const DeviceArray<i32> device_tables(batch.tables()), device_rows(table_rows),
      device_start(query_start), device_lens(context_lens);
  kv_fixture::check_ok(
      cuda::paged_attention(launcher, {.out = out.data(),
                                       .lse = shape.with_lse ? lse.data() : nullptr,
                                       .q = q.data(),
                                       .cache = batch.view(),
                                       .layer = kLayer,
                                       .block_tables = device_tables.data(),
                                       .table_rows = device_rows.data(),
                                       .query_start = device_start.data(),
                                       .context_lens = device_lens.data(),
                                       .sinks = shape.with_sinks ? sinks.data() : nullptr,
                                       .table_stride = batch.table_stride(),
                                       .num_table_rows = i32(shape.sequences.size()) + 1,
                                       .num_seqs = num_seqs,
                                       .num_tokens = first_row + shape.num_rows(),
                                       .num_heads = shape.num_heads(),
                                       .scale = shape.factor(),
                                       .softcap = shape.softcap,
                                       .window = shape.window,
                                       .out_dtype = shape.out_dtype}));
  CHECK(batch.is_unchanged());
  Result result;
  result.out = out.download();
  if (shape.with_lse) result.lse = lse.download();
  return result;
}

// Compares with the reference: errors as a share of what rounding explains, which is 1 at most.
// @param kernel  that the report counts the case under
inline void check_result(const Shape& shape, const Values& values, const Result& result,
                         const std::string& kernel) {
  FloatArray out(shape.out_dtype, result.out.size() / elem_bytes(shape.out_dtype));
  std::memcpy(out.data(), result.out.data(), result.out.size());
  const size_t dim = size_t(shape.head_dim);
  std::vector<f32> actual, lse_actual;
  std::vector<double> expected, lse_expected;
  size_t row_head = 0;
  const auto add_row = [&](const RowLimits& row) {
    for (size_t d = 0; d < dim; ++d) {
      const double value = double(out[row_head * dim + d]);
      actual.push_back(f32((value - row.out[d]) / row.limit[d]));
      expected.push_back(0);
    }
    if (shape.with_lse) {
      const double lse = double(result.lse[row_head]);
      const bool is_empty = row.lse == -INFINITY;
      lse_actual.push_back(is_empty ? f32(lse) : f32((lse - row.lse) / row.lse_limit));
      lse_expected.push_back(is_empty ? row.lse : 0);
    }
    ++row_head;
  };
  const RowLimits empty = {std::vector<double>(dim), std::vector<double>(dim, 0x1p-149)};
  for (size_t s = 0; s < shape.sequences.size(); ++s) {
    const SequenceLens lens = shape.sequences[s];
    for (i32 i = 0; i < lens.query_len * shape.num_heads(); ++i) {
      const i32 position = lens.context_len - lens.query_len + i / shape.num_heads();
      add_row(position < 0 ? empty
                           : reference_row(shape, values, s, position, i % shape.num_heads()));
    }
  }
  for (i32 i = 0; i < shape.num_padding_rows * shape.num_heads(); ++i) add_row(empty);
  CHECK_CLOSE(kernel, actual, expected, (emulation::Tolerance{1.0, 0.0}));
  CHECK_CLOSE(kernel, lse_actual, lse_expected, (emulation::Tolerance{1.0, 0.0}));
}

}  // namespace attention_case
