#include "sampling_slots.h"

namespace {

constexpr SamplingParams kGreedy = {.temperature = 0,
                                    .top_p = 1,
                                    .min_p = 0,
                                    .repetition_penalty = 1,
                                    .presence_penalty = 0,
                                    .frequency_penalty = 0,
                                    .top_k = 0,
                                    .num_logprobs = -1,
                                    .seed = 0};

// The rows [first, end) of a draw.
SampleParams rows_of(const SampleParams& params, i32 first, i32 end) {
  SampleParams rows = params;
  const i64 top = i64{first} * kMaxTopLogprobs;
  rows.logits += i64{first} * params.vocab_size;
  rows.row_slots += first;
  rows.row_positions += first;
  rows.samples += first;
  rows.sample_logprobs += first;
  rows.top_ids += top;
  rows.top_logprobs += top;
  rows.non_finite += first;
  if (rows.digests != nullptr) rows.digests += first;
  rows.num_rows = end - first;
  return rows;
}

}  // namespace

SamplingSlots::SamplingSlots(std::shared_ptr<Memory> memory, i32 num_slots, i32 vocab_size)
    : memory_(std::move(memory)),
      vocab_size_(vocab_size),
      views_(memory_->reserve(static_cast<size_t>(num_slots) * sizeof(SamplingSlotView))),
      slots_(static_cast<size_t>(num_slots)) {
  for (Slot& slot : slots_) slot.view.params = kGreedy;
}

Status SamplingSlots::open(Backend& backend) {
  Status status = memory_->allocate(*views_);
  if (!status.is_ok() || slots_.empty()) return status;
  const SamplingSlotView greedy = {kGreedy, nullptr, nullptr, nullptr, nullptr, nullptr, 0};
  const std::vector<SamplingSlotView> views(slots_.size(), greedy);
  return backend.upload(views_->data, views.data(), views_->bytes);
}

Status SamplingSlots::set(Backend& backend, i32 index, const SlotSetting& setting) {
  Slot& slot = slots_[static_cast<size_t>(index)];
  slot.status = upload_counts(backend, slot, setting);
  if (slot.status.is_ok()) slot.status = upload_bias(backend, slot, setting);
  const bool has_mask = !setting.token_mask.empty();
  if (slot.status.is_ok() && has_mask) {
    slot.status = upload_mask(backend, slot, setting.token_mask);
  }
  if (!slot.status.is_ok()) return slot.status;

  const i32 num_biases = static_cast<i32>(setting.bias_ids.size());
  SamplingSlotView view = {setting.params, nullptr, nullptr, nullptr, nullptr, nullptr, num_biases};
  if (slot.output_counts) view.output_counts = static_cast<i32*>(slot.output_counts->data);
  if (slot.in_prompt) view.in_prompt = static_cast<const u8*>(slot.in_prompt->data);
  if (slot.bias) {
    view.bias_ids = static_cast<const i32*>(slot.bias->data);
    view.bias_values = static_cast<const f32*>(slot.bias->data) + num_biases;
  }
  if (has_mask) view.token_mask = static_cast<const u32*>(slot.token_mask->data);
  slot.view = view;
  slot.status = upload_view(backend, index);
  return slot.status;
}

Status SamplingSlots::set_mask(Backend& backend, i32 index, const std::vector<i32>& words) {
  Slot& slot = slots_[static_cast<size_t>(index)];
  if (!slot.status.is_ok()) return slot.status;
  slot.status = upload_mask(backend, slot, words);
  if (!slot.status.is_ok() || slot.view.token_mask == slot.token_mask->data) return slot.status;
  slot.view.token_mask = static_cast<const u32*>(slot.token_mask->data);
  slot.status = upload_view(backend, index);
  return slot.status;
}

Status SamplingSlots::upload_view(Backend& backend, i32 index) {
  const SamplingSlotView& view = slots_[static_cast<size_t>(index)].view;
  u8* const destination = static_cast<u8*>(views_->data) + static_cast<size_t>(index) * sizeof view;
  return backend.upload(destination, &view, sizeof view);
}

