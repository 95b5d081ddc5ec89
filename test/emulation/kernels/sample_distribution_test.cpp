// Draws of the sample op as a distribution: chi-square tests with fixed seeds, so that a run cannot
// fail by chance.

#include <cmath>

#include "sample_fixture.h"

namespace {

using emulation::EmulatedLauncher;
using sample_fixture::Draw;
using sample_fixture::Samples;
using sample_fixture::Settings;

constexpr i32 kDraws = 256;

// Tokens drawn from `logits` at positions 0 … kDraws - 1.
std::vector<i32> draw_many(const std::vector<f32>& logits, const SamplingParams& params) {
  EmulatedLauncher launcher;
  Draw draw;
  Settings settings;
  settings.params = params;
  draw.slots = {settings};  // without counts: any number of rows may name it
  for (i32 position = 0; position < kDraws; ++position) {
    draw.logits.push_back(logits);
    draw.row_slots.push_back(0);
    draw.row_positions.push_back(position);
  }
  return sample_fixture::run(launcher, draw).ids;
}

// Fails where `counts` would come by chance once in 100,000 times or less; a cell of probability 0
// must be empty. Wilson and Hilferty's normal approximation of chi-square.
void check_frequencies(const std::vector<i32>& counts, const std::vector<double>& probabilities) {
  double total = 0, sum = 0, cells = -1;
  for (const i32 count : counts) total += count;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * total;
    if (expected == 0) {
      CHECK_EQUAL(counts[i], 0);
      continue;
    }
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    cells += 1;
  }
  if (cells == 0) return;
  const double spread = 2.0 / (9.0 * cells);
  const double deviations = (std::cbrt(sum / cells) - (1 - spread)) / std::sqrt(spread);
  if (deviations < 4.26) return;
  check::fail(__FILE__, __LINE__, check::text("chi-square ", sum, " with ", cells, " cells"));
}

std::vector<i32> histogram(const std::vector<i32>& ids, size_t num_tokens) {
  std::vector<i32> counts(num_tokens, 0);
  for (const i32 id : ids) counts.at(size_t(id)) += 1;
  return counts;
}

SamplingParams params_of(f32 temperature, f32 top_p, f32 min_p, i32 top_k, u64 seed) {
  return {temperature, top_p, min_p, 1.0f, 0.0f, 0.0f, top_k, -1, seed};
}

}  // namespace

TEST("sample's draws follow softmax(logits / temperature), and what each filter leaves of it") {
  const std::vector<double> probabilities = {0.05, 0.4, 0.25, 0.15, 0.1, 0.05};
  std::vector<f32> logits;
  for (const double p : probabilities) logits.push_back(f32(std::log(p) + 3.0));
  const struct {
    SamplingParams params;
    std::vector<double> weights;
  } cases[] = {
      {params_of(1.0f, 1.0f, 0.0f, 0, 5), probabilities},
      {params_of(0.5f, 1.0f, 0.0f, 0, 6), {0.0025, 0.16, 0.0625, 0.0225, 0.01, 0.0025}},
      {params_of(1.0f, 0.79f, 0.0f, 0, 7), {0, 0.4, 0.25, 0.15, 0, 0}},
      {params_of(1.0f, 1.0f, 0.2f, 0, 8), {0, 0.4, 0.25, 0.15, 0.1, 0}},
      {params_of(1.0f, 1.0f, 0.0f, 2, 9), {0, 0.4, 0.25, 0, 0, 0}},
      {params_of(1.0f, 0.5f, 0.0f, 3, 10), {0, 0.4, 0, 0, 0, 0}},
  };
  for (const auto& [params, weights] : cases) {
    const check::Case in_case(check::text("seed ", params.seed));
    std::vector<double> expected = weights;
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (double& p : expected) p /= total;
    check_frequencies(histogram(draw_many(logits, params), 6), expected);
  }
}

TEST("sample's draws at neighbouring positions and of neighbouring seeds are independent") {
  const std::vector<f32> logits = {0.0f, 0.0f, 0.0f, 0.0f};
  const std::vector<i32> a = draw_many(logits, params_of(1.0f, 1.0f, 0.0f, 0, 77));
  const std::vector<i32> b = draw_many(logits, params_of(1.0f, 1.0f, 0.0f, 0, 78));
  std::vector<i32> by_position(16, 0), by_seed(16, 0);
  for (size_t p = 1; p < a.size(); ++p) {
    by_position[size_t(4 * a[p - 1] + a[p])] += 1;
    by_seed[size_t(4 * a[p] + b[p])] += 1;
  }
  const std::vector<double> sixteenths(16, 1.0 / 16);
  check_frequencies(by_position, sixteenths);
  check_frequencies(by_seed, sixteenths);
}
