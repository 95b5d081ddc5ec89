#pragma once
// One submitted step, as JavaScript filled it in; copied on the JavaScript thread, read on the
// engine thread.

#include <vector>

#include "step_layout.h"

class StepInput {
 public:
  // Copies the used part of each array. False when a count is past its limit.
  bool copy_from(const i32* words, const StepSections& sections, const ProgramLimits& limits);

  const StepHeader& header() const { return header_; }
  const i32* token_ids() const { return words_.data() + sections_.token_ids; }
  const i32* token_sources() const { return words_.data() + sections_.token_sources; }
  const i32* table_rows() const { return words_.data() + sections_.table_rows; }
  const i32* query_start() const { return words_.data() + sections_.query_start; }
  const i32* context_lens() const { return words_.data() + sections_.context_lens; }
  const i32* write_starts() const { return words_.data() + sections_.write_starts; }
  const i32* logit_rows() const { return words_.data() + sections_.logit_rows; }
  const i32* logit_slots() const { return words_.data() + sections_.logit_slots; }
  const i32* copies() const { return words_.data() + sections_.copies; }
  const i32* table_changes() const { return words_.data() + sections_.table_changes; }

 private:
  StepHeader header_{};
  StepSections sections_{};
  std::vector<i32> words_;  // keeps its capacity from step to step
};
