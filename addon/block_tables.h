#pragma once
// The block tables of one program, [max_table_rows][max_blocks_per_seq], on the device, with a copy
// on the host that steps are checked against. Engine thread only.
//
// Invariant: every entry is in [0, num_blocks) of the KV cache; 0 is a hole. The host copy equals
// the device's.

#include <vector>

#include "memory.h"

class BlockTables {
 public:
  BlockTables(std::shared_ptr<Memory> memory, i32 num_rows, i32 num_columns, i32 num_blocks);

  Status open() { return memory_->allocate(*buffer_); }

  // Applies changes [num_changes][3: row, column, block], all or, when one is out of range, none.
  Status apply(Backend& backend, const i32* changes, i32 num_changes);

  // The block of `row`'s `column`; both must be inside.
  i32 at(i32 row, i32 column) const { return row_of(row)[column]; }
  // Whether entries [first, end) of `row` are all real blocks.
  bool has_no_hole(i32 row, i32 first, i32 end) const;

  i32 num_rows() const { return num_rows_; }
  i32 num_columns() const { return num_columns_; }
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }

 private:
  const i32* row_of(i32 row) const {
    return entries_.data() + static_cast<i64>(row) * num_columns_;
  }

  const std::shared_ptr<Memory> memory_;
  const i32 num_rows_;
  const i32 num_columns_;
  const i32 num_blocks_;
  const std::shared_ptr<Buffer> buffer_;
  std::vector<i32> entries_;
};
