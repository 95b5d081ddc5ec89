#include "step_layout.h"

StepLayout::StepLayout(const ProgramLimits& limits) {
  constexpr size_t kAlignment = 64;
  const auto words = [](i32 count) { return static_cast<size_t>(count) * sizeof(i32); };
  const size_t tokens = words(limits.max_tokens);
  const size_t seqs = words(limits.max_seqs);
  const size_t logit_rows = words(limits.max_logit_rows);
  const size_t by_field[kNumPackedFields] = {
      tokens, tokens,     tokens,     seqs,       seqs + 4,
      seqs,   logit_rows, logit_rows, logit_rows, words(limits.max_copies) * 2,
  };
  bytes = 0;
  for (size_t field = 0; field < kNumPackedFields; field++) {
    offsets[field] = bytes;
    sizes[field] = by_field[field];
    bytes += (by_field[field] + kAlignment - 1) / kAlignment * kAlignment;
  }
}
