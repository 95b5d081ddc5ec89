#include "step_derivation.h"

#include <algorithm>
#include <cstring>

#include "index_checks.h"

namespace {

Status invalid(const std::string& what, i64 value, const std::string& limit) {
  return Status::error("ERR_INVALID_STEP",
                       what + " is " + std::to_string(value) + "; expected " + limit);
}

std::string entry(const char* array, i32 index) {
  return std::string(array) + "[" + std::to_string(index) + "]";
}

std::string range(i64 first, i64 last) {
  return "one in [" + std::to_string(first) + ", " + std::to_string(last) + "]";
}

}  // namespace

StepDerivation::StepDerivation(const StepBounds& bounds, const StepLayout& layout)
    : bounds_(bounds), layout_(layout), host_(layout.bytes, 0) {
  if (bounds.kv != nullptr) copy_roles_.resize(static_cast<size_t>(bounds.kv->num_blocks), 0);
}

Status StepDerivation::derive(const StepInput& input, const BlockTables& tables,
                              const PreviousSamples& previous) {
  counts_ = {};
  Status status = check_sequences(input, tables);
  if (status.is_ok()) status = derive_token_ids(input, previous);
  if (status.is_ok()) status = derive_places(input, tables);
  if (status.is_ok()) status = derive_logit_rows(input);
  if (status.is_ok()) status = derive_copies(input);
  return status;
}

bool StepDerivation::is_pure_decode(const StepInput& input) const {
  const StepHeader& header = input.header();
  const i32 num_seqs = header.num_seqs;
  if (num_seqs == 0 || header.num_tokens != num_seqs || header.num_logit_rows != num_seqs) {
    return false;
  }
  const i32* starts = input.query_start();
  for (i32 s = 0; s < num_seqs; s++) {
    if (starts[s + 1] != s + 1) return false;
  }
  return true;
}

void StepDerivation::pad(i32 num_rows, i32 num_padded) {
  const auto fill = [&](StepField name, i32 value) {
    std::fill(field(name) + num_rows, field(name) + num_padded, value);
  };
  fill(StepField::kTokenIds, 0);
  fill(StepField::kPositions, 0);
  fill(StepField::kSlotMapping, -1);
  fill(StepField::kTableRows, 0);
  fill(StepField::kContextLens, 0);
  fill(StepField::kLogitRows, 0);
  fill(StepField::kLogitSlots, -1);
  fill(StepField::kSamplePositions, 0);
  i32* const starts = field(StepField::kQueryStart);
  std::fill(starts + num_rows + 1, starts + num_padded + 1, num_rows);
}

