// sample against plain loops in double: every filter, penalties, ties, rows that nothing can be
// drawn from, vocabularies from 1 to 128,256.

#include <cmath>

#include "sample_fixture.h"

namespace {

using emulation::EmulatedLauncher;
using sample_fixture::Draw;
using sample_fixture::Samples;
using sample_fixture::Settings;

template <class T, size_t n>
T pick(const T (&values)[n], Random& random) {
  return values[size_t(random.below(i32(n)))];
}

// Bits past the vocabulary are set: nothing may come of them. Nothing at all is allowed at times.
std::vector<u32> draw_mask(i32 vocab_size, Random& random) {
  const i32 kind = random.below(4);
  std::vector<u32> mask(size_t(vocab_size + 31) / 32, 0);
  for (i32 id = 0; id < i32(mask.size()) * 32; ++id) {
    const bool is_allowed = id >= vocab_size || (kind == 0 && random.below(2) == 0) ||
                            (kind == 1 && random.below(10) == 0) || (kind == 2 && id % 32 == 31);
    if (is_allowed) mask[size_t(id) / 32] |= 1u << (id % 32);
  }
  if (kind == 3) mask[0] |= 1u << random.below(std::min(vocab_size, 32));
  return mask;
}

// Settings over the whole range of each field; an axis is off in a third or so of the draws.
Settings draw_settings(i32 vocab_size, Random& random) {
  Settings settings;
  SamplingParams& p = settings.params;
  p.temperature = pick({0.0f, 0.01f, 0.7f, 1.0f, 1.0f, 2.0f}, random);
  p.top_k = pick({0, 0, 1, 2, 50, 600, 10000}, random);
  p.top_p = pick({1.0f, 1.0f, 0.9f, 0.5f, 1e-3f, 0.999f}, random);
  p.min_p = pick({0.0f, 0.0f, 0.05f, 0.9f}, random);
  p.num_logprobs = pick({-1, -1, 0, 1, 5, 20}, random);
  p.seed = random.next();
  if (random.below(2) == 0) {
    p.repetition_penalty = pick({1.0f, 1.3f, 0.7f}, random);
    p.presence_penalty = pick({0.0f, 0.5f, -0.5f}, random);
    p.frequency_penalty = pick({0.0f, 0.3f}, random);
    settings.output_counts.assign(size_t(vocab_size), 0);
    settings.in_prompt.assign(size_t(vocab_size), 0);
    for (i32 i = 0; i < 20; ++i) {
      settings.output_counts[size_t(random.below(vocab_size))] += 1;
      settings.in_prompt[size_t(random.below(vocab_size))] = 1;
    }
  }
  const i32 biases = random.below(4);
  for (i32 id = 1; biases > 1 && id < vocab_size; id += biases == 2 ? 7 : 2) {
    settings.bias_ids.push_back(id);
    settings.bias_values.push_back(biases == 2 ? random.uniform(5.0f) : -1e4f);
  }
  if (random.below(3) == 0) settings.token_mask = draw_mask(vocab_size, random);
  return settings;
}

// 0: normal; 1: full of equal logits; 2: a third is -inf; 3: all equal; 4: a narrow band.
std::vector<f32> draw_logits(i32 vocab_size, i32 kind, Random& random) {
  std::vector<f32> row(static_cast<size_t>(vocab_size));
  for (size_t i = 0; i < row.size(); ++i) {
    f32 x = 0;
    for (i32 n = 0; n < 6; ++n) x += random.uniform(2.0f);
    row[i] = kind == 1 ? std::round(x) : kind == 4 ? x * 1e-3f : x;
    if (kind == 2 && i % 3 == 1) row[i] = -INFINITY;
    if (kind == 3) row[i] = 1.5f;
  }
  return row;
}

Draw draw_rows(i32 vocab_size, i32 num_rows, Random& random) {
  Draw draw;
  draw.want_digests = random.below(2) == 0;
  for (i32 row = 0; row < num_rows; ++row) {
    draw.logits.push_back(draw_logits(vocab_size, random.below(5), random));
    draw.slots.push_back(draw_settings(vocab_size, random));
    draw.row_slots.push_back(num_rows - 1 - row);
    draw.row_positions.push_back(random.below(0x7fffffff));
  }
  return draw;
}

std::string describe(const Settings& settings) {
  const SamplingParams& p = settings.params;
  return check::text("temperature ", p.temperature, ", top_k ", p.top_k, ", top_p ", p.top_p,
                     ", min_p ", p.min_p, ", penalties ", p.repetition_penalty, " ",
                     p.presence_penalty, " ", p.frequency_penalty, ", ", settings.bias_ids.size(),
                     " biases, logprobs ", p.num_logprobs);
}

void run_and_check(EmulatedLauncher& launcher, const Draw& draw) {
  std::string described = check::text("vocabulary ", draw.logits[0].size());
  for (const Settings& settings : draw.slots) described += "; " + describe(settings);
  const check::Case in_case(described);
  sample_fixture::check_samples(draw, sample_fixture::run(launcher, draw));
}

}  // namespace

