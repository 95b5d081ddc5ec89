#include <algorithm>
#include <map>

#include "backends.h"
#include "check.h"
#include "values.h"

namespace {

constexpr SamplingParams kGreedy = {.temperature = 0.0f,
                                    .top_p = 1.0f,
                                    .min_p = 0.0f,
                                    .repetition_penalty = 1.0f,
                                    .presence_penalty = 0.0f,
                                    .frequency_penalty = 0.0f,
                                    .top_k = 0,
                                    .num_logprobs = -1,
                                    .seed = 0};

SamplingParams with_temperature(f32 temperature, u64 seed) {
  SamplingParams params = kGreedy;
  params.temperature = temperature;
  params.seed = seed;
  return params;
}

struct Samples {
  std::vector<i32> ids, top_ids;
  std::vector<f32> logprobs, top_logprobs;
  std::vector<u8> non_finite;
  std::vector<u64> digests;
  bool operator==(const Samples&) const = default;
};

// One slot per row; rows take slot -1 where `drawn` says so.
Samples sample(Backend& backend, const std::vector<f32>& logits, i32 vocab_size,
               const std::vector<SamplingSlotView>& slots, const std::vector<i32>& row_slots,
               i32 first_position = 0) {
  const size_t num_rows = row_slots.size();
  std::vector<i32> positions;
  for (size_t row = 0; row < num_rows; ++row) positions.push_back(first_position + i32(row));
  Samples out = {std::vector<i32>(num_rows, 99), std::vector<i32>(num_rows * kMaxTopLogprobs, 99),
                 std::vector<f32>(num_rows, 99), std::vector<f32>(num_rows * kMaxTopLogprobs, 99),
                 std::vector<u8>(num_rows, 99),  std::vector<u64>(num_rows, 99)};
  const std::vector<f32> before = logits;
  check_ok(backend.sample({.logits = logits.data(),
                           .slots = slots.data(),
                           .row_slots = row_slots.data(),
                           .row_positions = positions.data(),
                           .samples = out.ids.data(),
                           .sample_logprobs = out.logprobs.data(),
                           .top_ids = out.top_ids.data(),
                           .top_logprobs = out.top_logprobs.data(),
                           .non_finite = out.non_finite.data(),
                           .digests = out.digests.data(),
                           .num_rows = i32(num_rows),
                           .vocab_size = vocab_size,
                           .num_slots = i32(slots.size())}));
  CHECK(std::memcmp(before.data(), logits.data(), logits.size() * sizeof(f32)) == 0);
  return out;
}

// How often each id comes in `count` draws at positions 0, 1, ...
std::map<i32, i32> frequencies(const std::vector<f32>& row, const SamplingParams& params,
                               i32 count) {
  std::vector<f32> logits;
  for (i32 i = 0; i < count; ++i) logits.insert(logits.end(), row.begin(), row.end());
  SamplingSlotView slot = {};
  slot.params = params;
  const Samples samples =
      sample(best_backend(), logits, i32(row.size()), {slot}, std::vector<i32>(size_t(count), 0));
  std::map<i32, i32> counts;
  for (const i32 id : samples.ids) counts[id] += 1;
  return counts;
}

std::vector<f32> logs(const std::vector<f32>& probabilities) {
  std::vector<f32> values;
  for (const f32 p : probabilities) values.push_back(std::log(p) + 3.0f);
  return values;
}

}  // namespace

TEST("greedy takes the largest logit, the lowest id among equals, and ignores -inf") {
  SamplingSlotView slot = {};
  slot.params = kGreedy;
  std::vector<f32> logits(4 * 50, -1.0f);
  logits[17] = logits[40] = 2.0f;
  for (i32 i = 0; i < 50; ++i) logits[size_t(50 + i)] = i == 33 ? -5.0f : -INFINITY;
  std::fill(logits.begin() + 100, logits.begin() + 150, 0.0f);
  logits[100] = -0.0f;
  const Samples samples = same_on_all_backends(
      [&](Backend& backend) { return sample(backend, logits, 50, {slot}, {0, 0, 0, -1}); });
  CHECK(samples.ids == (std::vector<i32>{17, 33, 0, -1}));
  CHECK(samples.non_finite == (std::vector<u8>{0, 0, 0, 0}));
}

TEST("a row with NaN or +inf anywhere, or nothing finite, is non-finite and gives token 0") {
  SamplingSlotView slot = {};
  slot.params = with_temperature(1.0f, 3);
  const i32 vocab_size = 37;
  std::vector<f32> logits(size_t(vocab_size) * 4, 0.5f);
  logits[36] = NAN;
  logits[37 + 16] = INFINITY;
  std::fill(logits.begin() + 74, logits.begin() + 111, -INFINITY);
  const Samples samples = same_on_all_backends(
      [&](Backend& backend) { return sample(backend, logits, vocab_size, {slot}, {0, 0, 0, 0}); });
  CHECK(samples.non_finite == (std::vector<u8>{1, 1, 1, 0}));
  for (size_t row = 0; row < 3; ++row) CHECK_EQUAL(samples.ids[row], 0);
}

