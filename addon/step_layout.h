#pragma once
// The limits of a program, and where the arrays of a step lie: in what JavaScript submits, and in
// device memory.

#include <cstddef>

#include "op.h"

// Mirrors ProgramLimits in lib/device/step-limits.ts.
struct ProgramLimits {
  i32 max_tokens;
  i32 max_seqs;
  i32 max_logit_rows;
  i32 max_table_rows;
  i32 max_blocks_per_seq;
  i32 max_copies;
  i32 max_table_changes;
  i32 vocab_size;  // 0 when the program ends in hidden states
  i32 num_sampling_slots;

  StepExtents extents() const { return {max_tokens, max_seqs, max_logit_rows}; }
};

// Words at the head of a submitted step. Mirrors `header` in lib/device/step-buffer.ts.
struct StepHeader {
  i32 num_tokens;
  i32 num_seqs;
  i32 num_logit_rows;
  i32 num_copies;
  i32 num_table_changes;
  i32 want_digests;
  i32 want_logits;
};

// First word of each array of a submitted step; the offsets come from lib/device/step-buffer.ts.
struct StepSections {
  i32 token_ids;
  i32 token_sources;
  i32 table_rows;
  i32 query_start;
  i32 context_lens;
  i32 write_starts;
  i32 adapter_ids;
  i32 logit_rows;
  i32 logit_slots;
  i32 copies;
  i32 table_changes;
  i32 length;  // words of all
};

// Tensors of a step that ops name. Mirrors StepField in lib/device/op-tensor.ts.
enum class StepField : u8 {
  kTokenIds,
  kPositions,
  kSlotMapping,
  kTableRows,
  kQueryStart,
  kContextLens,
  kLogitRows,
  kLogitSlots,
  kSamplePositions,
  kCopies,
  kBlockTables,  // in a buffer of its own
};
constexpr size_t kNumPackedFields = static_cast<size_t>(StepField::kBlockTables);

// The packed fields in device memory, and in the host memory they are uploaded from as one.
struct StepLayout {
  explicit StepLayout(const ProgramLimits& limits);

  size_t offset(StepField field) const { return offsets[static_cast<size_t>(field)]; }
  size_t bytes_of(StepField field) const { return sizes[static_cast<size_t>(field)]; }

  size_t offsets[kNumPackedFields];
  size_t sizes[kNumPackedFields];
  size_t bytes;
};