TEST("sample draws what the reference draws, for any settings and vocabulary") {
  Random random(emulation::run_seed() + 41);
  EmulatedLauncher launcher;
  for (const i32 vocab_size : {1, 2, 7, 17, 33, 500, 1000, 1024, 1025, 5000}) {
    for (i32 trial = 0; trial < 12; ++trial) {
      Draw draw = draw_rows(vocab_size, 3, random);
      if (trial % 3 == 0) draw.row_slots[1] = -1;
      if (trial % 4 == 1) {
        draw.logits[2][size_t(random.below(vocab_size))] = trial == 1 ? NAN : INFINITY;
      }
      run_and_check(launcher, draw);
    }
  }
}

TEST("sample draws what the reference draws from 128,256 tokens, however they are spread") {
  Random random(emulation::run_seed() + 42);
  EmulatedLauncher launcher;
  constexpr i32 kVocab = 128256;
  for (i32 kind = 0; kind < 5; ++kind) {
    Draw draw;
    const std::vector<f32> logits = draw_logits(kVocab, kind, random);
    for (const i32 top_k : {0, 5000}) {
      for (const f32 top_p : {1.0f, 0.95f}) {
        Settings settings;
        settings.params = {1.0f, top_p, 0.0f, 1.0f, 0.0f, 0.0f, top_k, 20, random.next()};
        draw.row_slots.push_back(i32(draw.slots.size()));
        draw.row_positions.push_back(random.below(100000));
        draw.logits.push_back(logits);
        draw.slots.push_back(settings);
      }
    }
    const check::Case in_case(check::text("kind ", kind));
    run_and_check(launcher, draw);
  }
}

TEST("top-p of nearly nothing leaves the most likely token") {
  Random random(emulation::run_seed() + 46);
  EmulatedLauncher launcher;
  Draw draw = draw_rows(100, 2, random);
  for (Settings& settings : draw.slots) {
    settings = Settings();
    settings.params.temperature = 1.0f;
    settings.params.top_p = 1e-30f;
  }
  run_and_check(launcher, draw);
}

TEST("min-p alone leaves only the likely token") {
  EmulatedLauncher launcher;
  Draw draw;
  for (i32 row = 0; row < 16; ++row) {
    draw.logits.push_back(std::vector<f32>(600, -1.5f));
    draw.logits.back()[size_t(37 * row)] = 0.0f;  // 0.7 % of the weight before the filter
    Settings settings;
    settings.params = {1.0f, 1.0f, 0.5f, 1.0f, 0.0f, 0.0f, 0, -1, u64(row)};
    draw.slots.push_back(settings);
    draw.row_slots.push_back(row);
    draw.row_positions.push_back(row);
  }
  run_and_check(launcher, draw);
}

