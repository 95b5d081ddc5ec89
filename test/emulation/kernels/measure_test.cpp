#include <algorithm>
#include <cmath>

#include "../../../cuda/measure_params.h"
#include "../compare.h"
#include "../device_array.h"
#include "../emulated_launcher.h"

namespace {

using emulation::DeviceArray;
using emulation::DeviceFloats;

constexpr u32 kThreads = 256;
constexpr i64 kVecsPerTrip = 256 * 8;  // of one CTA

// Numbers of vectors at which a CTA's trip, a thread's turn or the whole grid begins anew.
constexpr i64 kVecCounts[] = {0,
                              1,
                              255,
                              256,
                              257,
                              kVecsPerTrip - 1,
                              kVecsPerTrip,
                              kVecsPerTrip + 1,
                              2 * kVecsPerTrip + 300,
                              6 * kVecsPerTrip + 1};

template <class Params>
void launch(const char* kernel, u32 num_ctas, const Params& params) {
  emulation::EmulatedLauncher launcher;
  cuda::Grid grid;
  grid.x = num_ctas;
  grid.threads = kThreads;
  CHECK_EQUAL(launcher.launch(kernel, grid, params).message(), "");
}

std::vector<u32> random_words(Random& random, i64 num_vecs) {
  std::vector<u32> words(size_t(num_vecs) * 4);
  for (u32& word : words) word = u32(random.next());
  return words;
}

// What each CTA is to read: every num_ctas-th piece of kVecsPerTrip vectors.
std::vector<u32> sums_of(const std::vector<u32>& words, u32 num_ctas) {
  std::vector<u32> sums(num_ctas, 0);
  for (size_t i = 0; i < words.size(); ++i) {
    sums[i / 4 / size_t(kVecsPerTrip) % num_ctas] ^= words[i];
  }
  return sums;
}

const char* fill_kernel(DType dtype) {
  if (dtype == kF32) return "fill_random_f32";
  return dtype == kF16 ? "fill_random_f16" : "fill_random_bf16";
}

std::vector<f32> fill(DType dtype, i64 count, u64 seed, f32 scale, u32 num_ctas) {
  const DeviceFloats data(dtype, size_t(count), emulation::kPoisons[0]);
  launch(fill_kernel(dtype), num_ctas, FillRandomParams{data.data(), count, seed, scale});
  return data.download();
}

// Element i of a seed: MurmurHash3's finaliser of a counter, as a fraction of 2^31.
double drawn(u64 seed, u64 i) {
  u64 x = seed * 0x9e3779b97f4a7c15ull + i;
  for (const u64 factor : {0xff51afd7ed558ccdull, 0xc4ceb9fe1a85ec53ull}) {
    x = (x ^ (x >> 33)) * factor;
  }
  return double(i32(u32(x ^ (x >> 33)))) * 0x1p-31;
}

// Of n uniform values of [-1, 1] the sample moments have known spreads; 6 of them are as good as
// never.
void check_moments(const std::vector<f32>& values) {
  const double n = double(values.size());
  double sum = 0, squares = 0, neighbours = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += double(values[i]);
    squares += double(values[i]) * double(values[i]);
    if (i > 0) neighbours += double(values[i]) * double(values[i - 1]);
  }
  CHECK(std::fabs(sum / n) < 6 * std::sqrt(1.0 / 3 / n));
  CHECK(std::fabs(squares / n - 1.0 / 3) < 6 * std::sqrt(4.0 / 45 / n));
  CHECK(std::fabs(neighbours / n) < 6 * (1.0 / 3) / std::sqrt(n));
}

// As many values in each sixteenth of [-1, 1] as chance lets there be.
void check_bins(const std::vector<f32>& values) {
  constexpr int kBins = 16;
  double counts[kBins] = {};
  for (const f32 value : values) {
    ++counts[std::min(kBins - 1, int((double(value) + 1) * kBins / 2))];
  }
  const double expected = double(values.size()) / kBins;
  for (const double count : counts) {
    CHECK(std::fabs(count - expected) < 6 * std::sqrt(expected));
  }
}

}  // namespace

TEST("measure: a read's sums are the xor of every word of its CTA's pieces") {
  Random random(emulation::run_seed() + 90);
  for (const i64 num_vecs : kVecCounts) {
    for (const u32 num_ctas : {1u, 3u}) {
      const check::Case description(check::text(num_vecs, " vectors, ", num_ctas, " CTAs"));
      const std::vector<u32> words = random_words(random, num_vecs);
      const DeviceArray<u32> data(words), sums(num_ctas);
      launch("measure_read_bytes", num_ctas, ReadBytesParams{data.data(), sums.data(), num_vecs});
      CHECK(sums.download() == sums_of(words, num_ctas));
      emulation::note_exact_case("measure_read_bytes");
    }
  }
}

