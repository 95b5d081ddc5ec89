#pragma once
// The sampling slots of a program: parameters, token counts and biases in device memory. Engine
// thread only.

#include <vector>

#include "memory.h"

// One slot as JavaScript set it. Mirrors NativeSamplingSlot in lib/device/sampling-slot.ts.
struct SlotSetting {
  SamplingParams params;
  bool has_penalties = false;
  std::vector<i32> bias_ids;
  std::vector<f32> bias_values;
  std::vector<i32> prompt_tokens;
  std::vector<i32> output_tokens;
  std::vector<i32> token_mask;  // [ceil(vocab_size / 32)], or empty: every token may be drawn
};

// Words of a token mask.
inline size_t mask_words(i32 vocab_size) { return (static_cast<size_t>(vocab_size) + 31) / 32; }

class SamplingSlots {
 public:
  SamplingSlots(std::shared_ptr<Memory> memory, i32 num_slots, i32 vocab_size);

  // Allocates the views; every slot draws greedily until it is set.
  Status open(Backend& backend);
  // Replaces a slot; its counts begin with `output_tokens`. A slot that could not be set refuses
  // draws until it is.
  Status set(Backend& backend, i32 slot, const SlotSetting& setting);
  // Gives a slot another token mask, and leaves the rest as it is. `words` is as long as `setting`'s.
  Status set_mask(Backend& backend, i32 slot, const std::vector<i32>& words);
  // Draws one token per row of `params`, whose row_slots are `row_slots` on the host. Rows of one
  // slot draw in order, each seeing the counts of those before: a batch ends where a slot comes
  // again.
  Status draw(Backend& backend, SampleParams params, const i32* row_slots);
  // Whether no slot comes twice, so that draw() is one batch; -1 names none.
  bool are_distinct(const i32* row_slots, i32 num_rows);
  // Whether every slot that `row_slots` names can draw; -1 names none.
  Status check(const i32* row_slots, i32 num_rows) const;

 private:
  struct Slot {
    Status status;
    u64 last_batch = 0;  // of end_of_batch()
    std::shared_ptr<Buffer> output_counts;
    std::shared_ptr<Buffer> in_prompt;
    std::shared_ptr<Buffer> bias;  // ids, then values
    std::shared_ptr<Buffer> token_mask;
    SamplingSlotView view = {};  // as it is on the device
  };

  i32 end_of_batch(const i32* row_slots, i32 first, i32 num_rows);
  Status upload_counts(Backend& backend, Slot& slot, const SlotSetting& setting);
  Status upload_bias(Backend& backend, Slot& slot, const SlotSetting& setting);
  Status upload_mask(Backend& backend, Slot& slot, const std::vector<i32>& words);
  Status upload_view(Backend& backend, i32 index);
  Status ensure(std::shared_ptr<Buffer>& buffer, size_t bytes);

  const std::shared_ptr<Memory> memory_;
  const i32 vocab_size_;
  const std::shared_ptr<Buffer> views_;  // [num_slots] SamplingSlotView
  std::vector<Slot> slots_;
  u64 batch_ = 0;
};
