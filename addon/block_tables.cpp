#include "block_tables.h"

#include <algorithm>

namespace {

Status out_of_range(i32 change, const char* what, i32 value, i32 end) {
  const char* code = what[0] == 'b' ? "ERR_BLOCK_OUT_OF_RANGE" : "ERR_INVALID_STEP";
  return Status::error(code, "tableChanges[" + std::to_string(change) + "] names " + what + " " +
                                 std::to_string(value) + "; expected one in [0, " +
                                 std::to_string(end - 1) + "]");
}

bool is_inside(i32 value, i32 end) { return value >= 0 && value < end; }

}  // namespace

BlockTables::BlockTables(std::shared_ptr<Memory> memory, i32 num_rows, i32 num_columns,
                         i32 num_blocks)
    : memory_(std::move(memory)),
      num_rows_(num_rows),
      num_columns_(num_columns),
      num_blocks_(num_blocks),
      buffer_(memory_->reserve(static_cast<size_t>(num_rows) * static_cast<size_t>(num_columns) *
                               sizeof(i32))),
      entries_(static_cast<size_t>(num_rows) * static_cast<size_t>(num_columns), 0) {}

Status BlockTables::apply(Backend& backend, const i32* changes, i32 num_changes) {
  for (i32 i = 0; i < num_changes; i++) {
    const i32* change = changes + 3 * static_cast<i64>(i);
    if (!is_inside(change[0], num_rows_)) return out_of_range(i, "row", change[0], num_rows_);
    if (!is_inside(change[1], num_columns_)) {
      return out_of_range(i, "column", change[1], num_columns_);
    }
    if (!is_inside(change[2], num_blocks_)) return out_of_range(i, "block", change[2], num_blocks_);
  }
  // Runs of neighbouring entries go up together: a long prompt changes thousands.
  for (i32 i = 0; i < num_changes;) {
    const i64 start = static_cast<i64>(changes[3 * i]) * num_columns_ + changes[3 * i + 1];
    i64 end = start;
    for (; i < num_changes; i++, end++) {
      const i32* change = changes + 3 * static_cast<i64>(i);
      if (static_cast<i64>(change[0]) * num_columns_ + change[1] != end) break;
      entries_[static_cast<size_t>(end)] = change[2];
    }
    i32* const device_entries = static_cast<i32*>(buffer_->data);
    const size_t bytes = static_cast<size_t>(end - start) * sizeof(i32);
    const Status status = backend.upload(device_entries + start, entries_.data() + start, bytes);
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

bool BlockTables::has_no_hole(i32 row, i32 first, i32 end) const {
  const i32* entries = row_of(row);
  return std::all_of(entries + first, entries + end, [](i32 block) { return block > 0; });
}