Status SamplingSlots::draw(Backend& backend, SampleParams params, const i32* row_slots) {
  params.slots = static_cast<const SamplingSlotView*>(views_->data);
  params.num_slots = static_cast<i32>(slots_.size());
  const i32 num_rows = params.num_rows;
  for (i32 first = 0, end = 0; first < num_rows; first = end) {
    end = end_of_batch(row_slots, first, num_rows);
    const Status status = backend.sample(rows_of(params, first, end));
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

bool SamplingSlots::are_distinct(const i32* row_slots, i32 num_rows) {
  return end_of_batch(row_slots, 0, num_rows) == num_rows;
}

// The first row after `first` whose slot another one since `first` has.
i32 SamplingSlots::end_of_batch(const i32* row_slots, i32 first, i32 num_rows) {
  batch_++;
  for (i32 row = first; row < num_rows; row++) {
    if (row_slots[row] < 0) continue;
    u64& last_batch = slots_[static_cast<size_t>(row_slots[row])].last_batch;
    if (last_batch == batch_) return row;
    last_batch = batch_;
  }
  return num_rows;
}

Status SamplingSlots::check(const i32* row_slots, i32 num_rows) const {
  for (i32 row = 0; row < num_rows; row++) {
    if (row_slots[row] < 0) continue;
    const Status& status = slots_[static_cast<size_t>(row_slots[row])].status;
    if (!status.is_ok()) return status;
  }
  return Status::ok();
}

Status SamplingSlots::upload_counts(Backend& backend, Slot& slot, const SlotSetting& setting) {
  if (!setting.has_penalties) {
    slot.output_counts.reset();
    slot.in_prompt.reset();
    return Status::ok();
  }
  const size_t vocab = static_cast<size_t>(vocab_size_);
  std::vector<i32> counts(vocab, 0);
  for (const i32 token : setting.output_tokens) counts[static_cast<size_t>(token)]++;
  std::vector<u8> in_prompt(vocab, 0);
  for (const i32 token : setting.prompt_tokens) in_prompt[static_cast<size_t>(token)] = 1;

  Status status = ensure(slot.output_counts, vocab * sizeof(i32));
  if (status.is_ok()) status = ensure(slot.in_prompt, vocab);
  if (status.is_ok()) {
    status = backend.upload(slot.output_counts->data, counts.data(), vocab * sizeof(i32));
  }
  if (status.is_ok()) status = backend.upload(slot.in_prompt->data, in_prompt.data(), vocab);
  return status;
}

Status SamplingSlots::upload_bias(Backend& backend, Slot& slot, const SlotSetting& setting) {
  slot.bias.reset();
  if (setting.bias_ids.empty()) return Status::ok();
  const size_t half = setting.bias_ids.size() * sizeof(i32);
  Status status = ensure(slot.bias, 2 * half);
  if (status.is_ok()) status = backend.upload(slot.bias->data, setting.bias_ids.data(), half);
  if (status.is_ok()) {
    u8* const values = static_cast<u8*>(slot.bias->data) + half;
    status = backend.upload(values, setting.bias_values.data(), half);
  }
  return status;
}

Status SamplingSlots::upload_mask(Backend& backend, Slot& slot, const std::vector<i32>& words) {
  const size_t bytes = words.size() * sizeof(i32);
  const Status status = ensure(slot.token_mask, bytes);
  return status.is_ok() ? backend.upload(slot.token_mask->data, words.data(), bytes) : status;
}

// Gives `buffer` exactly `bytes` of memory, keeping what it has when that fits.
Status SamplingSlots::ensure(std::shared_ptr<Buffer>& buffer, size_t bytes) {
  if (buffer != nullptr && buffer->bytes == bytes) return Status::ok();
  buffer = memory_->reserve(bytes);
  return memory_->allocate(*buffer);
}
