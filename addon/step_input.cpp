#include "step_input.h"

#include <cstring>

bool StepInput::copy_from(const i32* words, const StepSections& sections,
                          const ProgramLimits& limits) {
  StepHeader header;
  std::memcpy(&header, words, sizeof header);
  const auto is_within = [](i32 count, i32 max) { return count >= 0 && count <= max; };
  if (!is_within(header.num_tokens, limits.max_tokens) ||
      !is_within(header.num_seqs, limits.max_seqs) ||
      !is_within(header.num_logit_rows, limits.max_logit_rows) ||
      !is_within(header.num_copies, limits.max_copies) ||
      !is_within(header.num_table_changes, limits.max_table_changes)) {
    return false;
  }
  header_ = header;
  sections_ = sections;
  words_.resize(static_cast<size_t>(sections.length));

  const auto copy = [&](i32 start, i32 count) {
    std::memcpy(words_.data() + start, words + start, static_cast<size_t>(count) * sizeof(i32));
  };
  copy(sections.token_ids, header.num_tokens);
  copy(sections.token_sources, header.num_tokens);
  copy(sections.table_rows, header.num_seqs);
  copy(sections.query_start, header.num_seqs + 1);
  copy(sections.context_lens, header.num_seqs);
  copy(sections.write_starts, header.num_seqs);
  copy(sections.adapter_ids, header.num_seqs);
  copy(sections.logit_rows, header.num_logit_rows);
  copy(sections.logit_slots, header.num_logit_rows);
  copy(sections.copies, header.num_copies * 2);
  copy(sections.table_changes, header.num_table_changes * 3);
  return true;
}