Status StepDerivation::check_sequences(const StepInput& input, const BlockTables& tables) const {
  const StepHeader& header = input.header();
  const i32* starts = input.query_start();
  if (header.num_seqs > 0 && starts[0] != 0) return invalid("queryStart[0]", starts[0], "0");
  for (i32 s = 0; s < header.num_seqs; s++) {
    if (starts[s + 1] < starts[s] || starts[s + 1] > header.num_tokens) {
      return invalid(entry("queryStart", s + 1), starts[s + 1],
                     range(starts[s], header.num_tokens));
    }
    const Status status = check_context(input, tables, s);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

// Refuses a context that leaves the tables or the rotary table, or that has a hole where the step
// attends.
Status StepDerivation::check_context(const StepInput& input, const BlockTables& tables,
                                     i32 s) const {
  const i32 query_len = input.query_start()[s + 1] - input.query_start()[s];
  const i32 context_len = input.context_lens()[s];
  i64 max_len = bounds_.max_positions > 0 ? bounds_.max_positions : 0x7fffffff;
  if (bounds_.kv != nullptr) {
    max_len = std::min<i64>(max_len, i64{tables.num_columns()} * bounds_.kv->block_size);
  }
  if (context_len < query_len || context_len > max_len) {
    return invalid(entry("contextLens", s), context_len, range(query_len, max_len));
  }
  if (bounds_.kv == nullptr) return Status::ok();

  const i32 row = input.table_rows()[s];
  if (row < 0 || row >= tables.num_rows()) {
    return invalid(entry("tableRows", s), row, range(0, tables.num_rows() - 1));
  }
  const i32 block_size = bounds_.kv->block_size;
  const i32 first_position = context_len - query_len;
  const i32 first_visible = bounds_.window < 0 ? 0 : std::max(0, first_position - bounds_.window);
  const i32 end = (context_len + block_size - 1) / block_size;
  if (query_len == 0 || tables.has_no_hole(row, first_visible / block_size, end)) {
    return Status::ok();
  }
  return Status::error("ERR_BLOCK_OUT_OF_RANGE",
                       "sequence " + std::to_string(s) + " attends to " +
                           std::to_string(context_len) + " tokens, but row " + std::to_string(row) +
                           " of the block tables has a hole among its first " +
                           std::to_string(end) + " entries");
}

Status StepDerivation::derive_token_ids(const StepInput& input, const PreviousSamples& previous) {
  const StepHeader& header = input.header();
  const i32 num_rows = header.num_seqs == 0 ? 0 : input.query_start()[header.num_seqs];
  i32* ids = field(StepField::kTokenIds);
  for (i32 row = 0; row < num_rows; row++) {
    const i32 source = input.token_sources()[row];
    i32 id = input.token_ids()[row];
    if (source != -1) {
      if (!previous.is_valid) {
        return Status::error("ERR_PREVIOUS_STEP_FAILED",
                             entry("tokenSources", row) + " names a sample of a step that failed");
      }
      const i32 num_samples = static_cast<i32>(previous.tokens.size());
      if (source < 0 || source >= num_samples) {
        return invalid(entry("tokenSources", row), source, range(-1, num_samples - 1));
      }
      id = previous.tokens[static_cast<size_t>(source)];
    }
    if (id < 0 || (bounds_.token_end > 0 && id >= bounds_.token_end)) {
      return Status::error("ERR_TOKEN_OUT_OF_RANGE", entry("tokenIds", row) + " is " +
                                                         std::to_string(id) + "; expected " +
                                                         range(0, bounds_.token_end - 1));
    }
    ids[row] = id;
  }
  std::fill(ids + num_rows, ids + header.num_tokens, 0);
  counts_.tokens_computed = num_rows;
  return Status::ok();
}

// Positions and slots of all rows; padding stands at position 0 and writes nothing.
Status StepDerivation::derive_places(const StepInput& input, const BlockTables& tables) {
  const StepHeader& header = input.header();
  i32* positions = field(StepField::kPositions);
  i32* slots = field(StepField::kSlotMapping);
  i32 row = 0;
  for (i32 s = 0; s < header.num_seqs; s++) {
    const i32 end = input.query_start()[s + 1];
    const i32 first_position = input.context_lens()[s] - (end - row);
    for (const i32 first_row = row; row < end; row++) {
      const i32 position = first_position + row - first_row;
      positions[row] = position;
      slots[row] = -1;
      if (bounds_.kv == nullptr || position < input.write_starts()[s]) continue;
      const i32 block_size = bounds_.kv->block_size;
      const i32 block = tables.at(input.table_rows()[s], position / block_size);
      if (block < 1) {
        return Status::error("ERR_BLOCK_OUT_OF_RANGE",
                             "sequence " + std::to_string(s) + " writes position " +
                                 std::to_string(position) + ", but its table has no block there");
      }
      slots[row] = block * block_size + position % block_size;
      counts_.kv_slots_written++;
    }
  }
  std::fill(positions + row, positions + header.num_tokens, 0);
  std::fill(slots + row, slots + header.num_tokens, -1);

  std::memcpy(field(StepField::kTableRows), input.table_rows(), sizeof(i32) * header.num_seqs);
  std::memcpy(field(StepField::kContextLens), input.context_lens(), sizeof(i32) * header.num_seqs);
  i32* starts = field(StepField::kQueryStart);
  starts[0] = 0;
  std::memcpy(starts + 1, input.query_start() + 1, sizeof(i32) * header.num_seqs);
  return Status::ok();
}

Status StepDerivation::derive_logit_rows(const StepInput& input) {
  const StepHeader& header = input.header();
  const i32 num_slots = bounds_.limits.num_sampling_slots;
  for (i32 i = 0; i < header.num_logit_rows; i++) {
    const i32 row = input.logit_rows()[i];
    const i32 slot = input.logit_slots()[i];
    if (row < 0 || row >= counts_.tokens_computed) {
      return invalid(entry("logitRows", i), row, range(0, counts_.tokens_computed - 1));
    }
    if (slot < -1 || slot >= num_slots) {
      return invalid(entry("logitSlots", i), slot, range(-1, num_slots - 1));
    }
    field(StepField::kLogitRows)[i] = row;
    field(StepField::kLogitSlots)[i] = slot;
    field(StepField::kSamplePositions)[i] = field(StepField::kPositions)[row] + 1;
  }
  counts_.logit_rows = header.num_logit_rows;
  return Status::ok();
}

Status StepDerivation::derive_copies(const StepInput& input) {
  const i32 num_words = input.header().num_copies * 2;
  if (num_words == 0) return Status::ok();
  const i32 num_blocks = bounds_.kv == nullptr ? 0 : bounds_.kv->num_blocks;
  Status status = check_copies(input.copies(), input.header().num_copies, num_blocks, copy_roles_);
  std::memcpy(field(StepField::kCopies), input.copies(), sizeof(i32) * num_words);
  counts_.blocks_copied = input.header().num_copies;
  return status;
}