TEST("top-p adds up thousands of small weights, each a fraction of a mass's high word") {
  Random random(emulation::run_seed() + 48);
  EmulatedLauncher launcher;
  Draw draw;
  for (i32 row = 0; row < 16; ++row) {
    std::vector<f32> logits(5000);
    for (f32& x : logits) x = -7.0f + random.uniform(0.004f);  // one bin: 4.6 together
    logits[17] = 0.0f;
    draw.logits.push_back(logits);
    Settings settings;
    settings.params = {1.0f, 0.5f, 0.0f, 1.0f, 0.0f, 0.0f, 0, -1, random.next()};
    draw.slots.push_back(settings);
    draw.row_slots.push_back(row);
    draw.row_positions.push_back(row);
  }
  run_and_check(launcher, draw);
}

TEST("greedy takes the lowest id of the largest logit, and -0 equals 0") {
  EmulatedLauncher launcher;
  Draw draw;
  draw.slots.resize(4);
  draw.row_slots = {0, 1, 2, -1};
  draw.row_positions = {0, 0, 0, 0};
  draw.logits.assign(4, std::vector<f32>(3001, -1.0f));
  for (const size_t id : {1500, 1501, 2999}) draw.logits[0][id] = 2.0f;
  draw.logits[1].assign(3001, -INFINITY);
  draw.logits[1][33] = -5.0f;
  draw.logits[2].assign(3001, 0.0f);
  draw.logits[2][0] = -0.0f;
  draw.logits[2][1] = 1e-40f;  // subnormal: 0 on every backend
  const Samples samples = sample_fixture::run(launcher, draw);
  CHECK(samples.ids == (std::vector<i32>{1500, 33, 0, -1}));
  CHECK(samples.non_finite == (std::vector<u8>{0, 0, 0, 0}));
}

TEST("a row with NaN or +inf anywhere, or nothing finite, gives token 0 and its flag") {
  EmulatedLauncher launcher;
  Random random(emulation::run_seed() + 43);
  for (const size_t vocab_size : {1, 7, 513, 4099}) {
    Draw draw;
    for (const f32 bad : {NAN, INFINITY, -INFINITY, 1.0f}) {
      for (const size_t at : {size_t(0), vocab_size / 2, vocab_size - 1}) {
        std::vector<f32> row(vocab_size, bad == -INFINITY ? bad : 0.5f);
        row[at] = bad;
        Settings settings;
        settings.params.temperature = at == 0 ? 0.0f : 1.0f;
        settings.params.num_logprobs = 3;
        settings.output_counts.assign(vocab_size, 0);
        draw.logits.push_back(row);
        draw.row_slots.push_back(i32(draw.slots.size()));
        draw.row_positions.push_back(9);
        draw.slots.push_back(settings);
      }
    }
    run_and_check(launcher, draw);
  }
}

TEST("a row that bias leaves without a finite logit is non-finite, its own logits are kept") {
  EmulatedLauncher launcher;
  Draw draw;
  draw.logits = {{1.0f, -INFINITY}, {1.0f, 2.0f}};
  draw.slots.resize(2);
  draw.slots[0].bias_ids = {0};
  draw.slots[0].bias_values = {-INFINITY};
  draw.slots[1].bias_ids = {0};
  draw.slots[1].bias_values = {INFINITY};
  draw.row_slots = {0, 1};
  draw.row_positions = {0, 0};
  const Samples samples = sample_fixture::run(launcher, draw);
  CHECK(samples.ids == (std::vector<i32>{0, 0}));
  CHECK(samples.non_finite == (std::vector<u8>{1, 1}));
}

TEST("a masked row draws, and gives log-probabilities, as if all other tokens were at -inf") {
  Random random(emulation::run_seed() + 47);
  EmulatedLauncher launcher;
  for (const i32 vocab_size : {1, 31, 32, 33, 100, 1024, 4099}) {
    for (i32 trial = 0; trial < 6; ++trial) {
      Draw draw = draw_rows(vocab_size, 3, random);
      for (Settings& settings : draw.slots) {
        settings.token_mask = draw_mask(vocab_size, random);
        settings.params.num_logprobs = trial % 3 == 0 ? 0 : 5;
      }
      run_and_check(launcher, draw);
    }
  }
}