TEST("measure: a read notices one bit, wherever it is") {
  Random random(emulation::run_seed() + 91);
  constexpr i64 kNumVecs = 2 * kVecsPerTrip + 100;
  std::vector<u32> words = random_words(random, kNumVecs);
  const std::vector<u32> before = sums_of(words, 1);
  for (int round = 0; round < 12; ++round) {
    const u32 bit = u32(1) << random.below(32);
    u32& word = words[size_t(random.below(i32(words.size())))];
    word ^= bit;
    const DeviceArray<u32> data(words), sums(1);
    launch("measure_read_bytes", 1, ReadBytesParams{data.data(), sums.data(), kNumVecs});
    CHECK_EQUAL(sums.download()[0], before[0] ^ bit);
    word ^= bit;
  }
}

TEST("measure: a copy has exactly the bytes of its source, and nothing behind them is touched") {
  Random random(emulation::run_seed() + 92);
  constexpr size_t kBehind = 64;  // words that belong to nobody
  constexpr u32 kSentinel = 0xA5A5A5A5u;
  for (const i64 num_vecs : kVecCounts) {
    for (const u32 num_ctas : {1u, 3u}) {
      const check::Case description(check::text(num_vecs, " vectors, ", num_ctas, " CTAs"));
      std::vector<u32> expected = random_words(random, num_vecs);
      const DeviceArray<u32> source(expected);
      expected.insert(expected.end(), kBehind, kSentinel);
      const DeviceArray<u32> destination(expected.size(), kSentinel);
      launch("measure_copy_bytes", num_ctas,
             CopyBytesParams{destination.data(), source.data(), num_vecs});
      CHECK(destination.download() == expected);
      emulation::note_exact_case("measure_copy_bytes");
    }
  }
}

TEST("measure: an element that is filled depends on seed and place, rounded once, on no grid") {
  Random random(emulation::run_seed() + 93);
  for (const DType dtype : {kF32, kF16, kBF16}) {
    for (const i64 count : {1, 255, 256, 257, 1000, 5003}) {
      const u64 seed = random.next();
      const f32 scale = 0.01f + std::fabs(random.uniform());
      const check::Case description(
          check::text(dtype_name(dtype), ", ", count, " elements, scale ", scale));
      std::vector<f32> exact;
      for (i64 i = 0; i < count; ++i) exact.push_back(f32(f32(drawn(seed, u64(i))) * scale));
      const FloatArray rounded(dtype, exact);
      std::vector<double> expected;
      for (size_t i = 0; i < rounded.size(); ++i) expected.push_back(double(rounded[i]));
      for (const u32 num_ctas : {1u, 3u}) {
        CHECK_CLOSE(fill_kernel(dtype), fill(dtype, count, seed, scale, num_ctas), expected,
                    (emulation::Tolerance{0, 0}));
      }
    }
  }
}

TEST("measure: filled values are uniform within the scale, and differ from seed to seed") {
  constexpr i64 kCount = 1 << 16;
  Random random(emulation::run_seed() + 94);
  const u64 seed = random.next();
  for (const DType dtype : {kF32, kF16, kBF16}) {
    const check::Case description(check::text(dtype_name(dtype), ", seed ", seed));
    const std::vector<f32> values = fill(dtype, kCount, seed, 1.0f, 5);
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    CHECK(*least >= -1.0f && *least < -0.99f);
    CHECK(*most <= 1.0f && *most > 0.99f);
    check_moments(values);
    check_bins(values);
    const std::vector<f32> others = fill(dtype, kCount, seed + 1, 1.0f, 5);
    i64 num_equal = 0;
    for (size_t i = 0; i < values.size(); ++i) num_equal += values[i] == others[i];
    CHECK(num_equal < kCount / 50);
  }
}

TEST("measure: filling stops at the last element, wherever memory begins") {
  constexpr f32 kSentinel = 7.0f;  // no scale below reaches it
  for (const DType dtype : {kF32, kF16, kBF16}) {
    for (const size_t offset : {size_t(0), size_t(1), size_t(3)}) {
      const check::Case description(check::text(dtype_name(dtype), ", offset ", offset));
      constexpr i64 kCount = 777;
      const DeviceFloats data(dtype, offset + size_t(kCount) + 300, kSentinel);
      char* const begin = static_cast<char*>(data.data()) + offset * elem_bytes(dtype);
      launch(fill_kernel(dtype), 2, FillRandomParams{begin, kCount, 1, 2.0f});
      const std::vector<f32> values = data.download();
      for (size_t i = 0; i < values.size(); ++i) {
        const bool is_inside = i >= offset && i < offset + size_t(kCount);
        CHECK_EQUAL(values[i] != kSentinel, is_inside);
      }
    }
  }
}