TEST("draws follow the distribution") {
  const std::vector<f32> probabilities = {0.05f, 0.5f, 0.25f, 0.15f, 0.05f};
  const i32 count = 20000;
  const std::map<i32, i32> counts =
      frequencies(logs(probabilities), with_temperature(1.0f, 5), count);
  for (i32 id = 0; id < 5; ++id) {
    const double expected = double(probabilities[size_t(id)]) * count;
    CHECK(std::abs(counts.at(id) - expected) < 5.0 * std::sqrt(expected));
  }
}

TEST("temperature sharpens and flattens") {
  const std::vector<f32> row = logs({0.2f, 0.8f});
  const std::map<i32, i32> sharp = frequencies(row, with_temperature(0.5f, 6), 8000);
  const std::map<i32, i32> flat = frequencies(row, with_temperature(2.0f, 6), 8000);
  CHECK(std::abs(sharp.at(0) / 8000.0 - 1.0 / 17.0) < 0.02);
  CHECK(std::abs(flat.at(0) / 8000.0 - 1.0 / 3.0) < 0.03);
  CHECK_EQUAL(frequencies(row, with_temperature(1e-30f, 6), 50).at(1), 50);
}

TEST("top-k, top-p and min-p each leave exactly the ids they should") {
  const std::vector<f32> row = logs({0.1f, 0.4f, 0.05f, 0.3f, 0.15f});
  SamplingParams params = with_temperature(1.0f, 7);
  const auto ids_of = [&](const SamplingParams& p) {
    std::vector<i32> ids;
    for (const auto& [id, count] : frequencies(row, p, 3000)) ids.push_back(id);
    return ids;
  };
  params.top_k = 2;
  CHECK(ids_of(params) == (std::vector<i32>{1, 3}));
  params.top_k = 1;
  CHECK(ids_of(params) == (std::vector<i32>{1}));
  params = with_temperature(1.0f, 8);
  params.top_p = 0.72f;
  CHECK(ids_of(params) == (std::vector<i32>{1, 3, 4}));
  params.top_p = 1e-6f;
  CHECK(ids_of(params) == (std::vector<i32>{1}));
  params = with_temperature(1.0f, 9);
  params.min_p = 0.3f;
  CHECK(ids_of(params) == (std::vector<i32>{1, 3, 4}));
  params.top_k = 2;
  params.top_p = 0.5f;  // of 0.4 and 0.3: the first holds 0.57
  CHECK(ids_of(params) == (std::vector<i32>{1}));
}

TEST("top-k keeps the lowest ids among equals, over a large vocabulary") {
  std::vector<f32> row(5000, 1.0f);
  row[4321] = 1.5f;
  SamplingParams params = with_temperature(1.0f, 10);
  params.top_k = 4;
  const std::map<i32, i32> counts = frequencies(row, params, 300);
  CHECK_EQUAL(counts.size(), size_t(4));
  for (const i32 id : {0, 1, 2, 4321}) CHECK(counts.count(id) == 1);
}

TEST("a draw depends on seed and position alone, not on the row, the batch or the backend") {
  Random random(81);
  const i32 vocab_size = 3000, num_rows = 12;
  const std::vector<f32> row = random.uniforms(size_t(vocab_size), 4.0f);
  std::vector<f32> logits;
  for (i32 r = 0; r < num_rows; ++r) logits.insert(logits.end(), row.begin(), row.end());
  std::vector<SamplingSlotView> slots(3);
  for (size_t s = 0; s < 3; ++s) slots[s].params = with_temperature(0.9f, 100 + s);
  slots[1].params.top_p = 0.9f;
  slots[2].params.top_k = 50;
  const Samples batch = same_on_all_backends([&](Backend& backend) {
    return sample(backend, logits, vocab_size, slots, {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}, 40);
  });
  for (i32 r = 0; r < num_rows; ++r) {
    const Samples alone = sample(best_backend(), row, vocab_size, slots, {r % 3}, 40 + r);
    CHECK_EQUAL(alone.ids[0], batch.ids[size_t(r)]);
  }
  CHECK(batch.ids[0] != batch.ids[3] || batch.ids[3] != batch.ids[6]);
}