TEST("greedy takes the best token that the mask allows; a mask of none makes the row non-finite") {
  EmulatedLauncher launcher;
  Draw draw;
  draw.logits.assign(3, std::vector<f32>(70, 1.0f));
  draw.row_slots = {0, 1, 2};
  draw.row_positions = {0, 0, 0};
  draw.slots.resize(3);
  for (std::vector<f32>& row : draw.logits) row[3] = 9.0f;
  draw.slots[0].token_mask = {0, 1u << 5, 1u << 2};
  draw.slots[1].token_mask = {0, 0, 0};
  draw.slots[1].params.num_logprobs = 2;
  draw.slots[2].token_mask = {~0u, ~0u, ~0u};
  const Samples samples = sample_fixture::run(launcher, draw);
  CHECK(samples.ids == (std::vector<i32>{37, 0, 3}));
  CHECK(samples.non_finite == (std::vector<u8>{0, 1, 0}));
  CHECK_EQUAL(samples.top_ids[kMaxTopLogprobs], -1);
}

TEST("a row with NaN is non-finite also where its mask forbids the NaN") {
  EmulatedLauncher launcher;
  Draw draw;
  draw.logits.assign(1, std::vector<f32>(70, 1.0f));
  draw.logits[0][3] = 9.0f;
  draw.logits[0][40] = NAN;
  draw.row_slots = {0};
  draw.row_positions = {0};
  draw.slots.resize(1);
  draw.slots[0].token_mask = {~0u, ~(1u << 8), ~0u};
  const Samples samples = sample_fixture::run(launcher, draw);
  CHECK(samples.ids == (std::vector<i32>{0}));
  CHECK(samples.non_finite == (std::vector<u8>{1}));
}

TEST("one captured sample is right for 50 random vectors of slots, positions and logits") {
  Random random(emulation::run_seed() + 44);
  EmulatedLauncher launcher;
  for (i32 replay = 0; replay < 50; ++replay) {
    Draw draw = draw_rows(130, 4, random);
    const i32 num_real = replay == 0 ? 0 : random.below(5);
    for (i32 row = num_real; row < 4; ++row) {
      draw.row_slots[size_t(row)] = -1;
      for (f32& x : draw.logits[size_t(row)]) x = emulation::kPoisons[replay % 2];
    }
    run_and_check(launcher, draw);
  }
}

TEST("a draw depends on its logits, seed and position, not on its row, batch or slot") {
  Random random(emulation::run_seed() + 45);
  EmulatedLauncher launcher;
  const Draw one = draw_rows(777, 1, random);
  Draw mine = one;
  mine.slots[0].params.temperature = 0.8f;
  const Samples alone = sample_fixture::run(launcher, mine);
  for (const size_t row : {0, 3, 6}) {
    Draw many = draw_rows(777, 7, random);
    many.logits[row] = mine.logits[0];
    many.row_positions[row] = mine.row_positions[0];
    many.slots[size_t(many.row_slots[row])] = mine.slots[0];
    const Samples samples = sample_fixture::run(launcher, many);
    CHECK_EQUAL(samples.ids[row], alone.ids[0]);
    CHECK(std::memcmp(&samples.logprobs[row], &alone.logprobs[0], sizeof(f32)) == 0);
  }
}

TEST("sample launches nothing for no rows and refuses a vocabulary past its sums") {
  EmulatedLauncher launcher;
  SampleParams params = {};
  CHECK(cuda::sample(launcher, params).is_ok());
  params.num_rows = 1;
  for (const i32 vocab_size : {0, (1 << 19) + 1}) {
    params.vocab_size = vocab_size;
    const Status status = cuda::sample(launcher, params);
    CHECK(!status.is_ok() && std::string(status.code()) == "ERR_NATIVE");
    CHECK(status.message().find(std::to_string(vocab_size)) != std::string::npos);
  }
  CHECK_EQUAL(launcher.num_launches(), 0);
}
