#pragma once
// Runs the sample op on emulated memory, and checks what it gives against the reference.

#include <memory>

#include "../../../addon/cuda/ops.h"
#include "../compare.h"
#include "../device_array.h"
#include "../emulated_launcher.h"
#include "sample_reference.h"

namespace sample_fixture {

using sample_reference::Settings;

// A slot's arrays in device memory.
class Slot {
 public:
  explicit Slot(const Settings& settings) {
    view.params = settings.params;
    view.num_biases = i32(settings.bias_ids.size());
    keep(settings.bias_ids, bias_ids_, view.bias_ids);
    keep(settings.bias_values, bias_values_, view.bias_values);
    keep(settings.output_counts, counts_, view.output_counts);
    keep(settings.in_prompt, prompt_, view.in_prompt);
    keep(settings.token_mask, mask_, view.token_mask);
  }
  std::vector<i32> counts() const {
    return counts_ == nullptr ? std::vector<i32>() : counts_->download();
  }

  SamplingSlotView view = {};

 private:
  template <class T, class Pointer>
  void keep(const std::vector<T>& values, std::unique_ptr<emulation::DeviceArray<T>>& array,
            Pointer& pointer) {
    if (values.empty()) return;
    array = std::make_unique<emulation::DeviceArray<T>>(values);
    pointer = array->data();
  }
  std::unique_ptr<emulation::DeviceArray<i32>> bias_ids_, counts_;
  std::unique_ptr<emulation::DeviceArray<f32>> bias_values_;
  std::unique_ptr<emulation::DeviceArray<u8>> prompt_;
  std::unique_ptr<emulation::DeviceArray<u32>> mask_;
};

struct Draw {
  std::vector<std::vector<f32>> logits;  // [num_rows][vocab_size]
  std::vector<Settings> slots;
  std::vector<i32> row_slots, row_positions;
  bool want_digests = false;
};

struct Samples {
  std::vector<i32> ids, top_ids;
  std::vector<f32> logprobs, top_logprobs;
  std::vector<u8> non_finite;
  std::vector<u64> digests;
  std::vector<std::vector<i32>> counts;  // of each slot, afterwards
  bool operator==(const Samples&) const = default;
};

inline Samples run(cuda::Launcher& launcher, const Draw& draw) {
  using emulation::DeviceArray;
  const size_t num_rows = draw.logits.size(), vocab_size = draw.logits[0].size();
  std::vector<f32> flat;
  for (const std::vector<f32>& row : draw.logits) flat.insert(flat.end(), row.begin(), row.end());
  std::vector<std::unique_ptr<Slot>> slots;
  std::vector<SamplingSlotView> views;
  for (const Settings& settings : draw.slots) {
    slots.push_back(std::make_unique<Slot>(settings));
    views.push_back(slots.back()->view);
  }
  const DeviceArray<f32> logits(flat);
  const DeviceArray<SamplingSlotView> slot_views(views);
  const DeviceArray<i32> row_slots(draw.row_slots), row_positions(draw.row_positions);
  const DeviceArray<i32> ids(num_rows), top_ids(num_rows * kMaxTopLogprobs);
  const DeviceArray<f32> logprobs(num_rows), top_logprobs(num_rows * kMaxTopLogprobs);
  const DeviceArray<u8> non_finite(num_rows);
  const DeviceArray<u64> digests(draw.want_digests ? num_rows : 0);
  const Status status =
      cuda::sample(launcher, {.logits = logits.data(),
                              .slots = slot_views.data(),
                              .row_slots = row_slots.data(),
                              .row_positions = row_positions.data(),
                              .samples = ids.data(),
                              .sample_logprobs = logprobs.data(),
                              .top_ids = top_ids.data(),
                              .top_logprobs = top_logprobs.data(),
                              .non_finite = non_finite.data(),
                              .digests = draw.want_digests ? digests.data() : nullptr,
                              .num_rows = i32(num_rows),
                              .vocab_size = i32(vocab_size),
                              .num_slots = i32(views.size())});
  if (!status.is_ok()) check::fail(__FILE__, __LINE__, status.message());
  if (std::memcmp(logits.data(), flat.data(), flat.size() * sizeof(f32)) != 0) {
    check::fail(__FILE__, __LINE__, "the logits were changed");
  }
  Samples samples = {ids.download(),
                     top_ids.download(),
                     logprobs.download(),
                     top_logprobs.download(),
                     non_finite.download(),
                     digests.download(),
                     {}};
  for (const std::unique_ptr<Slot>& slot : slots) samples.counts.push_back(slot->counts());
  return samples;
}

inline void check_logprobs(const Samples& samples, size_t row, const std::vector<f32>& logits,
                           i32 num_logprobs) {
  const size_t num_top = num_logprobs < 0 ? 0 : std::min(size_t(num_logprobs), logits.size());
  std::vector<double> all(1, 0.0);
  if (num_logprobs >= 0) all = sample_reference::log_softmax(logits);
  const auto logprob_of = [&](i32 id) { return num_logprobs < 0 ? 0.0 : all[size_t(id)]; };
  std::vector<i32> best(logits.size());
  std::iota(best.begin(), best.end(), 0);
  std::partial_sort(best.begin(), best.begin() + i64(num_top), best.end(), [&](i32 a, i32 b) {
    const f32 x = logits[size_t(a)], y = logits[size_t(b)];
    return x != y ? x > y : a < b;
  });
  std::vector<f32> actual = {samples.logprobs[row]};
  std::vector<double> expected = {logprob_of(std::max(samples.ids[row], 0))};
  for (size_t i = 0; i < size_t(kMaxTopLogprobs); ++i) {
    const size_t at = row * kMaxTopLogprobs + i;
    CHECK_EQUAL(samples.top_ids[at], i < num_top ? best[i] : -1);
    actual.push_back(samples.top_logprobs[at]);
    expected.push_back(i < num_top ? logprob_of(best[i]) : 0.0);
  }
  constexpr double kError = sample_reference::kLogprobError;
  CHECK_CLOSE("sample", actual, expected, (emulation::Tolerance{kError, kError}));
}

// Every output of every row. No slot of `draw` is named twice.
inline void check_samples(const Draw& draw, const Samples& samples) {
  std::vector<std::vector<i32>> counts;
  for (const Settings& settings : draw.slots) counts.push_back(settings.output_counts);
  for (size_t row = 0; row < draw.logits.size(); ++row) {
    const check::Case in_row(check::text("row ", row));
    if (draw.want_digests) {
      CHECK_EQUAL(samples.digests[row], sample_reference::digest_of(draw.logits[row]));
      emulation::note_exact_case("sample_digest");
    }
    const i32 slot = draw.row_slots[row];
    std::vector<f32> logits = draw.logits[row];
    bool is_drawable = sample_reference::is_drawable(logits);
    if (slot >= 0 && is_drawable) {
      logits = sample_reference::masked(std::move(logits), draw.slots[size_t(slot)]);
      is_drawable = sample_reference::is_drawable(logits);
    }
    CHECK_EQUAL(i32(samples.non_finite[row]), is_drawable ? 0 : 1);
    if (slot < 0 || !is_drawable) {
      CHECK_EQUAL(samples.ids[row], slot < 0 ? -1 : 0);
      check_logprobs(samples, row, logits, -1);
      continue;
    }
    const Settings& settings = draw.slots[size_t(slot)];
    const std::vector<i32> allowed =
        sample_reference::allowed_tokens(logits, settings, draw.row_positions[row]);
    const i32 id = samples.ids[row];
    if (std::find(allowed.begin(), allowed.end(), id) == allowed.end()) {
      check::fail(__FILE__, __LINE__, check::text("drew ", id, "; expected ", allowed.at(0)));
      continue;
    }
    if (!counts[size_t(slot)].empty()) counts[size_t(slot)][size_t(id)] += 1;
    check_logprobs(samples, row, logits, settings.params.num_logprobs);
  }
  CHECK(samples.counts == counts);
}

}  // namespace sample_fixture
