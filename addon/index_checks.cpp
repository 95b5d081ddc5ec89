#include "index_checks.h"

#include <algorithm>

namespace {

std::string describe(const char* field, i64 index, i64 value, i64 first, i64 last) {
  return std::string(field) + "[" + std::to_string(index) + "] is " + std::to_string(value) +
         "; expected one in [" + std::to_string(first) + ", " + std::to_string(last) + "]";
}

Status check_range(const char* code, const char* field, const std::vector<i32>& values, i64 first,
                   i64 last) {
  for (size_t i = 0; i < values.size(); i++) {
    if (values[i] >= first && values[i] <= last) continue;
    return Status::error(code, describe(field, static_cast<i64>(i), values[i], first, last));
  }
  return Status::ok();
}

// Brings index tensors to the host; remembers the first failure.
class Reader {
 public:
  explicit Reader(Backend& backend) : backend_(backend) {}

  std::vector<i32> read(const i32* data, i64 count) {
    std::vector<i32> values(data == nullptr ? 0 : static_cast<size_t>(count));
    if (!values.empty() && status.is_ok()) {
      status = backend_.download(values.data(), data, values.size() * sizeof(i32));
    }
    return values;
  }

  Status status;

 private:
  Backend& backend_;
};

i64 num_slots(const KvCacheView& cache) { return i64{cache.num_blocks} * cache.block_size; }

Status check_embed(const EmbedParams& p, i64 num_vectors, Reader& reader) {
  const std::vector<i32> rows = reader.read(p.vector_rows, p.num_tokens);
  std::vector<i32> ids = reader.read(p.ids, p.num_tokens);
  for (size_t i = 0; i < rows.size(); i++) {
    if (rows[i] >= 0) ids[i] = 0;  // the id does not count
  }
  Status status = check_range("ERR_INVALID_ARGUMENT", "vectorRows", rows, -1, num_vectors - 1);
  if (!status.is_ok()) return status;
  return check_range("ERR_TOKEN_OUT_OF_RANGE", "ids", ids, 0, i64{p.table.out_dim} - 1);
}

Status check_slots(const char* field, const KvCacheView& cache, const i32* slots, i64 count,
                   Reader& reader) {
  const std::vector<i32> values = reader.read(slots, count);
  return check_range("ERR_BLOCK_OUT_OF_RANGE", field, values, -1, num_slots(cache) - 1);
}

// The entries that sequence `s` attends to: real places of the pool, a hole (block 0) included.
Status check_table(const PagedAttentionParams& p, i32 s, i32 query_len, i32 context_len, i32 row,
                   Reader& reader) {
  const i32 block_size = p.cache.block_size;
  const i64 max_len = p.table_stride * block_size;
  if (context_len < 0 || context_len > max_len) {
    return Status::error("ERR_INVALID_ARGUMENT",
                         describe("contextLens", s, context_len, 0, max_len));
  }
  if (row < 0 || row >= p.num_table_rows) {
    return Status::error("ERR_INVALID_ARGUMENT",
                         describe("tableRows", s, row, 0, i64{p.num_table_rows} - 1));
  }
  const i32 first_position = context_len - query_len;
  // 64-bit: a row before position 0 (it sees nothing) with the widest window is below -2^31.
  const i64 first_seen = p.window < 0 ? 0 : std::max<i64>(0, i64{first_position} - p.window);
  const i32 first = static_cast<i32>(first_seen / block_size);
  const i32 end = (context_len + block_size - 1) / block_size;
  const std::vector<i32> blocks =
      reader.read(p.block_tables + row * p.table_stride + first, end - first);
  return check_range("ERR_BLOCK_OUT_OF_RANGE", "blockTables", blocks, 0,
                     i64{p.cache.num_blocks} - 1);
}

Status check_attention(const PagedAttentionParams& p, Reader& reader) {
  const std::vector<i32> starts = reader.read(p.query_start, i64{p.num_seqs} + 1);
  const std::vector<i32> lens = reader.read(p.context_lens, p.num_seqs);
  const std::vector<i32> rows = reader.read(p.table_rows, p.num_seqs);
  if (!reader.status.is_ok()) return reader.status;
  if (starts[0] != 0) {
    return Status::error("ERR_INVALID_ARGUMENT", describe("queryStart", 0, starts[0], 0, 0));
  }
  for (i32 s = 0; s < p.num_seqs; s++) {
    const size_t i = static_cast<size_t>(s);
    if (starts[i + 1] < starts[i] || starts[i + 1] > p.num_tokens) {
      return Status::error("ERR_INVALID_ARGUMENT",
                           describe("queryStart", s + 1, starts[i + 1], starts[i], p.num_tokens));
    }
    const Status status = check_table(p, s, starts[i + 1] - starts[i], lens[i], rows[i], reader);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

Status check_copy_pairs(const CopyBlocksParams& p, Reader& reader) {
  const std::vector<i32> pairs = reader.read(p.pairs, i64{p.num_pairs} * 2);
  std::vector<u8> roles(static_cast<size_t>(p.cache.num_blocks), 0);
  if (!reader.status.is_ok()) return reader.status;
  return check_copies(pairs.data(), p.num_pairs, p.cache.num_blocks, roles);
}

Status check_rope(const RopeAndWriteKvParams& p, Reader& reader) {
  const std::vector<i32> positions = reader.read(p.positions, p.num_tokens);
  Status status =
      check_range("ERR_INVALID_ARGUMENT", "positions", positions, 0, i64{p.max_positions} - 1);
  if (!status.is_ok()) return status;
  return check_slots("slotMapping", p.cache, p.slot_mapping, p.num_tokens, reader);
}

}  // namespace

Status check_copies(const i32* pairs, i32 num_pairs, i32 num_blocks, std::vector<u8>& roles) {
  constexpr u8 kSource = 1, kDestination = 2;
  Status status;
  for (i32 i = 0; i < 2 * num_pairs && status.is_ok(); i++) {
    const i32 block = pairs[i];
    if (block < 1 || block >= num_blocks) {
      status = Status::error("ERR_BLOCK_OUT_OF_RANGE",
                             describe("copies", i, block, 1, i64{num_blocks} - 1));
      break;
    }
    u8& role = roles[static_cast<size_t>(block)];
    const bool is_source = i % 2 == 0;
    if (is_source ? role == kDestination : role != 0) {
      status = Status::error("ERR_INVALID_STEP",
                             "copies[" + std::to_string(i) + "] is block " + std::to_string(block) +
                                 ", which is a destination and named by another copy");
    }
    role = is_source ? kSource : kDestination;
  }
  for (i32 i = 0; i < 2 * num_pairs; i++) {
    if (pairs[i] >= 1 && pairs[i] < num_blocks) roles[static_cast<size_t>(pairs[i])] = 0;
  }
  return status;
}

Status check_indices(const Op& op, Backend& backend) {
  Reader reader(backend);
  Status status;
  if (auto* p = std::get_if<EmbedParams>(&op.params)) {
    status = check_embed(*p, op.source_rows.count, reader);
  } else if (auto* p = std::get_if<WriteKvParams>(&op.params)) {
    status = check_slots("slotMapping", p->cache, p->slot_mapping, p->num_tokens, reader);
  } else if (auto* p = std::get_if<ReadKvParams>(&op.params)) {
    status = check_slots("slots", p->cache, p->slots, p->num_slots, reader);
  } else if (auto* p = std::get_if<RopeAndWriteKvParams>(&op.params)) {
    status = check_rope(*p, reader);
  } else if (auto* p = std::get_if<PagedAttentionParams>(&op.params)) {
    status = check_attention(*p, reader);
  } else if (auto* p = std::get_if<GatherRowsParams>(&op.params)) {
    const std::vector<i32> rows = reader.read(p->rows, p->num_rows);
    status = check_range("ERR_INVALID_ARGUMENT", "rows", rows, 0, i64{p->num_source_rows} - 1);
  } else if (auto* p = std::get_if<CopyBlocksParams>(&op.params)) {
    status = check_copy_pairs(*p, reader);
  }
  return reader.status.is_ok() ? status : reader.status;
}
