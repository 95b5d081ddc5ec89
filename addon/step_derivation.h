#pragma once
// What a step implies: checked token ids, positions, the slot mapping, sample positions; laid out
// as the ops read them. Engine thread only.

#include <vector>

#include "block_tables.h"
#include "counters.h"
#include "kv_cache.h"
#include "step_input.h"

// The parts of a program that a step is checked against.
struct StepBounds {
  ProgramLimits limits;
  i32 token_end = 0;      // ids are below it; 0: the program has no embed
  i32 max_positions = 0;  // contexts are at most this long; 0: unbounded
  i32 window = -1;        // widest window of the attention ops; -1: one attends to everything
  const KvCacheView* kv = nullptr;
};

// Samples of the step before, for rows that name them.
struct PreviousSamples {
  bool is_valid = false;  // false: it failed, or there was none
  std::vector<i32> tokens;
};

class StepDerivation {
 public:
  StepDerivation(const StepBounds& bounds, const StepLayout& layout);

  // Checks `input` and fills host(). The tables must have the step's changes already.
  Status derive(const StepInput& input, const BlockTables& tables, const PreviousSamples& previous);

  // Whether the step runs one row of each sequence and gives logits of each.
  bool is_pure_decode(const StepInput& input) const;
  // Appends rows to a pure-decode step of `num_rows`, up to `num_padded`, as sequences without
  // tokens: they compute on token 0, write no K/V, attend to nothing and draw nothing.
  void pad(i32 num_rows, i32 num_padded);

  const u8* host() const { return host_.data(); }  // [layout.bytes]
  const StepCounts& counts() const { return counts_; }
  const i32* field(StepField field) const {
    return reinterpret_cast<const i32*>(host_.data() + layout_.offset(field));
  }

 private:
  i32* field(StepField field) {
    return reinterpret_cast<i32*>(host_.data() + layout_.offset(field));
  }
  Status check_sequences(const StepInput& input, const BlockTables& tables) const;
  Status check_context(const StepInput& input, const BlockTables& tables, i32 sequence) const;
  Status derive_token_ids(const StepInput& input, const PreviousSamples& previous);
  Status derive_places(const StepInput& input, const BlockTables& tables);
  Status derive_logit_rows(const StepInput& input);
  Status derive_copies(const StepInput& input);

  const StepBounds bounds_;
  const StepLayout layout_;
  StepCounts counts_;
  std::vector<u8> host_;
  std::vector<u8> copy_roles_;  // [num_blocks] scratch of derive_copies: zeros between calls
};
