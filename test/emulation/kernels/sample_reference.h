#pragma once
// Sampling in plain loops and double. Mirrors test/reference/sample.ts, which the conformance cases
// use.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "../../../addon/cpu/philox.h"

namespace sample_reference {

constexpr double kUlp = 0x1p-24;
constexpr double kSlack = 64 * kUlp;         // of a sum of weights, relative: test/tolerances.ts
constexpr double kLogprobError = 16 * kUlp;  // of a log-probability, times 1 + its size

// How one row is drawn.
struct Settings {
  SamplingParams params = {0.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0, -1, 0};
  std::vector<i32> bias_ids;
  std::vector<f32> bias_values;
  std::vector<i32> output_counts;  // [vocab_size], or empty
  std::vector<u8> in_prompt;       // [vocab_size], or empty
  std::vector<u32> token_mask;     // [ceil(vocab_size / 32)], or empty
};

// The logits with those at -inf that the settings' mask forbids.
inline std::vector<f32> masked(std::vector<f32> logits, const Settings& settings) {
  if (settings.token_mask.empty()) return logits;
  for (size_t id = 0; id < logits.size(); ++id) {
    if ((settings.token_mask[id / 32] >> (id % 32) & 1u) == 0) logits[id] = -INFINITY;
  }
  return logits;
}

// No NaN, no +inf, and something finite.
inline bool is_drawable(const std::vector<f32>& logits) {
  bool has_finite = false;
  for (const f32 x : logits) {
    if (std::isnan(x) || x == INFINITY) return false;
    has_finite = has_finite || std::isfinite(x);
  }
  return has_finite;
}

// The lowest id of the largest value.
template <class T>
i32 argmax(const std::vector<T>& values) {
  return i32(std::max_element(values.begin(), values.end()) - values.begin());
}

// Bias, then penalties; each step rounded to f32, as logits are.
inline std::vector<f32> adjusted(std::vector<f32> logits, const Settings& settings) {
  const SamplingParams& p = settings.params;
  for (size_t i = 0; i < settings.bias_ids.size(); ++i) {
    logits[size_t(settings.bias_ids[i])] += settings.bias_values[i];
  }
  for (size_t id = 0; id < logits.size(); ++id) {
    const i32 count = settings.output_counts.empty() ? 0 : settings.output_counts[id];
    const bool in_prompt = !settings.in_prompt.empty() && settings.in_prompt[id] != 0;
    if (count == 0 && !in_prompt) continue;
    const f32 x = logits[id];
    logits[id] = x > 0 ? x / p.repetition_penalty : x * p.repetition_penalty;
    if (count == 0) continue;
    const f32 frequency = p.frequency_penalty * f32(count);
    const f32 penalty = frequency + p.presence_penalty;
    logits[id] = logits[id] - penalty;
  }
  return logits;
}

// The tokens that may be drawn, in the order in which a draw walks them; weights not normalised.
struct Candidates {
  std::vector<i32> ids;
  std::vector<double> weights;

  double total() const { return std::accumulate(weights.begin(), weights.end(), 0.0); }
  void resize(size_t count) {
    ids.resize(count);
    weights.resize(count);
  }
};

// What temperature, top-k, min-p and top-p leave, in that order; `top_p` instead of the settings',
// to widen or narrow the set by a rounding error.
inline Candidates candidates_of(const std::vector<f32>& logits, const SamplingParams& p,
                                double top_p) {
  const f32 max = logits[size_t(argmax(logits))];
  std::vector<f32> scaled;
  for (const f32 x : logits) scaled.push_back((x - max) / p.temperature);
  const bool has_top_k = p.top_k > 0 && size_t(p.top_k) < logits.size();
  std::vector<i32> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  if (has_top_k || p.top_p < 1) {
    std::stable_sort(order.begin(), order.end(),
                     [&](i32 a, i32 b) { return scaled[size_t(a)] > scaled[size_t(b)]; });
  }
  if (has_top_k) order.resize(size_t(p.top_k));
  Candidates kept;
  for (const i32 id : order) {
    const double weight = std::exp(double(scaled[size_t(id)]));
    if (weight < double(p.min_p)) continue;
    kept.ids.push_back(id);
    kept.weights.push_back(weight);
  }
  if (p.top_p >= 1) return kept;
  const double goal = top_p * kept.total();
  double sum = 0;
  size_t count = 0;
  while (count < kept.ids.size() && (count == 0 || sum < goal)) sum += kept.weights[count++];
  kept.resize(count);
  return kept;
}

// Tokens that may be drawn when each sum of weights is off by at most kSlack of the total: one, or
// two where the draw falls next to a border between tokens.
inline std::vector<i32> drawn_within(const Candidates& candidates, const SamplingParams& p,
                                     i32 position) {
  const double total = candidates.total();
  const double target = cpu::uniform_at(p.seed, u32(position)) * total;
  std::vector<i32> drawn;
  double sum = 0;
  for (size_t i = 0; i < candidates.ids.size(); ++i) {
    const double end = sum + candidates.weights[i];
    if (target >= sum - kSlack * total && target < end + kSlack * total) {
      drawn.push_back(candidates.ids[i]);
    }
    sum = end;
  }
  return drawn;
}

inline std::vector<i32> allowed_tokens(const std::vector<f32>& logits, const Settings& settings,
                                       i32 position) {
  const std::vector<f32> values = adjusted(logits, settings);
  const SamplingParams& p = settings.params;
  if (p.temperature <= 0) return {argmax(values)};
  std::vector<i32> allowed;
  for (const double share : {1 - kSlack, 1.0, 1 + kSlack}) {
    const Candidates candidates = candidates_of(values, p, double(p.top_p) * share);
    for (const i32 id : drawn_within(candidates, p, position)) allowed.push_back(id);
    if (p.top_p >= 1) break;
  }
  return allowed;
}

// Log-probabilities of the logits as they came.
inline std::vector<double> log_softmax(const std::vector<f32>& logits) {
  const double max = double(logits[size_t(argmax(logits))]);
  double sum = 0;
  for (const f32 x : logits) sum += std::exp(double(x) - max);
  std::vector<double> logprobs;
  for (const f32 x : logits) logprobs.push_back(double(x) - max - std::log(sum));
  return logprobs;
}

// The digest of addon/cpu/logits_kernel.cpp, by its formula.
inline u64 digest_of(const std::vector<f32>& row) {
  const auto half = [&](u32 multiplier, u32 rotation) {
    const auto mix = [&](u32 hash, u32 word) {
      return (((hash << rotation) | (hash >> (32 - rotation))) ^ word) * multiplier;
    };
    u32 lanes[16];
    for (u32 lane = 0; lane < 16; ++lane) lanes[lane] = lane + 1;
    for (size_t i = 0; i < row.size(); ++i) {
      lanes[i % 16] = mix(lanes[i % 16], __builtin_bit_cast(u32, row[i]));
    }
    u32 hash = u32(row.size());
    for (const u32 lane : lanes) hash = mix(hash, lane);
    hash = (hash ^ (hash >> 15)) * multiplier;
    return hash ^ (hash >> 16);
  };
  return (u64(half(0x9e3779b1u, 13)) << 32) | half(0x85ebca77u, 17);
}

}  // namespace sample_reference