TEST("penalties and biases change the choice, and the drawn token is counted") {
  std::vector<i32> counts(8, 0);
  std::vector<u8> in_prompt(8, 0);
  SamplingSlotView slot = {};
  slot.params = kGreedy;
  slot.output_counts = counts.data();
  slot.in_prompt = in_prompt.data();
  const std::vector<f32> logits = {0.0f, 2.0f, 1.5f, -1.0f, 1.2f, 0.0f, 0.0f, 0.0f};
  const auto draw = [&] { return sample(best_backend(), logits, 8, {slot}, {0}).ids[0]; };

  slot.params.presence_penalty = 0.6f;
  CHECK_EQUAL(draw(), 1);
  CHECK_EQUAL(draw(), 2);  // 2.0 - 0.6 < 1.5
  CHECK_EQUAL(draw(), 1);
  CHECK(counts == (std::vector<i32>{0, 2, 1, 0, 0, 0, 0, 0}));
  slot.params = kGreedy;
  slot.params.frequency_penalty = 0.5f;
  CHECK_EQUAL(draw(), 4);  // 2.0 - 1.0, 1.5 - 0.5, 1.2
  std::fill(counts.begin(), counts.end(), 0);
  slot.params = kGreedy;
  slot.params.repetition_penalty = 2.0f;
  in_prompt[1] = in_prompt[2] = 1;
  CHECK_EQUAL(draw(), 4);
  const i32 bias_ids[] = {3, 4};
  const f32 bias_values[] = {9.0f, -INFINITY};
  slot.bias_ids = bias_ids;
  slot.bias_values = bias_values;
  slot.num_biases = 2;
  CHECK_EQUAL(draw(), 3);
}

TEST("logprobs are of the raw logits, the best first") {
  Random random(82);
  const i32 vocab_size = 2100;
  const std::vector<f32> logits = random.uniforms(size_t(vocab_size), 6.0f);
  SamplingSlotView slot = {};
  slot.params = with_temperature(0.7f, 4);
  slot.params.num_logprobs = 5;
  const i32 bias_id = 7;
  const f32 bias_value = 3.0f;
  slot.bias_ids = &bias_id;
  slot.bias_values = &bias_value;
  slot.num_biases = 1;
  const Samples samples = same_on_all_backends(
      [&](Backend& backend) { return sample(backend, logits, vocab_size, {slot}, {0}); });
  double sum = 0;
  for (const f32 logit : logits) sum += std::exp(double(logit));
  const auto logprob = [&](i32 id) { return double(logits[size_t(id)]) - std::log(sum); };
  CHECK(std::abs(double(samples.logprobs[0]) - logprob(samples.ids[0])) < 2e-6);
  std::vector<f32> sorted = logits;
  std::sort(sorted.rbegin(), sorted.rend());
  for (size_t i = 0; i < kMaxTopLogprobs; ++i) {
    if (i >= 5) {
      CHECK_EQUAL(samples.top_ids[i], -1);
      continue;
    }
    CHECK_EQUAL(logits[size_t(samples.top_ids[i])], sorted[i]);
    CHECK(std::abs(double(samples.top_logprobs[i]) - logprob(samples.top_ids[i])) < 2e-6);
  }
}

TEST("the digest is the documented function of the row's bits and sees each of them") {
  Random random(83);
  const auto rotate = [](u32 x, u32 by) { return (x << by) | (x >> (32 - by)); };
  const auto half = [&](const std::vector<f32>& row, u32 multiplier, u32 rotation) {
    u32 lanes[16];
    for (u32 lane = 0; lane < 16; ++lane) lanes[lane] = lane + 1;
    for (size_t i = 0; i < row.size(); ++i) {
      lanes[i % 16] = (rotate(lanes[i % 16], rotation) ^ cpu::f32_bits(row[i])) * multiplier;
    }
    u32 hash = u32(row.size());
    for (const u32 lane : lanes) hash = (rotate(hash, rotation) ^ lane) * multiplier;
    hash = (hash ^ (hash >> 15)) * multiplier;
    return hash ^ (hash >> 16);
  };
  const auto digest_of = [&](const std::vector<f32>& row) {
    return same_on_all_backends([&](Backend& backend) {
      return sample(backend, row, i32(row.size()), {}, {-1}).digests[0];
    });
  };
  for (const size_t vocab_size : {size_t(1), size_t(16), size_t(100)}) {
    std::vector<f32> row = random.uniforms(vocab_size);
    const u64 expected = (u64(half(row, 0x9e3779b1u, 13)) << 32) | half(row, 0x85ebca77u, 17);
    CHECK_EQUAL(digest_of(row), expected);
    for (i32 flip = 0; flip < 40; ++flip) {
      std::vector<f32> changed = row;
      f32& value = changed[size_t(random.below(i32(vocab_size)))];
      value = cpu::f32_from_bits(cpu::f32_bits(value) ^ (1u << random.below(32)));
      CHECK(digest_of(changed) != expected);
    }
  }
}
